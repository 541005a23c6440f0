package setup

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/request"
	"github.com/chaim-go/chaim/cmd/chaim/internal/term"
	"github.com/chaim-go/chaim/internal/awssts"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/humantime"
	"github.com/chaim-go/chaim/internal/profiles"
)

func whoamiCommand(a *cli.App) *cobra.Command {
	r := &request.Request{App: a}
	var asJSON bool
	cmd := cli.Describe(&cobra.Command{
		Use: "whoami [ACCOUNT [ROLE]]", GroupID: cli.GroupSetUp, ValidArgsFunction: request.CompleteArgs(a),
		RunE: func(cmd *cobra.Command, args []string) error {
			who, err := whoami(cmd, r, args)
			if err != nil {
				return err
			}
			if asJSON {
				return term.WriteJSON(a.Out, who)
			}
			return term.WriteLines(a.Out, who.lines())
		},
	})
	r.AddFlags(cmd)
	r.AddProfileFlag(cmd)
	cli.AddJSONFlag(cmd, &asJSON)
	return cmd
}

// identity is a user of a gateway or, without a gateway, an identity of AWS.
type identity struct {
	Gateway        string    `json:"gateway,omitempty"`
	User           string    `json:"user,omitempty"`
	TokenExpires   time.Time `json:"tokenExpires,omitzero"`
	DefaultAccount string    `json:"defaultAccount,omitempty"`

	Account string `json:"account,omitempty"`
	ARN     string `json:"arn,omitempty"`
	UserID  string `json:"userId,omitempty"`
}

// lines are those of a table for people.
func (i identity) lines() []string {
	fields := []string{"account", i.Account, "arn", i.ARN, "user id", i.UserID}
	if i.Gateway != "" {
		ends := humantime.Until(i.TokenExpires, time.Now())
		fields = []string{"gateway", i.Gateway, "user", i.User, "user token", ends, "default", i.DefaultAccount}
	}
	var rows [][]term.Cell
	for field := range slices.Chunk(fields, 2) {
		rows = append(rows, term.Row(field[0], term.Quoted(cmp.Or(field[1], "-"))))
	}
	return term.Drawing{}.Align(rows)
}

// whoami finds out whose keys those of the arguments are or, without arguments, who asks for keys.
func whoami(cmd *cobra.Command, r *request.Request, args []string) (who identity, err error) {
	ctx := cmd.Context()
	if len(args) == 0 && r.Source.Profile == "" {
		return asker(ctx, r)
	}
	name, err := r.TakeArgs(cmd, args)
	if err != nil {
		return who, err
	}
	hasRole := r.Role != ""
	account, held, err := r.Resolve(ctx, name)
	switch {
	case err != nil:
		return who, err
	case held.Account != "" && !hasRole:
		cfg, err := awssts.Config(ctx, sdkOptions(r, awssts.Options{Profile: held.Name}))
		if err != nil {
			return who, errtext.Wrap(err, "profile %+q", held.Name)
		}
		return identify(ctx, r, r.Region, cfg.Credentials)
	}
	opts := r.Options(account)
	opts.NoProfile, opts.NoRenew = true, true
	err = r.App.Keys(ctx, opts, func(_ *chaim.Client, creds chaim.AwsCreds) error {
		who, err = identify(ctx, r, creds.Region, creds)
		return err
	})
	return who, err
}

// asker is the user of the gateway or, without one, the identity by which AWS knows the keys that the SDK finds.
func asker(ctx context.Context, r *request.Request) (who identity, err error) {
	hasGateway := true
	opts := chaim.Options{NoProfile: true, Region: r.Region, AllowInsecure: r.Insecure}
	err = r.App.Client(opts, func(c *chaim.Client) error {
		s, err := c.Settings(ctx)
		if err != nil {
			hasGateway = !errors.Is(err, chaim.ErrNotConfigured) || cli.GatewaySource(ctx, c) != "" // incomplete settings
			return err
		}
		who.User, who.TokenExpires = s.Username, s.TokenExpires.UTC()
		who.Gateway, _ = c.Endpoint(ctx)
		who.DefaultAccount, err = c.DefaultAccount(ctx)
		if errors.Is(err, chaim.ErrNotConfigured) || len(cli.GatewayVariables()) > 0 && ctx.Err() == nil { // no file is needed
			return nil
		}
		return err
	})
	if hasGateway {
		return who, err
	}
	cfg, err := awssts.Config(ctx, sdkOptions(r, awssts.Options{Region: r.Region}))
	if err != nil {
		return who, err
	}
	if _, err := cfg.Credentials.Retrieve(ctx); err != nil && ctx.Err() == nil && cli.ExitCode(err) != cli.ExitUnreachable {
		err = errtext.Wrap(awssts.Foreign(err, profiles.AWSFiles{}), "there is no gateway, and the AWS SDK finds no keys")
		return who, errtext.Because(chaim.ErrNotConfigured, err)
	}
	return identify(ctx, r, cfg.Region, cfg.Credentials)
}

// identify asks STS whose keys a provider gives.
func identify(ctx context.Context, r *request.Request, region string, provider aws.CredentialsProvider) (identity, error) {
	creds, err := provider.Retrieve(ctx)
	switch {
	case ctx.Err() != nil:
		return identity{}, context.Cause(ctx)
	case err != nil:
		return identity{}, errtext.Wrap(awssts.Foreign(err, profiles.AWSFiles{}), "no keys to ask AWS STS with")
	}
	opts := sdkOptions(r, awssts.Options{Region: region, HasKeys: true})
	cfg, err := awssts.Config(ctx, opts)
	if err != nil {
		return identity{}, err
	}
	who, err := awssts.Identify(ctx, cfg, creds, opts)
	return identity{Account: who.Account, ARN: who.ARN, UserID: who.UserID}, err
}

func sdkOptions(r *request.Request, o awssts.Options) awssts.Options {
	o.Files, o.AllowInsecure, o.Log = profiles.AWSFiles{}, r.Insecure, r.App.Log
	return o
}
