// Package each has the command that runs a program once for each account.
package each

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/proc"
	"github.com/chaim-go/chaim/cmd/chaim/internal/request"
	"github.com/chaim-go/chaim/cmd/chaim/internal/term"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/keys"
)

// maxParallel is more than a gateway can serve.
const maxParallel = 1000

// flags say which accounts to take, how to run the program, and where its output goes.
type flags struct {
	request.Request
	patterns []string
	parallel int
	dir      string

	asJSON, asEnv, stopOnError, passGateway bool
}

// Command returns the command.
func Command(a *cli.App) *cobra.Command {
	f := &flags{Request: request.Request{App: a}}
	cmd := cli.Describe(&cobra.Command{
		Use:     "each [--match GLOB]... [flags] -- CMD [ARG...]",
		GroupID: cli.GroupWork,
		RunE: func(cmd *cobra.Command, args []string) error {
			words, err := f.check(cmd, args)
			if err != nil {
				return err
			}
			return f.run(cmd.Context(), words)
		},
	})
	f.AddFlags(cmd)
	f.Among.AddFlags(cmd, true)
	cmd.SetFlagErrorFunc(cli.ExplainFlags(1))
	set := cmd.Flags()
	set.StringArrayVar(&f.patterns, "match", nil,
		"only accounts whose name or ID matches this `GLOB`; may be given several times")
	set.IntVarP(&f.parallel, "parallel", "p", 8, "work on `N` accounts at a time")
	set.StringVar(&f.dir, "out", "", "keep the output in files of this `DIR`, which is made if it is not there")
	set.BoolVar(&f.asEnv, "env", false, "give CMD the keys themselves as variables, without a profile; they are not renewed")
	cli.AddPassGatewayFlag(cmd, &f.passGateway)
	set.BoolVar(&f.stopOnError, "stop", false, "end all programs with SIGTERM, and begin no more, when an account has failed")
	cli.AddJSONFlag(cmd, &f.asJSON)
	cmd.MarkFlagsMutuallyExclusive("out", "json")
	_ = cmd.MarkFlagDirname("out")
	_ = cmd.RegisterFlagCompletionFunc("match", request.CompleteAccounts(a))
	return cmd
}

// check returns the program and its arguments.
func (f *flags) check(cmd *cobra.Command, args []string) (words []string, err error) {
	args, words = cli.SplitAtDash(cmd, args)
	switch {
	case len(args) > 0 && words == nil:
		return nil, f.App.MissingDash(args, 0)
	case len(args) > 0:
		return nil, cli.Usagef("%q stands before --; usage: %s", args[0], cmd.UseLine())
	case len(words) == 0:
		return nil, cli.Usage("which program? usage: " + cmd.UseLine())
	case f.parallel < 1 || f.parallel > maxParallel:
		return nil, cli.Usagef("-p is 1 to %d accounts at a time, not %d", maxParallel, f.parallel)
	case cmd.Flags().Changed("out") && f.dir == "":
		return nil, cli.Usage("the folder for --out is empty")
	}
	for _, pattern := range f.patterns {
		if _, err := chaim.FilterAccounts(nil, pattern); err != nil {
			return nil, cli.Usage(errtext.Unprefixed(err))
		}
	}
	return words, request.CheckGiven(cmd)
}

// run runs the program for each account.
func (f *flags) run(ctx context.Context, words []string) error {
	a := f.App
	accounts, err := f.accounts(ctx, words)
	if err != nil {
		return err
	}
	f.parallel = min(f.parallel, len(accounts))
	if most := parallelFor(proc.MaxOpenFiles()); f.parallel > most {
		a.Say("%d at a time, not %d: more would need more open files than 'ulimit -n' allows", most, f.parallel)
		f.parallel = most
	}
	all, end := context.WithCancelCause(ctx)
	defer end(nil)
	s := newScreen(all, end, grace-term.ReaderPatience, a.Out, a.Err)
	r := &runs{flags: f, ctx: all, end: end, words: words, results: newResults(accounts), screen: s}
	if f.dir != "" {
		if r.dir, err = openFolder(f.dir, accounts); err != nil {
			return err
		}
		defer r.dir.Close()
	}
	a.Waits.Close() // a bar is shown
	f.MFA.Turn, f.MFA.Hide = &s.turn, func() { s.bar.Hide() }
	s.bar = term.ShowProgress(a.Err, &s.turn, len(accounts))
	opts := chaim.EachOptions{Options: f.Options(""), Parallel: f.parallel, Profiles: !f.asEnv, Progress: r.progress}
	opts.Options.Logger, opts.Options.NoRenew, opts.Options.NoProfile = a.Log, f.asEnv, f.asEnv
	a.LogBroker(ctx, opts.Options)
	began := time.Now()
	err = chaim.Each(all, accounts, opts, r.run)
	s.bar.End()

	failed := &chaim.EachError{}
	if err != nil && !errors.As(err, &failed) {
		return err
	}
	switch cause := context.Cause(all); {
	case cause == nil, cause == errStopped, cause == context.Cause(ctx):
	case errors.Is(cause, syscall.EPIPE):
		return proc.Exit(cli.ExitReader)
	default: // the output cannot be written
		return cause
	}
	if r.summarize(failed, time.Since(began)) && ctx.Err() == nil {
		return proc.Exit(cli.ExitFailed)
	}
	return context.Cause(ctx)
}

// parallelFor is how many accounts at a time need no more open files than that. A program has its lease, two files for its
// output, and one for the process. While it starts there are also a connection, the null device, and both ends of pipes.
func parallelFor(files uint64) int {
	const each, shared = 10, 32
	return int(max(1, min((max(files, shared)-shared)/each, maxParallel)))
}

// accounts returns the accounts that match, each once and in the order of their source. It refuses a program that cannot be
// run.
func (f *flags) accounts(ctx context.Context, words []string) (known []chaim.Account, err error) {
	if _, err := proc.Find(words[0]); err != nil && !hasPlaceholder(words[0]) {
		return nil, err
	}
	if err := f.RequireRole(ctx); err != nil {
		return nil, err
	}
	known, err = f.List(ctx)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, err
	case len(known) == 0:
		return nil, errors.New("chaim: there are no accounts")
	}
	for i := range known {
		known[i] = plainAccount(known[i])
	}
	if len(f.patterns) == 0 {
		f.patterns = []string{"*"}
	}
	isWanted := map[chaim.Account]bool{}
	for _, pattern := range f.patterns {
		found, _ := chaim.FilterAccounts(known, pattern) // the pattern was checked
		if len(found) == 0 {
			f.App.Say("no account matches %q", pattern)
		}
		for _, account := range found {
			isWanted[account] = true
		}
	}
	if len(isWanted) == 0 {
		return nil, fmt.Errorf("chaim: none of %d accounts matches, so there is nothing to do", len(known))
	}
	known = slices.DeleteFunc(known, func(account chaim.Account) bool {
		isTaken := isWanted[account]
		delete(isWanted, account)
		return !isTaken
	})
	return known, refuseForAny(words, known, proc.CheckWords)
}

// plainAccount drops a name or ID that could harm a terminal. The other one then stands for the account.
func plainAccount(account chaim.Account) chaim.Account {
	for _, text := range []*string{&account.ID, &account.Name} {
		if keys.CheckAccount(*text) != nil {
			*text = ""
		}
	}
	return account
}

func nameOf(account chaim.Account) string { return cmp.Or(account.Name, account.ID) }

func hasPlaceholder(word string) bool {
	return strings.Contains(word, "{account}") || strings.Contains(word, "{id}")
}

// expand replaces {account} and {id}. Others choose the name: it must not become an option, or the folder of the program.
func expand(program []string, account chaim.Account) (words []string, err error) {
	name, id := nameOf(account), account.ID
	if id != "" && !keys.IsAccountID(id) { // programs trust it
		return nil, fmt.Errorf("chaim: it has the id %q, which is not 12 digits", id)
	}
	for _, word := range program {
		expanded := strings.NewReplacer("{account}", name, "{id}", id).Replace(word)
		if strings.HasPrefix(expanded, "-") && !strings.HasPrefix(word, "-") {
			return nil, fmt.Errorf("chaim: %q begins with a dash, so that %q would be an option", expanded, word)
		}
		words = append(words, expanded)
	}
	if hasPlaceholder(program[0]) && (strings.ContainsAny(name+id, `/\`) || name == "..") {
		return nil, fmt.Errorf("chaim: with the name %q the program %q would be in another folder", name, program[0])
	}
	return words, nil
}

// refuseForAny returns the error of check for the words of the first account that has one. Accounts that fail for another
// reason fail in their turn.
func refuseForAny(program []string, accounts []chaim.Account, check func(words []string) error) error {
	for _, account := range accounts {
		if words, err := expand(program, account); err == nil {
			if err := check(words); err != nil {
				return errtext.Wrap(err, "account %q", nameOf(account))
			}
		}
	}
	return nil
}
