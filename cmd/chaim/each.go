package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/internal/errtext"
)

var errStopped = errors.New("chaim: another account failed")

// maxParallel is more than a gateway would bear, and than there are accounts in most organizations.
const maxParallel = 1000

// eachFlags say which accounts, and what becomes of the output.
type eachFlags struct {
	request
	patterns    []string
	parallel    int
	dir         string
	asJSON      bool
	asEnv       bool
	stopOnError bool
	passGateway bool
}

const eachHelp = `each asks the gateway for its accounts and runs CMD once for each of them, with credentials as of exec: a profile in its
environment that is taken away when it ends, or with --env the keys themselves. The failure of one account does not stop
the others, unless --stop is given. CMD reads nothing: its standard input is empty, and it has no terminal.

--match takes a name or ID with * for any characters, ? for one, and [a-z] for one of them. When given several times,
accounts are taken that match any of the patterns.

CHAIM_ACCOUNT, CHAIM_ACCOUNT_ID and CHAIM_ROLE are set for CMD; as with exec, CHAIM_TOKEN is not. In CMD and each ARG,
{account} stands for the name of the account and {id} for its ID, which is always 12 digits. They are put there as they are,
and no shell sees them, unless CMD is one: in the text of "sh -c" a name such as "$(reboot)" would be run, and those who may
rename an account can choose it. Write this instead:

  chaim each -- sh -c 'aws s3 ls >"$CHAIM_ACCOUNT_ID.txt"; echo "$CHAIM_ACCOUNT"'

A name that begins with a dash is not put at the beginning of an ARG, nor one with a slash into CMD: the account fails. On
Windows nothing is run where CMD is a batch file and an account has one of % ! ^ & | < > " in an ARG; {id} never has.

Each line of output has the name of the account before it, as "NAME | ". Lines are never mixed; one of more than 64 KiB
comes in pieces of that size, each a line. --out keeps the output in files instead: DIR/NAME-ID.out, and DIR/NAME-ID.err
if there is something on stderr. Characters of the name other than a to z, A to Z, 0 to 9, ".", "_" and "-" are "-" there,
and it neither begins nor ends with "-" or "."; two accounts that would have the same file are refused. Files of an earlier
run for the same accounts are removed before the first program begins. --json prints a line for each account when it is
done, with its name as account, id, exit_code (as a shell has it, or null if it did not come to CMD), error (only if it
failed), seconds, stdout and stderr; stdout_base64 or stderr_base64 in their place where they are not UTF-8, or have control
characters other than tabs and ends of lines. Of each the first MiB is kept, and truncated is true if there was more.

Each account at a time takes up to 10 open files. Where "ulimit -n" allows fewer than -p needs, fewer run at a time.

At the end the accounts that failed are listed on stderr. The exit code is 0 if all went well and 1 if an account failed;
126 or 127 where CMD cannot be run or is not found; 3, 4 or 5 where the list of accounts could not be had. A signal goes to
all programs and what they started, unless that has left their process group; they have 10 seconds to end. Accounts that
wait are not begun, and the exit code is 128 and its number. If the reader of the output goes away, all end too, with 141.

A reader that stays and reads nothing, such as a pager, holds up programs that write more, and accounts that wait. It does
not hold up the removal of credentials: when a program ends, up to 1 MiB each of its stdout and stderr is kept in memory
until it is read. A program that ends while another that it started still has its output open, or still writes more than
that, is waited for 11 seconds longer, and has failed; with --out it is not waited for, and what the other writes comes
into the file.`

func (a *app) eachCommand() *cobra.Command {
	var f eachFlags
	cmd := &cobra.Command{
		Use:     "each [--match GLOB]... [flags] -- CMD [ARG...]",
		GroupID: groupWork,
		Short:   "Run a program once for each account that the gateway knows, several at a time",
		Long:    eachHelp,
		Example: `  chaim each -- aws s3 ls
  chaim each --match 'team-*' --match prod -r mpu -p 20 -- python3 audit.py --account {id}
  chaim each --out reports -- aws iam get-account-summary
  chaim each --json -- aws sts get-caller-identity | jq -r 'select(.exit_code == 0) | .account'`,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveDefault
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			program, err := f.check(a, cmd, args)
			if err != nil {
				return err
			}
			return a.each(cmd.Context(), f, program)
		},
	}
	f.add(a, cmd)
	return cmd
}

// add gives the command its flags.
func (f *eachFlags) add(a *app, cmd *cobra.Command) {
	f.addFlags(a, cmd)
	cmd.SetFlagErrorFunc(explainFlags(1))
	flags := cmd.Flags()
	flags.StringArrayVar(&f.patterns, "match", nil, "only accounts whose name or ID matches this `GLOB`; may be given several times")
	flags.IntVarP(&f.parallel, "parallel", "p", 8, "work on `N` accounts at a time")
	flags.StringVar(&f.dir, "out", "", "keep the output in files of this `DIR`, which is made if it is not there")
	flags.BoolVar(&f.asEnv, "env", false, "give CMD the keys themselves as variables, without a profile; they are not renewed")
	addPassGatewayFlag(cmd, &f.passGateway)
	flags.BoolVar(&f.stopOnError, "stop", false, "end all programs with SIGTERM, and begin no more, when an account has failed")
	addJSONFlag(cmd, &f.asJSON)
	cmd.MarkFlagsMutuallyExclusive("out", "json")
	_ = cmd.MarkFlagDirname("out")
	_ = cmd.RegisterFlagCompletionFunc("match", func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return a.complete(cmd, nil, func(p chaim.Profile) string { return p.Account })
	})
}

// check returns the program of a command line that is right.
func (f *eachFlags) check(a *app, cmd *cobra.Command, args []string) (program []string, err error) {
	args, program = splitAtDash(cmd, args)
	switch {
	case len(args) > 0 && program == nil:
		return nil, a.missingDash(args, 0)
	case len(args) > 0:
		return nil, usageError{fmt.Sprintf("%q stands before --; usage: %s", args[0], cmd.UseLine())}
	case len(program) == 0:
		return nil, usageError{"which program? usage: " + cmd.UseLine()}
	case f.parallel < 1 || f.parallel > maxParallel:
		return nil, usageError{fmt.Sprintf("-p is 1 to %d accounts at a time, not %d", maxParallel, f.parallel)}
	case cmd.Flags().Changed("out") && f.dir == "":
		return nil, usageError{"the folder for --out is empty"}
	}
	for _, pattern := range f.patterns {
		if _, err := chaim.FilterAccounts(nil, pattern); err != nil {
			return nil, usageError{errtext.Unprefixed(err)}
		}
	}
	return program, checkGiven(cmd)
}

// each runs a program for each account.
func (a *app) each(ctx context.Context, f eachFlags, program []string) error {
	if !hasPlaceholder(program[0]) {
		if _, failure := findProgram(program[0]); failure != nil {
			return a.refuse(failure)
		}
	}
	accounts, err := a.matchingAccounts(ctx, f)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return err
	}
	if failure := refuseForAny(program, accounts, refuseArguments); failure != nil {
		return a.refuse(failure)
	}
	f.parallel = min(f.parallel, len(accounts))
	if most := parallelFor(maxOpenFiles()); f.parallel > most {
		a.say("%d at a time, not %d: more would need more open files than 'ulimit -n' allows", most, f.parallel)
		f.parallel = most
	}
	run, end := context.WithCancelCause(ctx)
	defer end(nil)
	e := &eachRun{app: a, ctx: run, end: end, flags: f, program: program, labels: labelsOf(accounts)}
	e.results = map[chaim.Account]*result{}
	if f.dir != "" {
		if e.dir, err = openFolder(f.dir, accounts); err != nil {
			return err
		}
		defer e.dir.Close()
	}
	a.waits.close() // the progress is shown
	e.screen = newScreen(run, end)
	if canDraw(a.err) {
		e.screen.showProgress(a.err, func() int { return widthOf(a.err) }, drawing{hasBlocks: speaksUTF8()}, len(accounts))
	}
	began := time.Now()
	err = chaim.Each(run, accounts, e.options(), e.run)
	e.screen.close()

	failed := (*chaim.EachError)(nil)
	if err != nil && !errors.As(err, &failed) {
		return err
	}
	var broken outputError
	if errors.As(context.Cause(run), &broken) {
		if errors.Is(broken, syscall.EPIPE) {
			return silentError{exitReader}
		}
		return broken
	}
	a.summarize(e, len(accounts), failed, time.Since(began))
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case failed != nil:
		return silentError{exitFailed}
	}
	return nil
}

// matchingAccounts asks the gateway for the accounts, each of which it returns once.
func (a *app) matchingAccounts(ctx context.Context, f eachFlags) (accounts []chaim.Account, err error) {
	opts := f.options("any") // so that options are checked which no list needs, such as the region
	opts.NoProfile = true
	err = a.withClient(opts, func(c *chaim.Client) error {
		accounts, err = c.RequestList(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(accounts) == 0 {
		return nil, errors.New("chaim: the gateway knows no accounts")
	}
	for i, account := range accounts {
		accounts[i] = plainAccount(account)
	}
	patterns := f.patterns
	if len(patterns) == 0 {
		patterns = []string{"*"}
	}
	isWanted := map[chaim.Account]bool{}
	for _, pattern := range patterns {
		found, err := chaim.FilterAccounts(accounts, pattern)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			a.say("no account matches %q", pattern)
		}
		for _, account := range found {
			isWanted[account] = true
		}
	}
	if len(isWanted) == 0 {
		return nil, fmt.Errorf("chaim: none of %d accounts matches, so there is nothing to do", len(accounts))
	}
	return slices.DeleteFunc(accounts, func(account chaim.Account) bool {
		isTaken := isWanted[account]
		delete(isWanted, account)
		return !isTaken
	}), nil
}

// summarize says which accounts failed, and why.
func (a *app) summarize(e *eachRun, total int, failed *chaim.EachError, took time.Duration) {
	rows := [][]cell{{{text: "FAILED"}, {text: "ID"}, {text: "REASON"}}}
	waiting := 0
	if failed != nil {
		for _, f := range failed.Accounts {
			if e.isPassedOver(f.Err) {
				waiting++
				continue
			}
			rows = append(rows, []cell{{text: nameOf(f.Account)}, {text: f.Account.ID}, {text: reason(f.Err)}})
		}
	}
	count := len(rows) - 1
	if count > 0 {
		_ = writeLines(a.err, drawing{}.align(rows))
	}
	line := fmt.Sprintf("%d accounts, %d failed", total, count)
	if total == 1 {
		line = fmt.Sprintf("1 account, %d failed", count)
	}
	if waiting > 0 {
		line += fmt.Sprintf(", %d not begun", waiting)
	}
	unit := time.Second
	if took < 10*time.Second {
		unit /= 100
	}
	a.say("%s, in %v", line, took.Round(unit))
	if failed != nil {
		if also := hint(failed, exitFailed); also != "" {
			a.say("%s", also)
		}
	}
}

// reason is the text of an error in one line.
func reason(err error) string {
	lines := strings.Split(strings.TrimSpace(err.Error()), "\n")
	for i, line := range lines {
		lines[i] = errtext.Unprefixed(errors.New(strings.TrimSpace(line)))
	}
	return strings.Join(lines, "; ")
}
