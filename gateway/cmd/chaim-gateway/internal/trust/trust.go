// Package trust has the commands about the AWS side: trust-policy, deny-policy and doctor.
package trust

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/cli"
	"github.com/chaim-go/chaim/gateway/internal/ambient"
	"github.com/chaim-go/chaim/gateway/internal/awsrole"
	"github.com/chaim-go/chaim/gateway/internal/config"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/policy"
)

// Commands returns the commands.
func Commands(a *cli.App) []*cobra.Command {
	return []*cobra.Command{trustCommand(a), denyCommand(a), doctorCommand(a)}
}

// patience bounds the wait for STS.
const patience = 15 * time.Second

func identify(ctx context.Context, a *cli.App, c *config.Config) (ambient.Identity, error) {
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	assumer, err := cli.Assumer(ctx, c, a.WarnLog())
	if err != nil {
		return ambient.Identity{}, err
	}
	return assumer.Identify(ctx)
}

func trustCommand(a *cli.App) *cobra.Command {
	var principal string
	var isGateway bool
	cmd := &cobra.Command{
		Use: "trust-policy [ROLE]", Short: "Print what a role must trust, or with --gateway what the gateway itself needs", Args: cobra.MaximumNArgs(1),
		Long: `trust-policy prints the trust policy of a role as JSON: the gateway may assume it, with the name of a user. Put it on the role in
each account. Roles that users assume onward with lent keys must allow sts:SetSourceIdentity in their trust as well, because
the name of the user goes with the session.

With --gateway it prints the policy of the gateway's own AWS identity: it may assume the roles of the policy, and nothing else.`,
		Example: `  chaim-gateway trust-policy rro
  chaim-gateway trust-policy rro --principal arn:aws:iam::999999999999:role/chaim-gateway
  chaim-gateway trust-policy --gateway`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if isGateway == (len(args) == 1) {
				return cli.Usagef("whose policy? Name a role of the policy, or give --gateway")
			}
			if isGateway && principal != "" {
				return cli.Usagef("--principal is for the trust policy of a role: --gateway prints what to attach to the gateway's identity")
			}
			return a.With(cmd.Context(), func(s *cli.Session) error {
				text, err := trustText(cmd.Context(), a, s, args, principal)
				if err == nil {
					_, err = a.Out.Write(text)
				}
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&isGateway, "gateway", false, "print the policy of the gateway's own identity")
	cmd.Flags().StringVar(&principal, "principal", "", "`ARN` of the gateway's role or user (default what STS says)")
	return cmd
}

func trustText(ctx context.Context, a *cli.App, s *cli.Session, args []string, principal string) ([]byte, error) {
	view, err := s.DB.View(ctx)
	if err != nil {
		return nil, err
	}
	engine, err := cli.Engine(view)
	if len(args) == 0 {
		if err != nil {
			return nil, err
		}
		return gatewayText(engine)
	}
	if err == nil {
		_, err = engine.Role(args[0])
	}
	if err != nil && !errors.Is(err, cli.ErrNoPolicy) { // the first policy may come after the roles
		return nil, err
	}
	if principal == "" {
		who, err := identify(ctx, a, s.Config)
		if err != nil {
			return nil, fmt.Errorf("who is the gateway? %w; or give its ARN with --principal", err)
		}
		principal = who.ARN
	}
	return awsrole.TrustPolicy(principal, s.Config.AWS.ExternalID.Reveal())
}

// gatewayText is the policy of the gateway's identity: each role, in each partition that has accounts.
func gatewayText(engine *policy.Engine) ([]byte, error) {
	var arns []string
	for _, role := range engine.Roles() {
		for _, account := range engine.AllAccounts() {
			arns = append(arns, awsrole.ARN(account.Partition, "*", role.Path, role.AWS))
		}
	}
	return awsrole.GatewayPolicy(arns)
}

func denyCommand(a *cli.App) *cobra.Command {
	return &cobra.Command{
		Use: "deny-policy USER", Short: "Print a policy for AWS that ends the live keys of a user", Args: cobra.ExactArgs(1),
		Long: `deny-policy prints a policy as JSON that ends the keys that a user has now: as an inline policy of a role, or as a service
control policy of the organization for all roles. Other users of the roles keep theirs, and keys that are lent later work.
It can be removed after twelve hours. The gateway itself cannot end keys that AWS has made: disabling a user only stops new
ones.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.WithView(cmd.Context(), func(_ *cli.Session, view *store.View) error {
				u, err := cli.FindUser(view, args[0])
				if err != nil {
					return err
				}
				text, err := awsrole.DenyPolicy(u.SourceIdentity, time.Now())
				if err == nil {
					_, err = a.Out.Write(text)
				}
				return err
			})
		},
	}
}
