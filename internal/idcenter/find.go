package idcenter

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/partition"
)

// SessionVariable is the environment variable that names one of several sessions.
const SessionVariable = "CHAIM_SSO_SESSION"

// ErrSeveral means that the AWS config file has several sessions, and none was chosen.
var ErrSeveral = errors.New("chaim: the AWS config file has several sessions")

// Find completes c from the AWS config file. An empty Session means the only one, unless there is a StartURL. open opens the
// sign-in of a session. Find touches no network.
func Find[S SignIn](c Center, open func(session, startURL string) (S, error)) (*Center, error) {
	if c.Session != "" || c.StartURL == "" {
		files, err := c.Files.Profiles()
		if err != nil {
			return nil, err
		}
		if c.Session, err = c.choose(slices.Sorted(maps.Keys(files.Sessions))); err != nil {
			return nil, err
		}
		known := files.Sessions[c.Session]
		c.StartURL, c.Region = cmp.Or(c.StartURL, known["sso_start_url"]), cmp.Or(c.Region, known["sso_region"])
	}
	if u, err := url.Parse(c.StartURL); err == nil && c.Region == "" && IsAWS(u.Hostname()) {
		c.Region = RegionIn(u.Hostname())
	}
	switch {
	case c.StartURL == "":
		return nil, fmt.Errorf("chaim: [sso-session %s] of the AWS config file has no sso_start_url", c.Session)
	case CheckStartURL(c.StartURL) != nil:
		return nil, CheckStartURL(c.StartURL)
	case c.Region == "":
		return nil, errors.New("chaim: the region of the Identity Center is missing: it is sso_region in the AWS config file, or --region")
	}
	if err := partition.CheckRegionOf("the Identity Center", c.Region); err != nil {
		return nil, err
	}
	signIn, err := open(c.Session, c.StartURL)
	c.SignIn = signIn
	return &c, err
}

// choose returns the session that is meant, of those in the AWS config file.
func (c *Center) choose(known []string) (string, error) {
	switch {
	case c.Session == "" && len(known) == 1:
		return known[0], nil
	case c.Session == "" && len(known) == 0:
		return "", errtext.Because(keys.ErrNotConfigured, errors.New("the AWS config file has no [sso-session]; 'aws configure sso' makes one"))
	case c.Session == "":
		return "", fmt.Errorf("%w: %s: set %s=%s", ErrSeveral, strings.Join(known, ", "), SessionVariable, known[0])
	case !slices.Contains(known, c.Session) && (c.StartURL == "" || c.Region == ""):
		return "", errtext.Because(keys.ErrNotConfigured, fmt.Errorf("the AWS config file has no [sso-session %s]; it has: %s", c.Session, cmp.Or(strings.Join(known, ", "), "none")))
	}
	return c.Session, nil
}
