// Package rules has the commands about the policy: apply, policy, explain and who-can.
package rules

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/cli"
	"github.com/chaim-go/chaim/gateway/internal/config"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/policy"
)

// Commands returns the commands.
func Commands(a *cli.App) []*cobra.Command {
	return []*cobra.Command{applyCommand(a), policyCommand(a), explainCommand(a), whoCanCommand(a)}
}

// members are the users who can have keys.
func members(view *store.View) []policy.Member {
	var all []policy.Member
	for _, name := range slices.Sorted(maps.Keys(view.Users)) {
		if u := view.Users[name]; !u.Disabled {
			all = append(all, policy.Member{Name: u.Name, Groups: u.Groups})
		}
	}
	return all
}

// directory is what a policy may name.
func directory(view *store.View, provider config.OIDC) *policy.Directory {
	d := &policy.Directory{Groups: view.Groups, Users: slices.Sorted(maps.Keys(view.Users))}
	if prefix := provider.GroupPrefix(); prefix != "" {
		d.Prefixes = []string{prefix}
	}
	return d
}

// find returns the account and, unless the name is empty, the role that a person named.
func find(engine *policy.Engine, account, role string) (a policy.Account, r policy.Role, err error) {
	if a, err = engine.Account(account); err != nil || role == "" {
		return a, r, err
	}
	r, err = engine.Role(role)
	return a, r, err
}

// accessInfo is who may use what, as it is printed.
type accessInfo struct {
	User string   `json:"user"`
	Role string   `json:"role"`
	How  []string `json:"how"`
}

func whoCanCommand(a *cli.App) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "who-can ACCOUNT [ROLE]", Short: "List who may use an account, and by which rule", Args: cobra.RangeArgs(1, 2),
		Long: "who-can lists the active users who may use an account now or later, with the grants that allow it and their conditions.",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.With(cmd.Context(), func(s *cli.Session) error {
				view, engine, err := s.Policy(cmd.Context())
				if err != nil {
					return err
				}
				account, role, err := find(engine, args[0], strings.Join(args[1:], ""))
				if err != nil {
					return err
				}
				infos := []accessInfo{}
				rows := [][]string{{"USER", "ROLE", "HOW"}}
				for _, one := range engine.WhoCan(account.ID, role.Alias, members(view), time.Now()) {
					infos = append(infos, accessInfo{one.Person, one.Role, ways(one.Rights)})
					rows = append(rows, []string{one.Person, one.Role, one.Rights.String()})
				}
				return a.Show(asJSON, infos, rows)
			})
		},
	}
	cli.AddJSONFlag(cmd, &asJSON)
	return cmd
}

func ways(r policy.Rights) (texts []string) {
	for _, w := range r.Ways {
		texts = append(texts, w.String())
	}
	for _, p := range r.Pauses {
		texts = append(texts, p.String())
	}
	return texts
}
