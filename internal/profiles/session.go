package profiles

import (
	"context"
	"fmt"

	"github.com/chaim-go/chaim/internal/awsenv"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/lazyregexp"
)

var sessionRule = lazyregexp.New(`^[A-Za-z0-9_.-]{1,64}$`)

// AddSession adds a section [sso-session NAME] to the AWS config file. A new file gets mode 0600. All other lines stay.
func AddSession(ctx context.Context, name, startURL, region string) (path string, err error) {
	if !sessionRule().MatchString(name) {
		return "", fmt.Errorf("chaim: session name %s is not 1 to 64 letters, digits and _ . -", keys.QuoteShort(name))
	}
	if path, err = awsenv.ConfigPath(); err != nil {
		return "", err
	}
	err = edit(ctx, Open(path, nil, nil).file, func(doc *inifile.Document) error {
		for _, s := range doc.Sections() {
			kind, other := s.ConfigName()
			known := s.Settings()
			switch {
			case kind != "sso-session" || other != name:
			case known["sso_start_url"] == startURL && known["sso_region"] == region: // the edit may be called again
				return nil
			default:
				return fmt.Errorf("it has another [sso-session %s] already", name)
			}
		}
		return doc.SetKeys("sso-session "+name, []inifile.Pair{
			{Key: "sso_start_url", Value: startURL}, {Key: "sso_region", Value: region}, {Key: "sso_registration_scopes", Value: "sso:account:access"},
		}, func(string) bool { return false })
	})
	if err != nil {
		return path, errtext.Wrap(err, "adding to %s", path)
	}
	return path, nil
}
