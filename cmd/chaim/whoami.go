package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/internal/awssts"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/humantime"
	"github.com/chaim-go/chaim/internal/profiles"
)

func (a *app) whoamiCommand() *cobra.Command {
	var r request
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "whoami [ACCOUNT [ROLE]]",
		GroupID: groupSetUp,
		Short:   "Tell who asks for credentials, or whose credentials they are",
		Long: `whoami tells who asks for credentials: the gateway, your user name there, when your user token ends, and the default
account. No server is asked for that. Without a gateway it is the identity by which AWS STS knows the keys that the AWS SDK
finds, with which roles are asked for.

With an account, or with a role, it has AWS STS say whose keys it gets for them, which it writes to no file. Where a
profile has the name and no role is given, it has AWS STS say whose keys stand in that, and so whether they are valid.` + aboutNames,
		Example: `  chaim whoami
  chaim whoami --json
  chaim whoami tempname
  chaim whoami sredev mpu`,
		ValidArgsFunction: a.completeAccountAndRole,
		RunE: func(cmd *cobra.Command, args []string) error {
			who, err := a.whoami(cmd, &r, args)
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(a.out, who)
			}
			return who.print(a.out)
		},
	}
	r.addFlags(a, cmd)
	addJSONFlag(cmd, &asJSON)
	return cmd
}

// identified is a user of a gateway, or an identity of AWS.
type identified interface{ print(w io.Writer) error }

// whoami finds out who that is.
func (a *app) whoami(cmd *cobra.Command, r *request, args []string) (identified, error) {
	ctx := cmd.Context()
	if len(args) == 0 {
		return a.asker(ctx, r)
	}
	name, err := r.takeArgs(cmd, args)
	if err != nil {
		return nil, err
	}
	hasRole := r.role != ""
	account, held, err := a.named(ctx, r, name, nil)
	switch {
	case err != nil:
		return nil, err
	case held.Account != "" && !hasRole:
		return a.holder(ctx, r, held)
	}
	opts := r.options(account)
	opts.NoProfile, opts.NoRenew = true, true
	var who identified
	err = a.withClient(opts, func(c *chaim.Client) error {
		creds, err := requestKeys(ctx, c, account)
		if err != nil {
			return err
		}
		who, err = a.identity(ctx, r, creds.Region, creds)
		return err
	})
	return who, err
}

// asker is who asks for credentials.
func (a *app) asker(ctx context.Context, r *request) (identified, error) {
	var who gatewayUser
	hasNoGateway := false // nor a part of its settings
	err := a.withClient(chaim.Options{NoProfile: true, Region: r.region, AllowInsecure: r.insecure}, func(c *chaim.Client) (err error) {
		if who.Gateway, err = c.Endpoint(ctx); err != nil {
			hasNoGateway = errors.Is(err, chaim.ErrNotConfigured)
			return err
		}
		who.User = os.Getenv("CHAIM_USER") // without it the settings are not those of the environment
		section, err := c.DefaultSection(ctx)
		switch {
		case err != nil && who.User != "" && ctx.Err() == nil:
			return nil // no file is needed
		case err != nil && !errors.Is(err, chaim.ErrNotConfigured):
			return err
		}
		if who.User == "" {
			who.User = section.Value("username")
			if end, isKnown := humantime.Instant(section.Value("tokenexpires")); isKnown {
				who.TokenExpires = end.UTC()
			}
		}
		if who.DefaultAccount, err = c.DefaultAccount(ctx); errors.Is(err, chaim.ErrNotConfigured) {
			return nil
		}
		return err
	})
	if !hasNoGateway {
		return who, err
	}
	cfg, err := awssts.Config(ctx, awssts.Options{Files: profiles.AWSFiles{}, Region: r.region, AllowInsecure: r.insecure, Log: a.log})
	if err != nil {
		return nil, err
	}
	if _, err := cfg.Credentials.Retrieve(ctx); err != nil && ctx.Err() == nil && exitCode(err) != exitUnreachable {
		return nil, errtext.Because(chaim.ErrNotConfigured, errtext.Wrap(awssts.Foreign(err, profiles.AWSFiles{}), "there is no gateway, and the AWS SDK finds no keys"))
	}
	return a.identity(ctx, r, cfg.Region, cfg.Credentials)
}

// holder is whose keys stand in a profile, of which the request has the region.
func (a *app) holder(ctx context.Context, r *request, held chaim.Profile) (identified, error) {
	cfg, err := awssts.Config(ctx, awssts.Options{Files: profiles.AWSFiles{}, Profile: held.Name, AllowInsecure: r.insecure, Log: a.log})
	if err != nil {
		return nil, errtext.Wrap(err, "profile %+q", held.Name)
	}
	return a.identity(ctx, r, r.region, cfg.Credentials)
}

// identity is who AWS takes the owner of keys for.
func (a *app) identity(ctx context.Context, r *request, region string, provider aws.CredentialsProvider) (identified, error) {
	creds, err := provider.Retrieve(ctx)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, errtext.Wrap(awssts.Foreign(err, profiles.AWSFiles{}), "no keys to ask AWS STS with")
	}
	cfg, err := awssts.Config(ctx, awssts.Options{Files: profiles.AWSFiles{}, Region: region, HasKeys: true, Log: a.log})
	if err != nil {
		return nil, err
	}
	who, err := awssts.Identify(ctx, cfg, creds, awssts.Options{AllowInsecure: r.insecure, Log: a.log, Files: profiles.AWSFiles{}})
	return awsIdentity(who), err
}

// gatewayUser is who asks a gateway.
type gatewayUser struct {
	Gateway        string    `json:"gateway"`
	User           string    `json:"user"`
	TokenExpires   time.Time `json:"tokenExpires,omitzero"`
	DefaultAccount string    `json:"defaultAccount,omitempty"`
}

func (u gatewayUser) print(w io.Writer) error {
	return printFields(w, [][2]string{
		{"gateway", u.Gateway}, {"user", u.User}, {"user token", humantime.Until(u.TokenExpires, time.Now())}, {"default", u.DefaultAccount},
	})
}

// awsIdentity is who asks AWS.
type awsIdentity struct {
	Account string `json:"account"`
	ARN     string `json:"arn"`
	UserID  string `json:"userId"`
}

func (i awsIdentity) print(w io.Writer) error {
	return printFields(w, [][2]string{{"account", i.Account}, {"arn", i.ARN}, {"user id", i.UserID}})
}

// printFields prints names and values. What a terminal could take for more than text is quoted.
func printFields(w io.Writer, fields [][2]string) error {
	var rows [][]cell
	for _, field := range fields {
		rows = append(rows, []cell{{text: field[0]}, {text: quoted(cmp.Or(field[1], "-"))}})
	}
	return writeLines(w, drawing{}.align(rows))
}
