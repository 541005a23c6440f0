package setup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/proc"
	"github.com/chaim-go/chaim/cmd/chaim/internal/term"
	"github.com/chaim-go/chaim/internal/errtext"
)

func demoCommand(a *cli.App) *cobra.Command {
	return cli.Describe(&cobra.Command{
		Use: "demo [-- CMD [ARG...]]", GroupID: cli.GroupSetUp,
		RunE: func(cmd *cobra.Command, args []string) error {
			args, program := cli.SplitAtDash(cmd, args)
			switch {
			case len(args) > 0 && program == nil:
				return a.MissingDash(args, 0)
			case len(args) > 0:
				return cli.Usagef("%q stands before --; usage: %s", args[0], cmd.UseLine())
			}
			return demo(cmd.Context(), a, program)
		},
	})
}

// TryOut is what users of the demonstration are told to try.
const TryOut = `  chaim exec sredev -- sh -c 'env | grep AWS_'         lend credentials to a program
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

// demo runs a program, the user's shell or a few commands with a gateway and a credentials file of their own.
func demo(ctx context.Context, a *cli.App, program []string) (err error) {
	home, err := os.MkdirTemp("", "chaim-demo-")
	if err != nil {
		return errtext.Wrap(err, "scratch folder")
	}
	defer func() { err = errors.Join(err, os.RemoveAll(home)) }()
	bin, aws := filepath.Join(home, "bin"), filepath.Join(home, "aws")
	if err := errors.Join(os.Mkdir(bin, 0o700), os.Mkdir(aws, 0o700), installSelf(bin)); err != nil {
		return errtext.Wrap(err, "scratch folder")
	}
	srv := chaimtest.NewServer(nil)
	defer srv.Close()
	srv.AddAccount("444444444444", "team-blue")
	srv.AddAccount("555555555555", "team-green")
	srv.AddAccount("666666666666", "team-red")
	// The program is looked for there, too.
	if err := os.Setenv("PATH", bin+string(filepath.ListSeparator)+os.Getenv("PATH")); err != nil {
		return errtext.Wrap(err, "PATH")
	}
	env := proc.Environ(srv.Environ(aws), false)
	switch {
	case len(program) > 0:
	case !term.IsTerminal(a.In) || !term.IsTerminal(a.Out):
		return tell(ctx, a, env, story)
	default:
		program = []string{proc.Shell()}
		a.Say("a gateway and an STS run at %s until you leave this shell.", srv.URL())
		a.Say("The credentials file is %s; your own is not touched. Try:", filepath.Join(aws, "credentials"))
		fmt.Fprint(a.Err, "\n"+TryOut+"\n")
	}
	cmd, err := proc.Command(program)
	if err != nil {
		return err
	}
	cmd.Env = env
	return a.Run(ctx, cmd)
}

// installSelf puts this program into a folder as chaim.
func installSelf(dir string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if runtime.GOOS != "windows" {
		return os.Symlink(self, filepath.Join(dir, "chaim"))
	}
	text, err := os.ReadFile(self) // few users may make links there
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "chaim.exe"), text, 0o700)
}

// step is a command of the story, which is told if there is no terminal.
type step struct {
	comment, command string
	mayFail          bool
}

// tell shows and runs commands of a shell.
func tell(ctx context.Context, a *cli.App, env []string, steps []step) error {
	for _, s := range steps {
		if _, err := fmt.Fprintf(a.Out, "# %s\n$ %s\n", s.comment, s.command); err != nil {
			return errtext.Wrap(err, "demonstration")
		}
		args := inShell(s.command)
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
		cmd.WaitDelay = 10 * time.Second // to clean up after the signal
		cmd.Stdout, cmd.Stderr, cmd.Env = a.Out.File(), a.Err.File(), env
		err := cmd.Run()
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil && !s.mayFail:
			return fmt.Errorf("chaim: the demonstration failed in %q: %w", s.command, err)
		}
		fmt.Fprintln(a.Out)
	}
	return nil
}
