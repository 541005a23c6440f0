package people

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/cli"
	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/config"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/token"
	"github.com/chaim-go/chaim/internal/humantime"
)

func tokenCommand(a *cli.App) *cobra.Command {
	return cli.Group("token", "Create, list and revoke the tokens of users", tokenCreate(a), tokenList(a), tokenRevoke(a))
}

// tokenInfo is a token as it is printed, without its secret.
type tokenInfo struct {
	ID      string    `json:"id"`
	User    string    `json:"user"`
	Kind    string    `json:"kind"`
	State   string    `json:"state"` // active, expired or revoked
	Label   string    `json:"label,omitempty"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
	Revoked time.Time `json:"revoked,omitzero"`
	KeyID   string    `json:"key"`
}

func newTokenInfo(t store.Token, now time.Time) tokenInfo {
	state := "active"
	switch {
	case !t.Revoked.IsZero():
		state = "revoked"
	case !now.Before(t.Expires):
		state = "expired"
	}
	return tokenInfo{t.ID, t.User, string(t.Kind), state, t.Label, t.Created, t.Expires, t.Revoked, t.Seal.KeyID}
}

// tokensOf returns the tokens of a user, or of all users if the name is empty, the newest last. Without all only active ones.
func tokensOf(v *store.View, name string, all bool) []tokenInfo {
	found := []tokenInfo{}
	now := time.Now()
	for _, id := range slices.Sorted(maps.Keys(v.Tokens)) {
		t := newTokenInfo(v.Tokens[id], now)
		if (name == "" || t.User == name) && (all || t.State == "active") {
			found = append(found, t)
		}
	}
	return found
}

// madeByHand returns the tokens that no sign-in made.
func madeByHand(all []tokenInfo) []tokenInfo {
	return slices.DeleteFunc(slices.Clone(all), func(t tokenInfo) bool { return t.Kind != string(store.UserToken) })
}

func tokenRows(tokens []tokenInfo) [][]string {
	rows := [][]string{{"TOKEN", "USER", "KIND", "STATE", "EXPIRES", "LABEL"}}
	for _, t := range tokens {
		rows = append(rows, []string{t.ID, t.User, t.Kind, t.State, shortTime(t.Expires), t.Label})
	}
	return rows
}

// tokenOptions say how a token is made.
type tokenOptions struct {
	lifetime time.Duration // zero means the longest of the configuration
	label    string
	asJSON   bool
	onlyInit bool
}

func tokenCreate(a *cli.App) *cobra.Command {
	var o tokenOptions
	cmd := &cobra.Command{
		Use: "create USER", Short: "Make a token for a user, and print it once", Args: cobra.ExactArgs(1),
		Long: `create makes a token and prints it, with the init string that the user gives to 'chaim init' or to 'cca init'. The token
cannot be printed again: the database has no copy of it.`,
		Example: `  chaim-gateway token create alice --for 24h --label laptop
  chaim-gateway token create alice --init-string | chaim init -`,
		RunE: func(cmd *cobra.Command, args []string) error { return createToken(cmd.Context(), a, o, args[0]) },
	}
	f := cmd.Flags()
	f.DurationVar(&o.lifetime, "for", 0, "how long the token works, as a `DURATION` such as 24h (default and at most legacy.max)")
	f.StringVar(&o.label, "label", "", "a `TEXT` that tells the tokens of a user apart")
	f.BoolVar(&o.onlyInit, "init-string", false, "print the init string only")
	cli.AddJSONFlag(cmd, &o.asJSON)
	cmd.MarkFlagsMutuallyExclusive("init-string", "json")
	return cmd
}

// Issued is a new token, with its secret.
type Issued struct {
	Token      string    `json:"token"`
	ID         string    `json:"id"`
	User       string    `json:"user"`
	Expires    time.Time `json:"expires"`
	InitString string    `json:"initString"`
}

// NewToken makes a token of a user and stores it.
func NewToken(ctx context.Context, s *cli.Session, user, label string, lifetime time.Duration) (made Issued, err error) {
	ring, err := s.Ring()
	if err != nil {
		return made, err
	}
	expires := time.Now().Add(lifetime).UTC().Truncate(time.Second)
	text, row := token.Secret{}, store.Token{}
	err = s.Change(ctx, func(v *store.View) (store.Change, error) {
		u, err := cli.FindUser(v, user)
		switch {
		case err != nil:
			return store.Change{}, err
		case u.Disabled:
			return store.Change{}, fmt.Errorf("user %s is disabled: 'chaim-gateway user enable %s' comes first", u.Name, u.Name)
		case len(madeByHand(tokensOf(v, u.Name, false))) >= s.Config.Limits.TokensPerUser:
			return store.Change{}, fmt.Errorf("user %s has %d tokens already, the most that limits.tokens_per_user allows: revoke one", u.Name, s.Config.Limits.TokensPerUser)
		}
		text, row = ring.New(store.UserToken, u.Name, label, expires)
		return store.Change{
			Events: []audit.Event{s.Event(audit.TokenCreated, u.Name, "token", row.ID, "label", label,
				"expires", expires.Format(time.RFC3339), "key", row.Seal.KeyID)},
			Effects: []store.Effect{store.AddToken(row)},
		}, nil
	})
	if err != nil {
		return made, err
	}
	return Issued{text.Reveal(), row.ID, row.User, row.Expires, InitString(s.Config, row, text.Reveal())}, nil
}

func createToken(ctx context.Context, a *cli.App, o tokenOptions, user string) error {
	return a.With(ctx, func(s *cli.Session) error {
		most := s.Config.Legacy.MaxTokenLifetime
		switch {
		case o.lifetime == 0:
			o.lifetime = most
		case o.lifetime < time.Minute || o.lifetime > most:
			return cli.Usagef("--for is a time from 1m to %s, which legacy.max allows, not %s", most, o.lifetime)
		}
		made, err := NewToken(ctx, s, user, o.label, o.lifetime)
		switch {
		case err != nil:
			return err
		case o.asJSON:
			return a.JSON(made)
		case o.onlyInit:
			_, err = fmt.Fprintln(a.Out, made.InitString)
			return err
		}
		a.Say("made token %s of user %s, which ends %s", made.ID, made.User, humantime.Until(made.Expires, time.Now()))
		return a.Table([][]string{{"token", made.Token}, {"init string", made.InitString}})
	})
}

// InitString is what the user of a token gives to 'chaim init' or 'cca init'. It is base64url with padding, which the Python
// clients need, of pairs that they take as they are: no value has one of the characters = & %.
func InitString(c *config.Config, row store.Token, text string) string {
	plain := func(value string) string {
		return strings.NewReplacer("%", "%25", "&", "%26", "=", "%3D").Replace(value)
	}
	var pairs []string
	add := func(name, value string) { pairs = append(pairs, name+"="+plain(value)) }
	add("endpoint", strings.TrimSuffix(c.Server.URL.String(), "/")+"/")
	if strings.Trim(c.Server.URL.Path, "/") == "" { // the JSON API is at the root of the host
		add("protocol", "v1")
	}
	if c.Server.URL.Scheme == "https" {
		add("api", apiOf(c.Server.URL))
		add("stage", "prod")
	}
	add("region", c.AWS.Regions[0])
	add("username", row.User)
	add("usertoken", text)
	add("expires", strconv.FormatInt(row.Expires.Unix(), 10))
	return base64.URLEncoding.EncodeToString([]byte(strings.Join(pairs, "&")))
}

// apiOf makes the clients in Python, which put it before the name of an API Gateway, ask this gateway: the rest of the
// address that they build becomes its fragment.
func apiOf(u *url.URL) string { return u.Host + strings.TrimSuffix(u.Path, "/") + "/legacy/#" }

func tokenList(a *cli.App) *cobra.Command {
	var asJSON, all bool
	cmd := &cobra.Command{
		Use: "list [USER]", Short: "List the active tokens, of one user or of all", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.WithView(cmd.Context(), func(_ *cli.Session, view *store.View) error {
				name := ""
				if len(args) > 0 {
					u, err := cli.FindUser(view, args[0])
					if err != nil {
						return err
					}
					name = u.Name
				}
				tokens := tokensOf(view, name, all)
				return a.Show(asJSON, tokens, tokenRows(tokens))
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "expired and revoked ones too")
	cli.AddJSONFlag(cmd, &asJSON)
	return cmd
}

func tokenRevoke(a *cli.App) *cobra.Command {
	var user string
	cmd := &cobra.Command{
		Use: "revoke [TOKEN...]", Short: "Revoke tokens by their ids, or all of a user", Args: cobra.ArbitraryArgs,
		Long: `revoke ends tokens at once, on every replica, and the sign-ins that were approved with them. With --user it also ends the
sign-in links of the user. Keys that were lent with a token stay valid until they expire.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if (user == "") == (len(args) == 0) {
				return cli.Usagef("revoke which tokens? Give their ids, or --user for all of a user")
			}
			return a.With(cmd.Context(), func(s *cli.Session) error {
				var revoked []tokenInfo
				err := s.Change(cmd.Context(), func(v *store.View) (c store.Change, err error) {
					c, revoked, err = revocation(s, v, user, args)
					return c, err
				})
				for _, t := range revoked {
					if err == nil {
						a.Say("revoked token %s of user %s", t.ID, t.User)
					}
				}
				if err == nil && len(revoked) == 0 {
					a.Say("user %s has no active token; sign-ins under way and sign-in links have ended", user)
				}
				return err
			})
		},
	}
	cmd.Flags().StringVar(&user, "user", "", "all tokens of this `USER`")
	return cmd
}

func revocation(s *cli.Session, v *store.View, user string, ids []string) (c store.Change, revoked []tokenInfo, err error) {
	if user != "" {
		u, err := cli.FindUser(v, user)
		if err != nil {
			return c, nil, err
		}
		revoked = tokensOf(v, u.Name, false)
		c.Events = []audit.Event{s.Event(audit.TokenRevoked, u.Name, "token", "all")}
		c.Effects = []store.Effect{store.EndLoginsOf(u.Name)}
	}
	for _, id := range ids {
		row, isKnown := v.Tokens[id]
		t := newTokenInfo(row, time.Now())
		switch {
		case !isKnown:
			return c, nil, fmt.Errorf("there is no token %q: give its id, tok_…, as 'chaim-gateway token list' shows it, and not the token", shortID(id))
		case t.State == "revoked":
			return c, nil, fmt.Errorf("token %s is revoked already", id)
		case slices.ContainsFunc(revoked, func(other tokenInfo) bool { return other.ID == id }):
			return c, nil, cli.Usagef("%s is named twice", id)
		}
		revoked = append(revoked, t)
	}
	for _, t := range revoked {
		e := s.Event(audit.TokenRevoked, t.User, "token", t.ID)
		c.Events, c.Effects = append(c.Events, e), append(c.Effects, store.EndToken(t.ID, e.At))
	}
	return c, revoked, nil
}

// shortID is what a person gave as the id of a token, without what may be its secret.
func shortID(text string) string {
	if len(text) > 30 {
		return text[:8] + "…"
	}
	return text
}
