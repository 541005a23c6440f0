package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim/chaimtest"
)

func (a *app) demoCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "demo [-- CMD [ARG...]]",
		GroupID: groupSetUp,
		Short:   "Try chaim out, without a gateway and without AWS",
		Long: `demo starts a gateway and an STS of its own on a loopback address, with accounts that are made up and keys that open
nothing. On a terminal it starts your shell in that world, with a list of commands to try. Without a terminal it runs a few
of them, and with CMD it runs that.

It works in a scratch folder, which is removed at the end, and touches neither your ~/.aws nor AWS.`,
		Example: "  chaim demo\n  chaim demo -- chaim listall\n  chaim demo | cat",
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveDefault
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			args, program := splitAtDash(cmd, args)
			switch {
			case len(args) > 0 && program == nil:
				return a.missingDash(args, 0)
			case len(args) > 0:
				return usageError{fmt.Sprintf("%q stands before --; usage: %s", args[0], cmd.UseLine())}
			}
			return a.demo(cmd.Context(), program)
		},
	}
}

// demoAccounts are known to the gateway of the demonstration, besides those that its double always knows.
var demoAccounts = []struct{ id, name string }{
	{"444444444444", "team-blue"}, {"555555555555", "team-green"}, {"666666666666", "team-red"},
}

// tryOut is what people are told to try.
const tryOut = `  chaim exec sredev -- sh -c 'env | grep AWS_'         lend credentials to a program
  chaim listall                                        accounts that the gateway knows
  chaim account sredev mpu -d 4h                       keep a profile until its keys expire
  chaim list                                           profiles, and how much of their time is left
  chaim renew                                          new keys for them
  chaim park sredev; chaim unpark sredev               put one aside, and take it back
  chaim each --match 'team-*' -- sh -c 'echo {id}'     a program in several accounts at once
  chaim url sredev                                     a link to the AWS console
  chaim env sredev                                     keys as variables
  chaim whoami sredev                                  whose keys there are
  chaim doctor                                         what is wrong, if anything
`

// demo runs a program, the user's shell or a few commands in a world of their own.
func (a *app) demo(ctx context.Context, program []string) (err error) {
	home, err := os.MkdirTemp("", "chaim-demo-")
	if err != nil {
		return fmt.Errorf("chaim: scratch folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(home)) }()
	bin, aws := filepath.Join(home, "bin"), filepath.Join(home, "aws")
	if err := errors.Join(os.Mkdir(bin, 0o700), os.Mkdir(aws, 0o700), putSelf(bin)); err != nil {
		return fmt.Errorf("chaim: scratch folder: %w", err)
	}
	srv := chaimtest.NewServer(nil)
	defer srv.Close()
	for _, account := range demoAccounts {
		srv.AddAccount(account.id, account.name)
	}
	// What is to be run is looked for there, too.
	if err := os.Setenv("PATH", bin+string(filepath.ListSeparator)+os.Getenv("PATH")); err != nil {
		return fmt.Errorf("chaim: %w", err)
	}
	env := childEnvironment(srv.Environ(aws), false)
	switch {
	case len(program) > 0:
	case !isTerminal(a.in) || !isTerminal(a.out):
		return a.tell(ctx, env, story)
	default:
		program = []string{shell()}
		a.say("a gateway and an STS run at %s until you leave this shell.", srv.URL())
		a.say("The credentials file is %s; your own is not touched. Try:", filepath.Join(aws, "credentials"))
		fmt.Fprint(a.err, "\n"+tryOut+"\n")
	}
	cmd, err := a.command(program)
	if err != nil {
		return err
	}
	cmd.Env = env
	return a.runProgram(ctx, cmd)
}

// storyPatience is how long a command of the story has to end after a signal.
const storyPatience = 10 * time.Second

// tell runs lines of a shell, and shows them.
func (a *app) tell(ctx context.Context, env []string, lines []storyLine) error {
	for _, line := range lines {
		if _, err := fmt.Fprintf(a.out, "# %s\n$ %s\n", line.comment, line.command); err != nil {
			return fmt.Errorf("chaim: %w", err)
		}
		args := inShell(line.command)
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
		cmd.WaitDelay = storyPatience
		cmd.Stdout, cmd.Stderr, cmd.Env = a.out.file, a.err.file, env
		err := cmd.Run()
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil && !line.mayFail:
			return fmt.Errorf("chaim: the demonstration failed in %q: %w", line.command, err)
		}
		fmt.Fprintln(a.out)
	}
	return nil
}

// storyLine is a command of the story that is told where there is no terminal.
type storyLine struct {
	comment, command string
	mayFail          bool
}

// putSelf makes this program the "chaim" of a folder.
func putSelf(dir string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if runtime.GOOS != "windows" {
		return os.Symlink(self, filepath.Join(dir, "chaim"))
	}
	// Not everybody may make links there.
	from, err := os.Open(self)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(filepath.Join(dir, "chaim.exe"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o700)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Close())
}
