package people

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/cli"
	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/awsrole"
	"github.com/chaim-go/chaim/gateway/internal/store"
)

// CheckUserName refuses a name that no user can have.
func CheckUserName(name string) error {
	if name == store.ReservedUser {
		return cli.Usagef("%q is the name of the tests of 'chaim-gateway doctor'", name)
	}
	if !store.IsUserName(name) {
		return cli.Usagef("%q is no name of a user: it has 2 to 64 lower-case letters, digits, and . _ @ - after the first", name)
	}
	return nil
}

func userCommand(a *cli.App) *cobra.Command {
	return cli.Group("user", "Add, list, disable and enable users, and say how they sign in", userAdd(a), userList(a), userShow(a), userDisable(a), userEnable(a),
		userLink(a), userUnlink(a), userSignInLink(a))
}

// NewUser returns the change that adds a user who is in these groups.
func NewUser(s *cli.Session, view *store.View, name string, groups []string) (store.Change, error) {
	if _, isKnown := view.Users[name]; isKnown {
		return store.Change{}, fmt.Errorf("there is a user %s already; a name is never given to another person", name)
	}
	identity := awsrole.SourceIdentity(name, view.HasSourceIdentity)
	e := s.Event(audit.UserAdded, name, "source_identity", identity)
	c := store.Change{
		Events:  []audit.Event{e},
		Effects: []store.Effect{store.AddUser(store.User{Name: name, SourceIdentity: identity, Created: e.At})},
	}
	for i, group := range groups {
		if slices.Contains(groups[:i], group) {
			continue
		}
		if err := isLocal(s, group); err != nil {
			return store.Change{}, err
		}
		if !slices.Contains(view.Groups, group) {
			return store.Change{}, noGroup(group)
		}
		c.Events = append(c.Events, s.Event(audit.MemberAdded, name, "group", group))
		c.Effects = append(c.Effects, store.AddMember(group, name))
	}
	return c, nil
}

func userAdd(a *cli.App) *cobra.Command {
	var groups []string
	cmd := &cobra.Command{
		Use: "add NAME", Short: "Add a user", Args: cobra.ExactArgs(1),
		Long: `add adds a user. The name is that of the sessions of the user's keys in AWS, and is never given to another person.
A new user has no token: 'chaim-gateway token create NAME' makes one.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			name := args[0]
			if err := CheckUserName(name); err != nil {
				return err
			}
			return a.With(cmd.Context(), func(s *cli.Session) error {
				err := s.Change(cmd.Context(), func(v *store.View) (store.Change, error) { return NewUser(s, v, name, groups) })
				if err == nil {
					a.Say("added user %s%s", name, inGroups(groups))
				}
				return err
			})
		},
	}
	cmd.Flags().StringSliceVarP(&groups, "group", "g", nil, "a `GROUP` of the user, which must exist; may be repeated")
	return cmd
}

func inGroups(groups []string) string {
	if len(groups) == 0 {
		return ""
	}
	return " in " + strings.Join(groups, ", ")
}

// userInfo is a user as it is printed.
type userInfo struct {
	Name           string         `json:"name"`
	SourceIdentity string         `json:"sourceIdentity"`
	State          string         `json:"state"` // active or disabled
	Groups         []string       `json:"groups"`
	Created        time.Time      `json:"created"`
	SignIns        []identityInfo `json:"identities,omitempty"` // at identity providers
	Tokens         []tokenInfo    `json:"tokens,omitempty"`
}

func newUserInfo(u store.User) userInfo {
	info := userInfo{u.Name, u.SourceIdentity, "active", append([]string{}, u.Groups...), u.Created, nil, nil}
	if u.Disabled {
		info.State = "disabled"
	}
	return info
}

func userList(a *cli.App) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "List the users", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.WithView(cmd.Context(), func(_ *cli.Session, view *store.View) error {
				users := []userInfo{}
				rows := [][]string{{"NAME", "STATE", "GROUPS", "CREATED"}}
				for _, name := range slices.Sorted(maps.Keys(view.Users)) {
					u := newUserInfo(view.Users[name])
					users = append(users, u)
					rows = append(rows, []string{u.Name, u.State, strings.Join(u.Groups, ", "), shortTime(u.Created)})
				}
				return a.Show(asJSON, users, rows)
			})
		},
	}
	cli.AddJSONFlag(cmd, &asJSON)
	return cmd
}

func userShow(a *cli.App) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "show NAME", Short: "Show a user, with the user's tokens", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.WithView(cmd.Context(), func(s *cli.Session, view *store.View) error {
				u, err := cli.FindUser(view, args[0])
				if err != nil {
					return err
				}
				info := newUserInfo(u)
				info.Tokens = tokensOf(view, u.Name, true)
				if info.SignIns, err = identitiesOf(cmd.Context(), s, u.Name); err != nil {
					return err
				}
				if asJSON {
					return a.JSON(info)
				}
				return showUser(a, info)
			})
		},
	}
	cli.AddJSONFlag(cmd, &asJSON)
	return cmd
}

func showUser(a *cli.App, info userInfo) error {
	rows := [][]string{
		{"name", info.Name},
		{"source identity", info.SourceIdentity},
		{"state", info.State},
		{"groups", strings.Join(info.Groups, ", ")},
		{"created", shortTime(info.Created)},
	}
	for _, i := range info.SignIns {
		rows = append(rows, []string{"signs in at", i.Issuer + " as " + i.Subject})
	}
	if err := a.Table(rows); err != nil || len(info.Tokens) == 0 {
		return err
	}
	fmt.Fprintln(a.Out)
	return a.Table(tokenRows(info.Tokens))
}

func userDisable(a *cli.App) *cobra.Command {
	return &cobra.Command{
		Use: "disable NAME", Short: "Disable a user and end all of the user's tokens", Args: cobra.ExactArgs(1),
		Long: `disable ends all tokens of a user at once, on every replica. Keys that the user already has stay valid until they expire:
'chaim-gateway deny-policy NAME' prints a policy for AWS that ends them.`,
		RunE: func(cmd *cobra.Command, args []string) error { return disable(cmd.Context(), a, args[0]) },
	}
}

func disable(ctx context.Context, a *cli.App, name string) error {
	return a.With(ctx, func(s *cli.Session) error {
		ended := 0
		err := s.Change(ctx, func(v *store.View) (store.Change, error) {
			u, err := cli.FindUser(v, name)
			if err != nil {
				return store.Change{}, err
			}
			name = u.Name
			if u.Disabled {
				return store.Change{}, fmt.Errorf("user %s is disabled already", u.Name)
			}
			ended = len(tokensOf(v, u.Name, false))
			e := s.Event(audit.UserDisabled, u.Name, "tokens", fmt.Sprint(ended))
			return store.Change{
				Events:  []audit.Event{e},
				Effects: []store.Effect{store.SetDisabled(u.Name, true), store.RevokeTokensOf(u.Name, e.At)},
			}, nil
		})
		if err == nil {
			a.Say("disabled user %s and ended %s; keys that the user already has stay valid until they expire: see 'chaim-gateway deny-policy %s'",
				name, counted(ended, "token"), name)
		}
		return err
	})
}

func userEnable(a *cli.App) *cobra.Command {
	return &cobra.Command{
		Use: "enable NAME", Short: "Enable a user again", Args: cobra.ExactArgs(1),
		Long: "enable lets a disabled user have tokens again. The tokens from before stay revoked.",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.With(cmd.Context(), func(s *cli.Session) error {
				name := args[0]
				err := s.Change(cmd.Context(), func(v *store.View) (store.Change, error) {
					u, err := cli.FindUser(v, name)
					if err != nil {
						return store.Change{}, err
					}
					name = u.Name
					if !u.Disabled {
						return store.Change{}, fmt.Errorf("user %s is active already", u.Name)
					}
					return store.Change{
						Events: []audit.Event{s.Event(audit.UserEnabled, u.Name)}, Effects: []store.Effect{store.SetDisabled(u.Name, false)},
					}, nil
				})
				if err == nil {
					a.Say("enabled user %s; the old tokens stay revoked: 'chaim-gateway token create %s' makes a new one", name, name)
				}
				return err
			})
		},
	}
}

// counted is a number with its noun.
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// shortTime is a time for people.
func shortTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04Z")
}
