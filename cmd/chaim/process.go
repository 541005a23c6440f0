package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/cmd/chaim/internal/credcache"
	"github.com/chaim-go/chaim/internal/awsenv"
	"github.com/chaim-go/chaim/internal/awssts"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/partition"
	"github.com/chaim-go/chaim/internal/profiles"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

func (a *app) credentialProcessCommand() *cobra.Command {
	var r request
	var isUncached bool
	cmd := &cobra.Command{
		Use:     "credential-process ACCOUNT [ROLE]",
		GroupID: groupPrograms,
		Short:   "Print credentials for credential_process in an AWS config file",
		Long: `credential-process prints the document that AWS SDKs and the AWS CLI expect of a credential_process. Put it into a
profile of ~/.aws/config:

  [profile dev]
  credential_process = chaim credential-process sredev mpu

Keys are kept in private files beside the credentials file, so that programs share them and the gateway is asked once,
however many want them at the same time. Without a gateway, programs share what was signed for by the same access key, so
not where a login or a process gives new ones each time. They are renewed after 50 to 67 % of their lifetime, and removed by
'chaim sweep' and by later calls once they have expired. 'chaim sweep --cache' removes valid ones too.

It gives up after 45 seconds, as SDKs end it after a minute and then cannot show why it failed.

Give the role: a config file is to mean the same whatever profiles are kept.` + aboutNames,
		Example: `  chaim credential-process sredev mpu
  chaim credential-process 111111111111 CrossAccountReadOnly -d 4h`,
		ValidArgsFunction: a.completeAccountAndRole,
		RunE: func(cmd *cobra.Command, args []string) error {
			account, err := r.takeArgs(cmd, args)
			if err != nil {
				return err
			}
			creds, err := a.processCreds(cmd.Context(), r, account, isUncached, processLimit)
			if err != nil {
				return err
			}
			text, err := creds.ProcessJSON()
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(a.out, "%s\n", text)
			return err
		},
	}
	r.addFlags(a, cmd)
	cmd.Flags().BoolVar(&isUncached, "no-cache", false, "ask for new keys, and keep them nowhere")
	return cmd
}

// processLimit is how long credential-process may take in all. AWS SDKs end a credential_process after a minute, and then
// cannot tell their user what it had to say.
const processLimit = 45 * time.Second

// processCreds returns the keys that a name on the command line stands for, within limit.
func (a *app) processCreds(ctx context.Context, r request, name string, isUncached bool, limit time.Duration) (creds chaim.AwsCreds, err error) {
	err = a.waits.within(ctx, limit, func(ctx context.Context) error {
		account, _, err := a.named(ctx, &r, name, nil)
		if err == nil {
			creds, err = a.cachedCreds(ctx, r, account, isUncached)
		}
		return err
	})
	return creds, err
}

// cachedCreds returns keys of the cache that all processes share, or asks for new ones.
func (a *app) cachedCreds(ctx context.Context, r request, account string, isUncached bool) (creds chaim.AwsCreds, err error) {
	opts := r.options(account)
	opts.NoProfile, opts.NoRenew = true, true
	err = a.withClient(opts, func(c *chaim.Client) error {
		if isUncached {
			creds, err = requestKeys(ctx, c, account)
			return err
		}
		key, err := gatewayKey(ctx, c, opts)
		if errors.Is(err, chaim.ErrNotConfigured) {
			if opts, key, err = signedOptions(ctx, opts, a.log); err != nil {
				return err
			}
			return a.withClient(opts, func(c *chaim.Client) error {
				creds, err = a.throughCache(ctx, c, account, key)
				return err
			})
		}
		if err == nil {
			creds, err = a.throughCache(ctx, c, account, key)
		}
		return err
	})
	return creds, err
}

// throughCache returns the cached keys of that key, or those that the client gets.
func (a *app) throughCache(ctx context.Context, c *chaim.Client, account, key string) (chaim.AwsCreds, error) {
	cache, err := a.cache()
	switch {
	case errors.Is(err, sharedfile.ErrNoStore): // which the user has chosen
		return requestKeys(ctx, c, account)
	case err != nil:
		a.log.Warn("chaim: keys cannot be cached", "error", err)
		return requestKeys(ctx, c, account)
	}
	hasAsked := false
	creds, err := cache.Get(ctx, key, func(ctx context.Context) (chaim.AwsCreds, error) {
		hasAsked = true
		sweeping, cancel := context.WithTimeout(ctx, time.Second) // and another process goes on from there
		defer cancel()
		if _, err := cache.Sweep(sweeping); err != nil {
			a.log.Warn("chaim: expired keys may be left in the cache", "error", err)
		}
		return requestKeys(ctx, c, account)
	})
	if errors.As(err, new(*fs.PathError)) && !hasAsked && !errors.Is(err, credcache.ErrUnsafe) {
		a.log.Warn("chaim: keys cannot be cached", "error", err)
		return requestKeys(ctx, c, account)
	}
	return creds, err
}

// cache is the one beside the credentials file.
func (a *app) cache() (credcache.Cache, error) {
	path, err := awsenv.CredentialsPath("")
	if err == nil {
		err = sharedfile.File{Path: path}.CanStore() // and not beside /dev/null
	}
	if err != nil {
		return credcache.Cache{}, err
	}
	folder, err := credcache.Beside(path)
	return credcache.Cache{
		Folder: folder, Log: a.log, Kinds: []error{chaim.ErrDenied, chaim.ErrUnreachable, chaim.ErrNotConfigured},
	}, err
}

// gatewayKey is made of everything that shapes the keys which a client gets from its gateway.
func gatewayKey(ctx context.Context, c *chaim.Client, opts chaim.Options) (string, error) {
	endpoint, err := c.Endpoint(ctx)
	if err != nil {
		return "", err
	}
	settings, err := c.Settings(ctx)
	return credcache.Key(
		"gateway", endpoint, settings.Username, settings.UserToken, settings.SlackID, settings.WorkspaceID, settings.Region,
		opts.Account, opts.AccountID, opts.Role, opts.Duration.String(), opts.Region,
	), err
}

// signedOptions are those of a client that asks STS, with keys that sign for it. The key is made of these, as of everything
// that shapes what it gets: a provider of the SDK may give the keys of another user each time.
func signedOptions(ctx context.Context, opts chaim.Options, log *slog.Logger) (chaim.Options, string, error) {
	cfg, err := awssts.Config(ctx, awssts.Options{Files: profiles.AWSFiles{}, Region: opts.Region, AllowInsecure: opts.AllowInsecure, Log: log})
	if err != nil {
		return opts, "", err
	}
	signing, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return opts, "", errtext.Wrap(awssts.Foreign(err, profiles.AWSFiles{}), "no keys to ask AWS STS with")
	}
	role := opts.Role
	if !arn.IsARN(role) {
		role = partition.RoleARN(cfg.Region, cmp.Or(opts.AccountID, opts.Account), role)
	}
	opts.Source = &chaim.STS{
		RoleARN: role, Region: opts.Region, Duration: opts.Duration, AllowInsecure: opts.AllowInsecure,
		Keys: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return signing, nil }),
	}
	configPath, err := awsenv.ConfigPath()
	if err != nil {
		return opts, "", err
	}
	config, err := sharedfile.File{Path: configPath}.Read() // may name another STS
	parts := []string{"sts", role, opts.Account, opts.AccountID, opts.Duration.String(), opts.Region, cfg.Region, signing.AccessKeyID, string(config)}
	return opts, credcache.Key(append(parts, awsVariables()...)...), err
}

// awsVariables are those of the environment that name another STS, among others, sorted.
func awsVariables() []string {
	found := slices.DeleteFunc(os.Environ(), func(v string) bool { return !strings.HasPrefix(v, "AWS_") })
	slices.Sort(found)
	return found
}
