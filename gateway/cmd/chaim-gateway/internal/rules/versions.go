package rules

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/cli"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/policy"
)

func policyCommand(a *cli.App) *cobra.Command {
	return cli.Group("policy", "Show, compare and test the policy", policyShow(a), policyLog(a), policyDiff(a), policyTest(a))
}

// version returns the version that an argument names, or the newest one without an argument.
func version(ctx context.Context, s *cli.Session, view *store.View, args []string, i int) (store.PolicyVersion, error) {
	if view.Policy.Seq == 0 {
		return view.Policy, cli.ErrNoPolicy
	}
	if len(args) <= i {
		return view.Policy, nil
	}
	seq, err := strconv.ParseInt(args[i], 10, 64)
	if err != nil {
		return view.Policy, cli.Usagef("%q is no version of the policy: it is a number, as 'chaim-gateway policy log' shows it", args[i])
	}
	v, err := s.DB.PolicyVersion(ctx, seq)
	if errors.Is(err, store.ErrNotFound) {
		return v, fmt.Errorf("there is no version %d of the policy: the newest is %d", seq, view.Policy.Seq)
	}
	return v, err
}

func policyShow(a *cli.App) *cobra.Command {
	return &cobra.Command{
		Use: "show [VERSION]", Short: "Print the policy as it was applied", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.WithView(cmd.Context(), func(s *cli.Session, view *store.View) error {
				v, err := version(cmd.Context(), s, view, args, 0)
				if err == nil {
					_, err = a.Out.Write(v.Doc)
				}
				return err
			})
		},
	}
}

// versionInfo is a version as it is printed.
type versionInfo struct {
	Version int64     `json:"version"`
	At      time.Time `json:"at"`
	Author  string    `json:"author"`
	Message string    `json:"message,omitempty"`
	SHA256  string    `json:"sha256"`
}

func policyLog(a *cli.App) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "log", Short: "List the versions of the policy, the newest first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.With(cmd.Context(), func(s *cli.Session) error {
				versions, err := s.DB.PolicyVersions(cmd.Context())
				if err != nil {
					return err
				}
				infos := []versionInfo{}
				rows := [][]string{{"VERSION", "AT", "AUTHOR", "MESSAGE"}}
				for _, v := range versions {
					i := versionInfo{v.Seq, v.At, v.Author, v.Message, fmt.Sprintf("%x", v.SHA256)}
					infos = append(infos, i)
					rows = append(rows, []string{fmt.Sprint(i.Version), i.At.Format(time.RFC3339), i.Author, i.Message})
				}
				return a.Show(asJSON, infos, rows)
			})
		},
	}
	cli.AddJSONFlag(cmd, &asJSON)
	return cmd
}

func policyDiff(a *cli.App) *cobra.Command {
	var isAll, asJSON bool
	cmd := &cobra.Command{
		Use: "diff OLD [NEW]", Short: "Say which roles of people two versions differ in", Args: cobra.RangeArgs(1, 2),
		Long: "diff compares two versions for the people of today, as 'apply --plan' does. Without NEW it is the newest one.",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.WithView(cmd.Context(), func(s *cli.Session, view *store.View) error {
				old, err := version(cmd.Context(), s, view, args, 0)
				if err != nil {
					return err
				}
				next, err := version(cmd.Context(), s, view, args, 1)
				if err != nil {
					return err
				}
				before, err := cli.Compile(old)
				if err != nil {
					return err
				}
				after, err := cli.Compile(next)
				if err != nil {
					return err
				}
				d := &draft{head: old, engine: after, diff: policy.Plan(before, after, members(view), time.Now())}
				return showPlan(a, d, isAll, asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&isAll, "all", false, "list each person, account and role on a line of its own")
	cli.AddJSONFlag(cmd, &asJSON)
	return cmd
}
