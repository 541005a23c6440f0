package trust

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/cli"
	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/awsrole"
	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/policy"
)

// finding is what became of the test of one role.
type finding struct {
	Role  string `json:"role"` // the alias
	ARN   string `json:"arn"`
	OK    bool   `json:"ok"`
	Cause string `json:"cause,omitempty"`
	Text  string `json:"text"`
}

func doctorCommand(a *cli.App) *cobra.Command {
	var account string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "doctor --account ACCOUNT", Short: "Try whether the gateway may assume the roles in an account", Args: cobra.NoArgs,
		Long: `doctor asks STS for keys of each role of the policy in one account, and says what its trust policy lacks. The keys are dropped.
Each try is in the audit log, as all keys that AWS makes are, and names chaim-gateway-doctor as the user. During a freeze there
is none.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if account == "" {
				return cli.Usagef("in which account? Give its name or id with --account")
			}
			return a.With(cmd.Context(), func(s *cli.Session) error { return doctor(cmd.Context(), a, s, account, asJSON) })
		},
	}
	cmd.Flags().StringVar(&account, "account", "", "name or id of the `ACCOUNT`")
	cli.AddJSONFlag(cmd, &asJSON)
	return cmd
}

func doctor(ctx context.Context, a *cli.App, s *cli.Session, name string, asJSON bool) error {
	_, engine, err := s.Policy(ctx)
	if err != nil {
		return err
	}
	account, err := engine.Account(name)
	if err != nil {
		return err
	}
	log := a.WarnLog()
	assumer, err := cli.Assumer(ctx, s.Config, log)
	if err != nil {
		return err
	}
	issuer, err := newIssuer(s, assumer, log)
	if err != nil {
		return err
	}
	who, err := assumer.Identify(ctx)
	if err != nil {
		return err
	}
	if !asJSON {
		a.Say("the gateway is %s", who.ARN)
	}
	findings := []finding{}
	rows := [][]string{{"ROLE", "RESULT", "ARN", "WHAT TO DO"}}
	bad := 0
	for _, role := range engine.Roles() {
		f, err := try(ctx, issuer, s.Actor, account, role)
		if err != nil {
			return err
		}
		result := "ok"
		if !f.OK {
			result, bad = f.Cause, bad+1
		}
		findings, rows = append(findings, f), append(rows, []string{f.Role, result, f.ARN, f.Text})
	}
	if err := a.Show(asJSON, findings, rows); err != nil {
		return err
	}
	if bad > 0 {
		return &cli.Exit{Code: cli.ExitFailed, Text: fmt.Sprintf("%d of %d roles cannot be lent in account %s", bad, len(findings), account.ID)}
	}
	return nil
}

// newIssuer makes an issuer that records in the log of the session.
func newIssuer(s *cli.Session, sts issue.Assumer, log *slog.Logger) (*issue.Issuer, error) {
	ring, err := s.RingFile()
	if err != nil {
		return nil, err
	}
	return issue.New(issue.Deps{Store: s.DB, Journal: s, Ring: ring, STS: sts, Log: log, Options: issue.Options{Replica: s.Writer}}), nil
}

// try asks for keys of a role and drops them.
func try(ctx context.Context, issuer *issue.Issuer, actor audit.Actor, account policy.Account, role policy.Role) (finding, error) {
	f := finding{Role: role.Alias, ARN: awsrole.ARN(account.Partition, account.ID, role.Path, role.AWS)}
	err := issuer.Try(ctx, actor, store.ReservedUser, account.ID, role.Alias)
	var failure *issue.STSError
	switch {
	case err == nil:
		f.OK = true
	case errors.As(err, &failure):
		f.Cause, f.Text = string(failure.Cause), failure.Text
	default:
		return f, err
	}
	return f, nil
}
