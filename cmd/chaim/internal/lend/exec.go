// Package lend has the commands that give keys to programs: exec, env, serve and credential-process.
package lend

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/container"
	"github.com/chaim-go/chaim/cmd/chaim/internal/names"
	"github.com/chaim-go/chaim/cmd/chaim/internal/proc"
	"github.com/chaim-go/chaim/cmd/chaim/internal/request"
	"github.com/chaim-go/chaim/cmd/chaim/internal/term"
)

// Commands returns the commands.
func Commands(a *cli.App) []*cobra.Command {
	return []*cobra.Command{execCommand(a), envCommand(a), serveCommand(a), processCommand(a)}
}

// loan is what exec is asked for: which keys, and how a program gets at them.
type loan struct {
	request.Request
	alias       string
	terrible    bool
	asProcess   bool
	asEnv       bool
	asServer    bool
	passGateway bool // to a chaim that the program runs
	shell       shellTalk
}

func execCommand(a *cli.App) *cobra.Command {
	l := &loan{Request: request.Request{App: a}}
	cmd := cli.Describe(&cobra.Command{
		Use:               "exec ACCOUNT [ROLE] [flags] [-- CMD [ARG...]]",
		SuggestFor:        []string{"assume", "switch", "run", "shell"},
		GroupID:           cli.GroupWork,
		ValidArgsFunction: request.CompleteArgs(a),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.CheckDash(cmd, args, l.Source.Profile != "", cmd.Flags().Changed("role")); err != nil {
				return err
			}
			args, words := cli.SplitAtDash(cmd, args)
			if words != nil && len(words) == 0 { // an empty variable of a script is not meant to start a shell
				return cli.Usage("nothing stands after --; usage: " + cmd.UseLine())
			}
			account, err := l.TakeOrPick(cmd, args)
			if err != nil {
				return err
			}
			if words == nil {
				words, l.shell.isOn = []string{proc.Shell()}, term.IsTerminal(a.In) && term.IsTerminal(a.Err)
			}
			defer l.shell.wait() // after the keys are gone
			return l.InAnyCase(account, func(account string) error { return l.run(cmd.Context(), account, words) })
		},
	})
	l.AddFlags(cmd)
	l.AddProfileFlag(cmd)
	cmd.SetFlagErrorFunc(cli.ExplainFlags(2))
	f := cmd.Flags()
	f.StringVarP(&l.alias, "alias", "a", "", "`NAME` of the profile (default tempname, or with a random suffix while that is taken)")
	f.BoolVarP(&l.terrible, "terrible", "T", false, "also give the token its older name, for boto 2, old Ansible and Terraform")
	f.BoolVar(&l.asProcess, "process", false, "give the profile a credential_process, for programs that outlive a set of keys")
	f.BoolVar(&l.asEnv, "env", false, "give CMD the keys themselves as variables, without a profile; they are not renewed")
	f.BoolVar(&l.asServer, "serve", false, "give CMD the address of a server on this machine that has fresh keys, without a profile")
	cli.AddPassGatewayFlag(cmd, &l.passGateway)
	cmd.MarkFlagsMutuallyExclusive("env", "process", "serve")
	for _, pair := range [][2]string{{"env", "alias"}, {"serve", "alias"}, {"serve", "terrible"}, {"process", "terrible"}} {
		cmd.MarkFlagsMutuallyExclusive(pair[0], pair[1])
	}
	return cmd
}

// run runs a program with keys for the account of that name.
func (l *loan) run(ctx context.Context, name string, words []string) error {
	cmd, err := proc.Command(words)
	if err != nil {
		return err
	}
	account, _, err := l.Resolve(ctx, name)
	if err != nil {
		return err
	}
	opts := l.Options(account)
	opts.TempName, opts.Terrible = l.alias, l.terrible && !l.asEnv
	if hasProfile := !l.asEnv && !l.asServer; l.shell.isOn && hasProfile && l.alias == "" {
		opts.TempName = shellProfile(account, opts.Role)
	}
	if l.asProcess {
		opts.Form = chaim.Process
	}
	opts.NoProfile, opts.NoRenew = l.asEnv || l.asServer, l.asEnv

	l.App.Signals.Expect()
	run := func(c *chaim.Client, lent []string) error {
		cmd.Env = proc.Environ(append(lent, "CHAIM_ACCOUNT="+account, "CHAIM_ROLE="+opts.Role), l.passGateway)
		defer l.shell.begin(l.App, c, lentKeys{account, opts.Role, l.asEnv})()
		defer l.refreshNames(ctx, c)()
		return l.App.Run(ctx, cmd)
	}
	if l.asServer {
		isRoot := os.Geteuid() == 0 // root may start programs of other users, as gosu does
		return withServer(ctx, l.App, opts, isRoot, func(c *chaim.Client, s *container.Server) error { return run(c, s.ChildEnviron()) })
	}
	return l.App.Keys(ctx, opts, func(c *chaim.Client, creds chaim.AwsCreds) error {
		lent := c.ChildEnviron(nil)
		if l.asEnv && l.terrible {
			lent = append(lent, "AWS_SECURITY_TOKEN="+creds.SessionToken)
		}
		return run(c, lent)
	})
}

// refreshNames lists the names of the client's broker again while a program runs.
func (l *loan) refreshNames(ctx context.Context, c *chaim.Client) (end func()) {
	return names.Beside(ctx, &l.shell.beside, l.App.Log, func(ctx context.Context) error {
		if source, isLister := names.Of(ctx, c); isLister {
			return source.Refresh(ctx, names.BackgroundPause)
		}
		return nil
	})
}
