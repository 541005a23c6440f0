package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/cmd/chaim/internal/container"
)

// lending says how a program gets at the credentials.
type lending struct {
	request
	alias     string
	terrible  bool
	asProcess bool
	asEnv     bool
	asServer  bool

	passGateway bool // to a chaim that the program runs
}

const execHelp = `exec gets keys for the account and role, lends them to CMD, renews them while it runs, and removes them when it ends.
Without CMD it starts your shell.

CMD is told of a profile of the shared credentials file, and of no keys: AWS_PROFILE, AWS_DEFAULT_PROFILE, AWS_REGION,
AWS_DEFAULT_REGION and AWS_SHARED_CREDENTIALS_FILE are set, and variables that would win over them are not passed on.
CHAIM_ACCOUNT and CHAIM_ROLE are set for prompts. CHAIM_TOKEN, the token of the gateway, is passed on with --pass-gateway
only, as many programs print their environment into logs.

A program that may outlive a set of keys needs --process or --serve, as most read the keys of a profile once; docs/tools.md
tells which ways work with which tools. With --serve no file is written, and CMD sees no credentials file, nor that of boto:
SDKs would prefer what is in those.

SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1 and SIGUSR2 are passed on to CMD, but the first two not while chaim is in the
foreground of a terminal, which sends them to CMD itself. The exit code is that of CMD, or 128 and the number of the
signal that ended it; 126 where CMD cannot be run and 127 where it is not found. Where Ctrl-C ended CMD it ends chaim too,
so that a shell script around it stops.

On Windows a batch file (.bat, .cmd) is not run with arguments that have one of % ! ^ & | < > " in them, as cmd.exe could take
a part of them for a command.

On a terminal, what chaim has to say while CMD runs is said when CMD has ended, as CMD may draw there; --log-file has it
at once.

As the first process of a container on Linux it runs itself as a child, and reaps the processes whose parents have ended.

What kills chaim itself (SIGKILL) does not end CMD. The next chaim then removes the profile.` + aboutNames

func (a *app) execCommand() *cobra.Command {
	var l lending
	cmd := &cobra.Command{
		Use:        "exec ACCOUNT [ROLE] [flags] [-- CMD [ARG...]]",
		SuggestFor: []string{"assume", "switch", "run", "shell"},
		GroupID:    groupWork,
		Short:      "Run a program with credentials of an account, and take them away when it ends",
		Long:       execHelp,
		Example: `  chaim exec sredev -- aws s3 ls
  chaim exec sredev mpu --process -- terraform apply
  chaim exec 111111111111 -r CrossAccountReadOnly -- python3 report.py
  chaim exec sredev`,
		ValidArgsFunction: a.completeAccountAndRole,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.checkDash(cmd, args, cmd.Flags().Changed("role")); err != nil {
				return err
			}
			args, program := splitAtDash(cmd, args)
			account, err := l.takeArgs(cmd, args)
			if err != nil {
				return err
			}
			if program != nil && len(program) == 0 { // an empty variable in a script is not meant to start a shell
				return usageError{"nothing stands after --; usage: " + cmd.UseLine()}
			}
			return a.exec(cmd.Context(), l, account, program)
		},
	}
	l.addFlags(a, cmd)
	cmd.SetFlagErrorFunc(explainFlags(2))
	f := cmd.Flags()
	f.StringVarP(&l.alias, "alias", "a", "", "`NAME` of the profile (default tempname, or with a random suffix while that is taken)")
	f.BoolVarP(&l.terrible, "terrible", "T", false, "also give the token its older name, for boto 2, old Ansible and Terraform")
	f.BoolVar(&l.asProcess, "process", false, "give the profile a credential_process, for programs that outlive a set of keys")
	f.BoolVar(&l.asEnv, "env", false, "give CMD the keys themselves as variables, without a profile; they are not renewed")
	f.BoolVar(&l.asServer, "serve", false, "give CMD the address of a server on this machine that has fresh keys, without a profile")
	addPassGatewayFlag(cmd, &l.passGateway)
	cmd.MarkFlagsMutuallyExclusive("env", "process", "serve")
	for _, pair := range [][2]string{{"env", "alias"}, {"serve", "alias"}, {"serve", "terrible"}, {"process", "terrible"}} {
		cmd.MarkFlagsMutuallyExclusive(pair[0], pair[1])
	}
	return cmd
}

// splitAtDash returns the arguments before -- and after it, the latter nil if there is none.
func splitAtDash(cmd *cobra.Command, args []string) (before, after []string) {
	if n := cmd.ArgsLenAtDash(); n >= 0 {
		return args[:n], args[n:]
	}
	return args, nil
}

// exec runs a program, or without one the user's shell, with credentials of an account.
func (a *app) exec(ctx context.Context, l lending, account string, program []string) error {
	if len(program) == 0 {
		program = []string{shell()}
	}
	cmd, err := a.command(program)
	if err != nil {
		return err
	}
	if account, _, err = a.named(ctx, &l.request, account, nil); err != nil {
		return err
	}
	opts := l.options(account)
	opts.TempName, opts.Terrible = l.alias, l.terrible && !l.asEnv
	if l.asProcess {
		opts.Form = chaim.Process
	}
	opts.NoProfile, opts.NoRenew = l.asEnv || l.asServer, l.asEnv

	a.signals.standForProgram()
	run := func(variables []string) error {
		cmd.Env = childEnvironment(append(variables, "CHAIM_ACCOUNT="+account, "CHAIM_ROLE="+opts.Role), l.passGateway)
		return a.runProgram(ctx, cmd)
	}
	if l.asServer {
		isRoot := os.Geteuid() == 0 // whose program may become another user's, as by gosu
		return a.withServer(ctx, opts, isRoot, func(s *container.Server) error { return run(s.ChildEnviron()) })
	}
	return a.withKeys(ctx, opts, func(c *chaim.Client) error {
		variables := c.ChildEnviron(nil)
		if l.asEnv && l.terrible {
			variables = append(variables, "AWS_SECURITY_TOKEN="+c.Creds().SessionToken)
		}
		return run(variables)
	})
}

// command finds a program, which is to have the terminal and the files of this process.
func (a *app) command(program []string) (*exec.Cmd, error) {
	path, err := exec.LookPath(program[0])
	if err != nil {
		return nil, a.cannotRun(program[0], err)
	}
	if failure := refuseArguments(program); failure != nil {
		return nil, a.refuse(failure)
	}
	cmd := exec.Command(path, program[1:]...)
	cmd.Args[0] = program[0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = a.in, a.out.file, a.err.file
	return cmd, nil
}

// runProgram runs a program that gets the signals of this process. Its exit code becomes ours. It does not end with its
// keys: what it does without them is its own decision.
func (a *app) runProgram(ctx context.Context, cmd *exec.Cmd) error {
	a.waits.close() // the terminal is the program's
	a.err.hold()
	err := a.signals.start(ctx, cmd, a.log)
	switch {
	case errors.As(err, new(signalError)):
		return err
	case err != nil:
		return a.cannotRun(cmd.Args[0], err)
	}
	unfollow := followStops(cmd.Process)
	reap := awaitEnd(cmd)
	unfollow() // while the number of the program's group is its own
	err = a.signals.wait(reap)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return silentError{endOf(exit)}
	}
	return err
}

// cannotRun says why a program cannot be run, and returns the exit code for that.
func (a *app) cannotRun(name string, err error) error {
	return a.refuse(failureToRun(name, err))
}

// refuse says why a program is not run, and returns the exit code for that.
func (a *app) refuse(failure *programError) error {
	a.say("%s", failure.text)
	return silentError{failure.code}
}

// failureToRun tells why a program cannot be run, without the paths that are in err.
func failureToRun(name string, err error) *programError {
	cause := err
	for next := err; next != nil; next = errors.Unwrap(next) {
		cause = next
	}
	text := cause.Error()
	if start := (*fs.PathError)(nil); errors.As(err, &start) && start.Op == "fork/exec" && errors.Is(err, fs.ErrNotExist) {
		text = "its interpreter or loader is missing" // as LookPath has found the program itself
	}
	return &programError{cannotStart(err), fmt.Sprintf("cannot run %q: %s", name, text)}
}

// shell is the user's.
func shell() string {
	if runtime.GOOS == "windows" {
		return cmp.Or(os.Getenv("COMSPEC"), "cmd.exe")
	}
	return cmp.Or(os.Getenv("SHELL"), "/bin/sh")
}
