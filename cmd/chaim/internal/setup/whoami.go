package setup

import (
	"cmp"
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/cmd/chaim/internal/center"
	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/request"
	"github.com/chaim-go/chaim/cmd/chaim/internal/term"
	"github.com/chaim-go/chaim/internal/awssts"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/humantime"
	"github.com/chaim-go/chaim/internal/idcenter"
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

// identity tells who asks for keys, or whose keys the arguments name.
type identity struct {
	*asking
	Account string `json:"account,omitempty"`
	ARN     string `json:"arn,omitempty"`
	UserID  string `json:"userId,omitempty"`
}

// asking says which broker gives keys, and how it knows the user.
type asking struct {
	KeysFrom       string      `json:"keysFrom"` // gateway, identity center, profiles or sts
	Gateway        string      `json:"gateway,omitempty"`
	User           string      `json:"user,omitempty"`
	TokenExpires   time.Time   `json:"tokenExpires,omitzero"`
	DefaultAccount string      `json:"defaultAccount,omitempty"`
	Center         *centerInfo `json:"identityCenter,omitempty"`
	Profiles       []string    `json:"profiles,omitempty"` // of the AWS config file
	NotAsked       string      `json:"notAsked,omitempty"` // why chaim asks no Identity Center of that file
}

// centerInfo is an Identity Center, and whether the user is signed in there.
type centerInfo struct {
	Session      string    `json:"session,omitempty"`
	StartURL     string    `json:"startUrl"`
	Region       string    `json:"region"`
	IsSignedIn   bool      `json:"signedIn"`
	Expires      time.Time `json:"expires,omitzero"`
	RenewedUntil time.Time `json:"renewedUntil,omitzero"` // at the latest; the center may end it sooner

	name, standing string
}

// The values of keysFrom.
const (
	fromGateway  = "gateway"
	fromCenter   = "identity center"
	fromProfiles = "profiles"
	fromSTS      = "sts"
)

// lines are those of a table for people.
func (i identity) lines() []string {
	var fields []string
	if i.asking != nil {
		fields = i.asking.fields()
	}
	if i.ARN != "" {
		fields = append(fields, "account", i.Account, "arn", i.ARN, "user id", i.UserID)
	}
	var rows [][]term.Cell
	for field := range slices.Chunk(fields, 2) {
		rows = append(rows, term.Row(field[0], term.Quoted(cmp.Or(field[1], "-"))))
	}
	return term.Drawing{}.Align(rows)
}

// fields are names and values for people.
func (w *asking) fields() (fields []string) {
	count := term.Counted(len(w.Profiles), "profile", "profiles") + " of the AWS config file, which 'chaim listall' lists"
	if w.Center != nil || w.NotAsked != "" {
		count = strings.Replace(count, "listall", "listall --profiles", 1)
	}
	switch w.KeysFrom {
	case fromGateway:
		ends := humantime.Until(w.TokenExpires, time.Now())
		return []string{"keys from", w.Gateway + " as " + cmp.Or(w.User, "-"), "gateway", w.Gateway, "user", w.User, "user token", ends, "default", w.DefaultAccount}
	case fromCenter:
		fields = []string{"keys from", w.Center.name, "sign-in", w.Center.standing}
	case fromProfiles:
		fields = []string{"keys from", count}
	default:
		fields = []string{"keys from", "AWS STS, asked with the keys of this identity"}
	}
	if len(w.Profiles) > 0 && w.KeysFrom != fromProfiles {
		fields = append(fields, "and from", count)
	}
	if w.NotAsked != "" {
		fields = append(fields, "note", w.NotAsked)
	}
	return fields
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

// asker tells which broker gives keys, and who asks for them: the user of the gateway or of an Identity Center, or the
// identity by which AWS knows the keys that the SDK finds.
func asker(ctx context.Context, r *request.Request) (who identity, err error) {
	w := &asking{}
	hasGateway := true
	opts := chaim.Options{NoProfile: true, Region: r.Region, AllowInsecure: r.Insecure}
	err = r.App.Client(opts, func(c *chaim.Client) error {
		s, err := c.Settings(ctx)
		if err != nil {
			hasGateway = !errors.Is(err, chaim.ErrNotConfigured) || cli.GatewaySource(ctx, c) != "" // incomplete settings
			if !hasGateway {
				w.Center = newCenterInfo(ctx, r.App, c)
			}
			return err
		}
		w.KeysFrom, w.User, w.TokenExpires = fromGateway, s.Username, s.TokenExpires.UTC()
		w.Gateway, _ = c.Endpoint(ctx)
		w.DefaultAccount, err = c.DefaultAccount(ctx)
		if errors.Is(err, chaim.ErrNotConfigured) || len(cli.GatewayVariables()) > 0 && ctx.Err() == nil { // no file is needed
			return nil
		}
		return err
	})
	if hasGateway {
		return identity{asking: w}, err
	}
	if files, err := (profiles.AWSFiles{}).Profiles(); err == nil {
		w.Profiles = files.Leading()
	}
	if w.Center != nil {
		w.KeysFrom = fromCenter
		return identity{asking: w}, nil
	}
	if chosen := os.Getenv(idcenter.SessionVariable); chosen != "" {
		_, err := r.App.FindCenter(idcenter.Center{Session: chosen})
		return identity{asking: w}, err
	}
	w.NotAsked = r.App.NotAsked(ctx, "")
	return callerOf(ctx, r, w)
}

// newCenterInfo describes the Identity Center that gives the keys of a client, or returns nil if none does.
func newCenterInfo(ctx context.Context, a *cli.App, c *chaim.Client) *centerInfo {
	found := a.CenterOf(c)
	if found == nil {
		return nil
	}
	info := &centerInfo{Session: found.Session, StartURL: found.StartURL, Region: found.Region, name: cli.TellCenter(found)}
	token, err := found.Standing(ctx)
	if err != nil {
		info.standing = errtext.Unprefixed(err)
		return info
	}
	now := time.Now()
	info.IsSignedIn, info.Expires, info.standing = true, token.Expires.UTC(), center.Tell(token, now)
	if token.CanRefresh(now) && !token.Client.Expires.IsZero() {
		info.RenewedUntil = token.Client.Expires.UTC()
	}
	return info
}

// callerOf adds the identity by which AWS knows the keys that the SDK finds. If the SDK finds none, the profiles of the AWS
// config file give keys.
func callerOf(ctx context.Context, r *request.Request, w *asking) (who identity, err error) {
	w.KeysFrom = fromSTS
	cfg, err := awssts.Config(ctx, sdkOptions(r, awssts.Options{Region: r.Region}))
	if err != nil {
		return who, err
	}
	if _, err := cfg.Credentials.Retrieve(ctx); err != nil && ctx.Err() == nil && cli.ExitCode(err) != cli.ExitUnreachable {
		if len(w.Profiles) > 0 && cli.FoundNoKeys(err) {
			w.KeysFrom = fromProfiles
			return identity{asking: w}, nil
		}
		err = errtext.Wrap(awssts.Foreign(err, profiles.AWSFiles{}), "there is no gateway, and the AWS SDK finds no keys")
		return who, errtext.Because(chaim.ErrNotConfigured, err)
	}
	who, err = identify(ctx, r, cfg.Region, cfg.Credentials)
	who.asking = w
	return who, err
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
