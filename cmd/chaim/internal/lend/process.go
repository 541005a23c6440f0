package lend

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/credcache"
	"github.com/chaim-go/chaim/cmd/chaim/internal/request"
	"github.com/chaim-go/chaim/internal/awssts"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/profiles"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// processLimit is how long credential-process may take. AWS SDKs end a credential_process after a minute, and then cannot
// show why it failed.
const processLimit = 45 * time.Second

// process is what credential-process is asked for.
type process struct {
	request.Request
	isUncached bool
}

func processCommand(a *cli.App) *cobra.Command {
	p := process{Request: request.Request{App: a}}
	cmd := cli.Describe(&cobra.Command{
		Use:               "credential-process ACCOUNT [ROLE]",
		GroupID:           cli.GroupPrograms,
		ValidArgsFunction: request.CompleteArgs(a),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := p.TakeArgs(cmd, args)
			if err != nil {
				return err
			}
			creds, err := p.keys(cmd.Context(), name, processLimit)
			if err != nil {
				return err
			}
			text, err := inFormat(processFormat, creds)
			if err != nil {
				return err
			}
			_, err = io.WriteString(a.Out, text)
			return err
		},
	})
	p.AddFlags(cmd)
	p.AddProfileFlag(cmd)
	cmd.Flags().BoolVar(&p.isUncached, "no-cache", false, "ask for new keys, and keep them nowhere")
	return cmd
}

// keys returns keys for the account of that name, from the cache unless isUncached is set. It takes no longer than limit.
func (p process) keys(ctx context.Context, name string, limit time.Duration) (creds chaim.AwsCreds, err error) {
	err = p.App.Waits.Within(ctx, limit, func(ctx context.Context) error {
		account, _, err := p.Resolve(ctx, name)
		if err != nil {
			return err
		}
		opts := p.Options(account)
		opts.NoProfile, opts.NoRenew = true, true
		return p.App.Client(opts, func(c *chaim.Client) error {
			s, err := c.Settings(ctx)
			center := p.App.CenterOf(c)
			var source []string
			switch {
			case p.isUncached:
			case p.Source.IsProfile:
				source = p.ofProfile(ctx, account)
			case center != nil:
				source = p.ofCenter(ctx, center)
			case errors.Is(err, chaim.ErrNotConfigured):
				creds, err = p.signedKeys(ctx, opts, c.Region())
				return err
			case err != nil:
				return err
			default:
				source = []string{"gateway", s.Endpoint, s.API, s.Stage, s.Region, s.Username, s.UserToken, s.SlackID, s.WorkspaceID}
			}
			creds, err = cachedKeys(ctx, p.App, c, opts, source...)
			return err
		})
	})
	return creds, err
}

// signedKeys returns keys of AWS STS. It first gets the keys that sign the request: they tell which user asks, and so which
// cached keys it may return.
func (p process) signedKeys(ctx context.Context, opts chaim.Options, region string) (creds chaim.AwsCreds, err error) {
	a, files, signer := p.App, profiles.AWSFiles{}, p.Signer()
	cfg, err := awssts.Config(ctx, awssts.Options{Files: files, Region: region, HasKeys: signer != nil, AllowInsecure: p.Insecure, Log: a.Log})
	if err != nil {
		return creds, err
	}
	signing, err := cmp.Or(signer, cfg.Credentials).Retrieve(ctx)
	if err != nil {
		return creds, errtext.Wrap(awssts.Foreign(err, files), "no keys to ask AWS STS with")
	}
	provider := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return signing, nil })
	opts.Broker, opts.AllowInsecure = p.STS(provider, region), false
	endpoint := aws.ToString(sts.NewFromConfig(cfg).Options().BaseEndpoint) // empty for that of AWS
	err = a.Client(opts, func(c *chaim.Client) error {
		creds, err = cachedKeys(ctx, a, c, opts, "sts", endpoint, region, signing.AccessKeyID, p.STSDefinition())
		return err
	})
	return creds, err
}

// cachedKeys returns the cached keys for opts and source, or else new keys of the client. The source names the broker and
// the user. Without a source nothing is cached.
func cachedKeys(ctx context.Context, a *cli.App, c *chaim.Client, opts chaim.Options, source ...string) (chaim.AwsCreds, error) {
	if len(source) == 0 {
		return a.RequestKeys(ctx, c, opts.Account)
	}
	hasAsked := false
	cache, err := credcache.Open(a.Log)
	if err == nil {
		key := credcache.Key(append(source, opts.Account, opts.AccountID, opts.Role, opts.Duration.String(), opts.Region)...)
		var creds chaim.AwsCreds
		creds, err = cache.Get(ctx, key, func(ctx context.Context) (chaim.AwsCreds, error) {
			hasAsked = true
			sweeping, cancel := context.WithTimeout(ctx, time.Second) // another process goes on from there
			defer cancel()
			if _, err := cache.Sweep(sweeping); err != nil {
				a.Log.Warn("chaim: expired keys may be left in the cache", "error", err)
			}
			return a.RequestKeys(ctx, c, opts.Account)
		})
		if isOfFile := errors.As(err, new(*fs.PathError)); hasAsked || !isOfFile || errors.Is(err, sharedfile.ErrUnsafe) {
			return creds, err
		}
	}
	if !errors.Is(err, sharedfile.ErrNoStore) { // which the user has chosen
		a.Log.Warn("chaim: keys cannot be cached", "error", err)
	}
	return a.RequestKeys(ctx, c, opts.Account)
}
