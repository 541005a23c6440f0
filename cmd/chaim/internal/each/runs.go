package each

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/aws/smithy-go"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/proc"
	"github.com/chaim-go/chaim/cmd/chaim/internal/term"
	"github.com/chaim-go/chaim/internal/keys"
)

// grace is how long programs have to end after they got a signal.
const grace = 10 * time.Second

var errStopped = errors.New("chaim: another account failed")

// runs runs the program for all accounts.
type runs struct {
	*flags
	ctx     context.Context // of all programs; it does not end with the keys of one
	end     context.CancelCauseFunc
	words   []string
	results map[chaim.Account]*result
	dir     *os.Root // nil without --out
	screen  *screen
}

// result is what the program for one account has done.
type result struct {
	label          string
	code           *int // nil if it was not begun
	took           time.Duration
	stdout, stderr []byte // for --json
	taken          func() // waits until the output is written
}

// newResults labels each account with its name, and with its ID if several have the name.
func newResults(accounts []chaim.Account) map[chaim.Account]*result {
	count, results := map[string]int{}, map[chaim.Account]*result{}
	for _, account := range accounts {
		count[nameOf(account)]++
	}
	for _, account := range accounts {
		results[account] = &result{label: nameOf(account), taken: func() {}}
		if count[nameOf(account)] > 1 {
			results[account].label += " (" + account.ID + ")"
		}
	}
	return results
}

// run runs the program for one account. It does not wait for a reader of the output: the keys are removed when it returns.
func (r *runs) run(_ context.Context, account chaim.Account, c *chaim.Client) (err error) {
	result := r.results[account]
	defer func() {
		failure := &proc.Error{}
		if err == nil || errors.As(err, &failure) {
			result.code = &failure.Code
		}
		r.stopAfter(err) // progress may wait for the output of another account
	}()
	words, err := expand(r.words, account)
	if err != nil {
		return err
	}
	cmd, err := proc.Command(words)
	if err != nil {
		return err
	}
	cmd.Env = proc.Environ(append(c.ChildEnviron(nil), "CHAIM_ACCOUNT="+nameOf(account), "CHAIM_ACCOUNT_ID="+account.ID,
		"CHAIM_ROLE="+c.Role()), r.passGateway)
	var takers []func(io.Reader)
	finish := func() error { return nil }
	switch {
	case r.dir != nil:
		finish, err = toFiles(cmd, r.dir, fileName(account))
	case r.asJSON:
		takers = []func(io.Reader){keep(&result.stdout), keep(&result.stderr)}
	default:
		takers = []func(io.Reader){r.screen.out.take(result.label), r.screen.err.take(result.label)}
	}
	if err != nil {
		return err
	}
	began := time.Now()
	result.taken, err = proc.RunGroup(r.ctx, cmd, grace, takers...)
	result.took = time.Since(began)
	return errors.Join(err, finish())
}

// progress is called once for each account, after its keys are removed, by one goroutine at a time. It waits for the reader
// of the output. No other account begins in its place before it returns.
func (r *runs) progress(p chaim.EachProgress) {
	r.stopAfter(p.Err)
	r.screen.bar.Set(p.Done)
	result := r.results[p.Account]
	result.taken()
	if r.asJSON {
		result.write(r.screen.out, p.Account, p.Err)
		result.stdout, result.stderr = nil, nil
	}
}

// stopAfter ends all programs after the failure of an account, if --stop is given.
func (r *runs) stopAfter(err error) {
	if err != nil && r.stopOnError {
		r.end(errStopped)
	}
}

// summarize lists the accounts that failed, and counts all. It reports whether some failed.
func (r *runs) summarize(failed *chaim.EachError, took time.Duration) (hasFailed bool) {
	rows := [][]term.Cell{term.Row("FAILED", "ID", "REASON")}
	notBegun, without := 0, 0
	for _, f := range failed.Accounts {
		switch {
		case r.isNotBegun(f.Err):
			notBegun++
		case lacksRole(f.Err):
			without++
		default:
			rows = append(rows, term.Row(nameOf(f.Account), f.Account.ID, cli.Reason(f.Err)))
		}
	}
	count, waiting := len(rows)-1, ""
	if without > 0 {
		waiting += fmt.Sprintf(", %d without the role", without)
	}
	if notBegun > 0 {
		waiting += fmt.Sprintf(", %d not begun", notBegun)
	}
	if count > 0 {
		_ = term.WriteLines(r.App.Err, term.Drawing{}.Align(rows))
	}
	unit := time.Second
	if took < 10*time.Second {
		unit /= 100
	}
	r.App.Say("%s, %d failed%s, in %v", term.Counted(len(r.results), "account", "accounts"), count, waiting, took.Round(unit))
	if without == len(r.results) {
		r.App.Say("you have the permission set %s in none of them; 'chaim exec ACCOUNT' shows those of an account", keys.Printable(r.Options("").Role))
	}
	if also := cli.Hint(failed, cli.ExitFailed); also != "" {
		r.App.Say("%s", also)
	}
	return count+notBegun > 0 || without == len(r.results)
}

// lacksRole reports whether IAM Identity Center says that the user does not have the permission set in an account.
func lacksRole(err error) bool {
	var refusal smithy.APIError
	return errors.As(err, &refusal) && refusal.ErrorCode() == "ForbiddenException"
}

// isNotBegun reports whether err is that of an account whose program was not begun because all had to end.
func (r *runs) isNotBegun(err error) bool {
	cause := context.Cause(r.ctx)
	return cause != nil && !errors.As(err, new(*proc.Error)) && (errors.Is(err, cause) || errors.Is(err, context.Canceled))
}
