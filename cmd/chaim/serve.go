package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/cmd/chaim/internal/container"
)

func (a *app) serveCommand() *cobra.Command {
	var r request
	var format string
	cmd := &cobra.Command{
		Use:     "serve ACCOUNT [ROLE]",
		GroupID: groupPrograms,
		Short:   "Serve credentials to AWS SDKs on this machine, for as long as it runs",
		Long: `serve answers AWS SDKs as a container's agent does, on a port of 127.0.0.1. It prints the variables that a program needs,
in a format of 'chaim env', and runs until it gets a signal, which is no failure. Keys are renewed in the background; no
file is written. With -v each request is logged. On Linux only programs of the same user and of root are served.

Keys in the environment, a profile, and keys in [default] win over these variables: 'chaim exec --serve' starts a program
without them.` + aboutNames,
		Example:           `  chaim exec sredev --serve -- ./daemon`,
		ValidArgsFunction: a.completeAccountAndRole,
		RunE: func(cmd *cobra.Command, args []string) error {
			shell, isKnown := shellFormats[format]
			if !isKnown {
				return usageError{fmt.Sprintf("--format is one of 'chaim env' for a shell, not %q", format)}
			}
			account, err := r.takeArgs(cmd, args)
			if err != nil {
				return err
			}
			if account, _, err = a.named(cmd.Context(), &r, account, nil); err != nil {
				return err
			}
			opts := r.options(account)
			opts.NoProfile = true
			return a.withServer(cmd.Context(), opts, false, func(s *container.Server) error {
				text, err := shell.render(s.Environ())
				if err != nil {
					return err
				}
				if _, err := io.WriteString(a.out, text); err != nil {
					return err
				}
				a.waits.close() // what is said from now on is of renewals, in the log
				a.say("serving keys of %s until this process ends", account)
				<-cmd.Context().Done() // that is how it ends
				return nil
			})
		},
	}
	r.addFlags(a, cmd)
	cmd.Flags().StringVar(&format, "format", "env", "`FORMAT` of the variables, see 'chaim env'")
	return cmd
}

// withServer runs fn with a server of keys, which ends with it. Keys that have expired are no reason to end: the server says
// so until there are new ones. Programs of other users are served if anyUser is set.
func (a *app) withServer(ctx context.Context, opts chaim.Options, anyUser bool, fn func(*container.Server) error) error {
	return a.withKeys(ctx, opts, func(c *chaim.Client) (err error) {
		s, err := container.Listen(container.Config{Source: c, Name: opts.Account, AnyUser: anyUser, Log: a.log})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.Close()) }()
		return fn(s)
	})
}
