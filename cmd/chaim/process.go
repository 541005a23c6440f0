package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/internal/credcache"
	"github.com/chaim-go/chaim/internal/inifile"
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
however many want them at the same time. They are renewed after 50 to 67 % of their lifetime, and removed by
'chaim sweep' and by later calls once they have expired. 'chaim sweep --cache' removes valid ones too.`,
		Example: `  chaim credential-process sredev
  chaim credential-process 111111111111 CrossAccountReadOnly -d 4h`,
		ValidArgsFunction: a.completeAccountAndRole,
		RunE: func(cmd *cobra.Command, args []string) error {
			account, err := r.takeArgs(cmd, args)
			if err != nil {
				return err
			}
			creds, err := a.cachedCreds(cmd.Context(), r, account, isUncached)
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

// cachedCreds returns keys of the cache that all processes share, or asks for new ones.
func (a *app) cachedCreds(ctx context.Context, r request, account string, isUncached bool) (creds chaim.AwsCreds, err error) {
	opts := r.options(account)
	opts.NoProfile, opts.NoRenew = true, true
	err = a.withClient(opts, func(c *chaim.Client) error {
		if isUncached {
			creds, err = c.RequestKeys(ctx)
			return err
		}
		cache, err := a.cache()
		if err != nil {
			return err
		}
		key, err := cacheKey(ctx, c, opts)
		if err != nil {
			return err
		}
		if err := enterProcess(key); err != nil {
			return err
		}
		creds, err = cache.Get(ctx, key, func(ctx context.Context) (chaim.AwsCreds, error) {
			if _, err := cache.Sweep(ctx); err != nil {
				a.log.Warn("chaim: expired keys may be left in the cache", "error", err)
			}
			return c.RequestKeys(ctx)
		})
		return err
	})
	return creds, err
}

// cache is the one beside the credentials file.
func (a *app) cache() (credcache.Cache, error) {
	path, err := sharedfile.CredentialsPath("")
	if err != nil {
		return credcache.Cache{}, err
	}
	folder, err := credcache.Beside(path)
	return credcache.Cache{
		Folder: folder, Log: a.log, Kinds: []error{chaim.ErrDenied, chaim.ErrUnreachable, chaim.ErrNotConfigured},
	}, err
}

// cacheKey is made of everything that shapes the keys a client gets.
func cacheKey(ctx context.Context, c *chaim.Client, opts chaim.Options) (string, error) {
	parts := []string{opts.Account, cmp.Or(opts.Role, "rro"), opts.Duration.String(), opts.Region}
	endpoint, err := c.Endpoint(ctx)
	switch {
	case err == nil:
		parts = append(parts, endpoint)
		for _, name := range []string{"REGION", "USER", "TOKEN", "SLACKID", "WORKSPACEID"} {
			parts = append(parts, os.Getenv("CHAIM_"+name))
		}
		section, err := c.DefaultSection(ctx)
		if err != nil && !errors.Is(err, chaim.ErrNotConfigured) {
			return "", err
		}
		for _, name := range []string{"region", "username", "usertoken", "slackid", "workspaceid"} {
			parts = append(parts, section.Value(name))
		}
	case errors.Is(err, chaim.ErrNotConfigured): // STS is asked, by what the SDK finds
		parts = append(parts, awsVariables()...)
		files, err := signingFiles()
		if err != nil {
			return "", err
		}
		parts = append(parts, files...)
	default:
		return "", err
	}
	return credcache.Key(parts...), nil
}

// awsVariables are those of the environment by which the SDK finds keys, and others of its own, sorted.
func awsVariables() []string {
	found := slices.DeleteFunc(os.Environ(), func(v string) bool { return !strings.HasPrefix(v, "AWS_") })
	slices.Sort(found)
	return found
}

// signingFiles are the AWS config file, and of the credentials file what chaim does not change all the time.
func signingFiles() ([]string, error) {
	configPath, err := sharedfile.ConfigPath()
	if err != nil {
		return nil, err
	}
	credentialsPath, err := sharedfile.CredentialsPath("")
	if err != nil {
		return nil, err
	}
	config, err := sharedfile.File{Path: configPath}.Read()
	if err != nil {
		return nil, err
	}
	credentials, err := sharedfile.File{Path: credentialsPath}.Read()
	if err != nil {
		return nil, err
	}
	texts := []string{string(config)}
	for _, section := range inifile.Scan(credentials) {
		if section.Managed(credentials)[inifile.MarkerKey] != "" {
			continue
		}
		texts = append(texts, section.Name())
		for line := range section.Lines(credentials) {
			texts = append(texts, line.Key, line.Value)
		}
	}
	return texts, nil
}

// nestingVariable tells a credential process of those that wait for it.
const nestingVariable = "CHAIM_CREDENTIAL_PROCESSES"

// enterProcess refuses to wait for itself: where STS is asked, the SDK may take the keys that sign from a profile that has
// this process.
func enterProcess(key string) error {
	outer := os.Getenv(nestingVariable)
	if strings.Contains(outer, key) {
		return errors.New("chaim: this credential_process needs its own keys to sign the request; name another profile in AWS_PROFILE, or set up a gateway")
	}
	return os.Setenv(nestingVariable, outer+","+key)
}
