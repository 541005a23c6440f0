package people

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/cli"
	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/policy"
)

var groupRule = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`) })

func noGroup(name string) error {
	if name == policy.Everyone {
		return fmt.Errorf("every user is in %s; nothing adds or removes its members", name)
	}
	return fmt.Errorf("there is no group %q: 'chaim-gateway group add %s' makes it", name, name)
}

func groupCommand(a *cli.App) *cobra.Command {
	return cli.Group("group", "Add, list and remove groups, and their members",
		groupAdd(a), groupList(a), groupRemove(a),
		member(a, "join GROUP USER...", "Add users to a group", true), member(a, "leave GROUP USER...", "Take users out of a group", false))
}

func groupAdd(a *cli.App) *cobra.Command {
	return &cobra.Command{
		Use: "add GROUP", Short: "Add a group, which the policy can then name", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := args[0]
			switch {
			case name == policy.Everyone:
				return cli.Usagef("every user is in %q by itself", name)
			case !groupRule().MatchString(name):
				return cli.Usagef("%q is no name of a group: it has 1 to 64 lower-case letters, digits, and . _ - after the first", name)
			}
			return a.With(cmd.Context(), func(s *cli.Session) error {
				err := s.Change(cmd.Context(), func(v *store.View) (store.Change, error) {
					if slices.Contains(v.Groups, name) {
						return store.Change{}, fmt.Errorf("there is a group %s already", name)
					}
					e := s.Event(audit.GroupAdded, "", "group", name)
					return store.Change{Events: []audit.Event{e}, Effects: []store.Effect{store.AddGroup(name, e.At)}}, nil
				})
				if err == nil {
					a.Say("added group %s", name)
				}
				return err
			})
		},
	}
}

// groupInfo is a group as it is printed.
type groupInfo struct {
	Name    string   `json:"name"`
	Members []string `json:"members"`
}

func membersOf(v *store.View, group string) []string {
	members := []string{}
	for _, name := range slices.Sorted(maps.Keys(v.Users)) {
		if slices.Contains(v.Users[name].Groups, group) {
			members = append(members, name)
		}
	}
	return members
}

func groupList(a *cli.App) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "List the groups and their members", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.WithView(cmd.Context(), func(_ *cli.Session, view *store.View) error {
				groups := []groupInfo{}
				rows := [][]string{{"GROUP", "MEMBERS"}}
				for _, name := range slices.Sorted(slices.Values(view.Groups)) {
					g := groupInfo{name, membersOf(view, name)}
					groups = append(groups, g)
					rows = append(rows, []string{g.Name, strings.Join(g.Members, ", ")})
				}
				return a.Show(asJSON, groups, rows)
			})
		},
	}
	cli.AddJSONFlag(cmd, &asJSON)
	return cmd
}

func groupRemove(a *cli.App) *cobra.Command {
	return &cobra.Command{
		Use: "remove GROUP", Short: "Remove a group with its memberships", Args: cobra.ExactArgs(1),
		Long: `remove removes a group that the policy does not name. If a rule names it, change the policy first: without the group a deny rule
would refuse its members nothing any more. To take access away at once, take the users out of the group with 'group leave'.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			name := args[0]
			return a.With(cmd.Context(), func(s *cli.Session) error {
				var members []string
				err := s.Change(cmd.Context(), func(v *store.View) (store.Change, error) {
					if !slices.Contains(v.Groups, name) {
						return store.Change{}, noGroup(name)
					}
					if err := isUnnamed(v, name); err != nil {
						return store.Change{}, err
					}
					members = membersOf(v, name)
					return store.Change{
						Events:  []audit.Event{s.Event(audit.GroupRemoved, "", "group", name, "members", strings.Join(members, ","))},
						Effects: []store.Effect{store.RemoveGroup(name)},
					}, nil
				})
				if err == nil {
					a.Say("removed group %s, which had %s", name, counted(len(members), "member"))
				}
				return err
			})
		},
	}
}

// isUnnamed refuses a group that the policy names.
func isUnnamed(v *store.View, group string) error {
	engine, err := cli.Engine(v)
	if errors.Is(err, cli.ErrNoPolicy) {
		return nil
	}
	if err != nil {
		return err
	}
	if rules := engine.RulesOf(group); len(rules) > 0 {
		return fmt.Errorf("the policy names group %s in %s: apply one that does not, then remove the group", group, strings.Join(rules, ", "))
	}
	return nil
}

// member is the command that adds users to a group, or takes them out.
func member(a *cli.App, use, short string, isJoin bool) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.With(cmd.Context(), func(s *cli.Session) error {
				var done []string
				err := s.Change(cmd.Context(), func(v *store.View) (c store.Change, err error) {
					c, done, err = memberChange(s, v, args[0], args[1:], isJoin)
					return c, err
				})
				switch {
				case err != nil:
				case isJoin:
					a.Say("added to group %s: %s", args[0], strings.Join(done, ", "))
				default:
					a.Say("taken out of group %s: %s", args[0], strings.Join(done, ", "))
				}
				return err
			})
		},
	}
}

// isLocal refuses a group of the identity provider: each sign-in sets its members anew.
func isLocal(s *cli.Session, group string) error {
	if prefix := s.Config.OIDC.GroupPrefix(); prefix != "" && strings.HasPrefix(group, prefix) {
		return fmt.Errorf("group %s is one of the identity provider %s: its members change there, and here at their next sign-in",
			group, s.Config.OIDC.ID)
	}
	return nil
}

func memberChange(s *cli.Session, v *store.View, group string, names []string, isJoin bool) (c store.Change, done []string, err error) {
	if err := isLocal(s, group); err != nil {
		return c, nil, err
	}
	if !slices.Contains(v.Groups, group) {
		return c, nil, noGroup(group)
	}
	for _, name := range names {
		u, err := cli.FindUser(v, name)
		switch {
		case err != nil:
			return c, nil, err
		case slices.Contains(u.Groups, group) == isJoin && isJoin:
			return c, nil, fmt.Errorf("%s is in group %s already", u.Name, group)
		case slices.Contains(u.Groups, group) == isJoin:
			return c, nil, fmt.Errorf("%s is not in group %s", u.Name, group)
		case slices.Contains(done, u.Name):
			return c, nil, cli.Usagef("%s is named twice", u.Name)
		case isJoin:
			c.Events = append(c.Events, s.Event(audit.MemberAdded, u.Name, "group", group))
			c.Effects = append(c.Effects, store.AddMember(group, u.Name))
		default:
			c.Events = append(c.Events, s.Event(audit.MemberRemoved, u.Name, "group", group))
			c.Effects = append(c.Effects, store.RemoveMember(group, u.Name))
		}
		done = append(done, u.Name)
	}
	return c, done, nil
}
