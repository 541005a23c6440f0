package chaim

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/humantime"
	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/lease"
)

// Account is an AWS account that a gateway knows.
type Account struct {
	ID   string // 12 digits, if the gateway is right
	Name string // full name, as the gateway calls it; empty where it has none
}

// RequestList asks the gateway for the accounts it knows, in the gateway's order. It returns an error wrapping
// [ErrNotConfigured] without a gateway, [ErrClosed] after Close, and a [*GatewayError] when the gateway refuses.
func (c *Client) RequestList(ctx context.Context) ([]Account, error) {
	if err := c.checkOpen(); err != nil {
		return nil, err
	}
	if c.gateway == nil {
		return nil, c.noGateway
	}
	ctx, stop := c.bound(ctx)
	defer stop()
	accounts, err := c.gateway.accounts(ctx)
	if err != nil {
		return nil, errtext.Wrap(err, "listing accounts")
	}
	return accounts, nil
}

// Profile is a profile of the credentials file that has an accountname. Its texts are as they stand in the file, which
// other programs may have written.
type Profile struct {
	Name      string        // of the section
	Account   string        // full name or 12-digit id
	AccountID string        // 12-digit id by which its keys are asked for again; empty where the section does not tell
	Role      string        // as asked for
	Region    string        // of AWS, where the section has none that of the AWS config file for the profile
	Expires   time.Time     // zero where the section does not tell
	Duration  time.Duration // as asked for; zero where the section does not tell
	Form      ProfileForm   // what it holds
	Default   bool          // it is the default account that the section [default] names
	Live      bool          // it belongs to a scope that may still run
	Dead      bool          // it belonged to a scope whose process died; neither is true of one that is kept
	Static    bool          // it holds long-lived keys, which are not chaim's to renew
}

// Left is the time until the keys expire: zero once they have, and where that is unknown.
func (p Profile) Left() time.Duration {
	if p.Expires.IsZero() {
		return 0
	}
	return max(0, time.Until(p.Expires))
}

// Percent is how much of Duration is left, rounded down: 0 to 100, and 0 where either is unknown.
func (p Profile) Percent() int {
	if p.Duration <= 0 {
		return 0
	}
	return int(100 * float64(min(p.Left(), p.Duration)) / float64(p.Duration))
}

// MyAccountList returns the profiles that the credentials file holds, of this program and of others, in the order of
// the file. It includes sections that chaim did not write, if they have an accountname. A missing file gives none.
// It only reads the file: nothing is written, and neither gateway nor AWS is asked. The error wraps [ErrClosed] after
// Close; otherwise it is that of ctx or of reading the file.
func (c *Client) MyAccountList(ctx context.Context) ([]Profile, error) {
	doc, err := c.read(ctx)
	if err != nil {
		return nil, errtext.Wrap(err, "listing profiles")
	}
	scopes, err := lease.Beside(c.file.Path)
	if err != nil {
		return nil, errtext.Wrap(err, "listing profiles")
	}
	var profiles []Profile
	settings, _, _ := inifile.ReadAll(doc, inifile.DefaultSection) // which names no account where it is damaged
	defaultName := inifile.DefaultName(settings)
	regions := configRegions()
	for _, s := range inifile.Scan(doc) {
		pairs := s.Managed(doc)
		if s.Name() == "" || pairs[inifile.MarkerKey] == "" {
			continue
		}
		hasScope := pairs[inifile.ScopeKey] != ""
		p := Profile{
			Name:      s.Name(),
			Account:   pairs[inifile.MarkerKey],
			AccountID: holderOf(pairs).id,
			Role:      pairs["role"],
			Region:    cmp.Or(pairs["region"], regions(s.Name())),
			Default:   s.Name() == defaultName,
			Live:      hasScope && scopes.IsLive(pairs),
			Static:    lease.IsLongLived(pairs["aws_access_key_id"]),
		}
		p.Dead = hasScope && !p.Live
		p.Expires, _ = humantime.Expiry(pairs["expires"])
		p.Duration, _ = humantime.Lifetime(pairs["duration"])
		if pairs[inifile.ProcessKey] != "" && pairs["aws_access_key_id"] == "" {
			p.Form = Process
		}
		profiles = append(profiles, p)
	}
	return profiles, nil
}

// DisplayMyList writes [Client.MyAccountList] to w as a table for people, in one call and in the local time zone. Each
// line has the name (after an asterisk for the default account), account, role, region, when the keys expire and how
// much of their time is left, and whether the profile is live (of a scope that may still run), kept, or dead (left by a
// process that died). Above them stands when the user token of the gateway ends, if there is a gateway.
//
// No key or token is shown. What is not printable ASCII is quoted, so that a file cannot control the terminal, and very
// long texts are cut. Errors are those of MyAccountList and of w.
func (c *Client) DisplayMyList(ctx context.Context, w io.Writer) error {
	profiles, err := c.MyAccountList(ctx)
	if err != nil {
		return err
	}
	var b strings.Builder
	now := time.Now()
	if c.gateway != nil {
		s := c.gateway.settings
		fmt.Fprintf(&b, "user token of %s: %s\n", printable(s.Username), humantime.Until(s.TokenExpires, now))
	}
	if len(profiles) == 0 {
		fmt.Fprintf(&b, "no profiles in %s\n", printable(c.file.Path))
	}
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, p := range profiles {
		mark, state := " ", "kept"
		if p.Default {
			mark = "*"
		}
		switch {
		case p.Live:
			state = "live"
		case p.Dead:
			state = "dead"
		}
		ends := humantime.Until(p.Expires, now)
		if p.Duration > 0 && p.Left() > 0 {
			ends = fmt.Sprintf("%s [%d%%]", ends, p.Percent())
		}
		fmt.Fprintf(table, "%s %s\t%s\t%s\t%s\t%s\t%s\n",
			mark, printable(p.Name), printable(p.Account), printable(p.Role), printable(p.Region), ends, state)
	}
	_ = table.Flush() // to memory
	if _, err := io.WriteString(w, b.String()); err != nil {
		return errtext.Wrap(err, "writing the list of profiles")
	}
	return nil
}

// printable is a text of unknown origin in one cell of a table, quoted where it could do more than stand there. Account
// names are the longest that chaim writes: one long text would widen every line.
func printable(text string) string {
	switch {
	case text == "":
		return "-"
	case len(text) <= 128 && strconv.QuoteToASCII(text) == `"`+text+`"`:
		return text
	}
	return quoteShort(text)
}
