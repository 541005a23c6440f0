package lend

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/container"
	"github.com/chaim-go/chaim/cmd/chaim/internal/request"
)

func serveCommand(a *cli.App) *cobra.Command {
	r := request.Request{App: a}
	var format string
	cmd := cli.Describe(&cobra.Command{
		Use:               "serve ACCOUNT [ROLE]",
		GroupID:           cli.GroupPrograms,
		ValidArgsFunction: request.CompleteArgs(a),
		RunE: func(cmd *cobra.Command, args []string) error {
			shell, isKnown := shells[format]
			if !isKnown {
				return cli.Usagef("--format is one of 'chaim env' for a shell, not %q", format)
			}
			return r.InMemory(cmd, args, func(opts chaim.Options) error {
				opts.NoRenew = false
				return withServer(cmd.Context(), a, opts, false, func(_ *chaim.Client, s *container.Server) error {
					text, err := shell.render(s.Environ())
					if err != nil {
						return err
					}
					if _, err := io.WriteString(a.Out, text); err != nil {
						return err
					}
					a.Waits.Close() // from now on the log tells of renewals
					a.Say("serving keys of %s until this process ends", opts.Account)
					<-cmd.Context().Done()
					return nil
				})
			})
		},
	})
	r.AddFlags(cmd)
	r.AddProfileFlag(cmd)
	cmd.Flags().StringVar(&format, "format", "env", "`FORMAT` of the variables, see 'chaim env'")
	return cmd
}

// withServer runs fn with a server of keys. The server ends with fn, not with the keys: if they expire, it says so until
// there are new ones.
func withServer(ctx context.Context, a *cli.App, opts chaim.Options, anyUser bool, fn func(*chaim.Client, *container.Server) error) error {
	return a.Keys(ctx, opts, func(c *chaim.Client, creds chaim.AwsCreds) (err error) {
		if creds.Expires.IsZero() { // programs refuse such keys from a server
			return fmt.Errorf("chaim: the keys of %q never expire, but a server of keys must say when they do: lend them without a server", opts.Account)
		}
		s, err := container.Listen(container.Config{Source: c, Name: opts.Account, AnyUser: anyUser, Log: a.Log})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.Close()) }()
		return fn(c, s)
	})
}
