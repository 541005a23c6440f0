package chaim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"runtime/debug"
	"strings"
	"time"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/fanout"
	"github.com/chaim-go/chaim/internal/httpx"
	"github.com/chaim-go/chaim/internal/keys"
)

const (
	defaultParallel = 8

	// eachTimeout is long, because a request may wait for many others. Each attempt has a time-out of its own.
	eachTimeout = 24 * time.Hour
)

// EachOptions configure [Each]. The zero value gets keys in memory for the role "rro", for eight accounts at a time.
type EachOptions struct {
	// Options are the options of each client. Account, AccountID, TempName, Default, Keep and Source must be empty. Without
	// Profiles, Form and Terrible mean nothing.
	Options Options
	// Parallel is how many accounts Each works on at a time. Zero means 8.
	Parallel int
	// Profiles gives every client a profile in the credentials file. Without it the client of fn is only a provider, and
	// Each writes no file, except to remove what dead processes left.
	Profiles bool
	// StopOnError ends the whole call when the first account fails, as the end of the context does.
	StopOnError bool
	// Progress is called each time an account is done, one call at a time. Nil means no calls.
	Progress func(EachProgress)
}

// EachProgress is the progress of an [Each].
type EachProgress struct {
	Account Account // the account that is done
	Err     error   // as in AccountError; nil if the account did not fail
	Done    int     // accounts done so far, failed ones included
	Failed  int     // accounts failed so far
	Total   int     // accounts in all
}

// EachError says which accounts of an [Each] failed.
type EachError struct {
	Accounts []*AccountError // in the order of the arguments
	Total    int             // accounts in all
}

// AccountError is the failure of one account of an [Each].
type AccountError struct {
	Account Account
	Began   bool // whether fn was called
	Err     error
}

// Error counts the accounts and describes the first ones.
func (e *EachError) Error() string {
	e = cmp.Or(e, new(EachError))
	const shown = 3
	var b strings.Builder
	fmt.Fprintf(&b, "chaim: %d of %d accounts failed", len(e.Accounts), e.Total)
	for i, a := range e.Accounts {
		if i == shown {
			fmt.Fprintf(&b, "; and %d more", len(e.Accounts)-shown)
			break
		}
		b.WriteString("; " + errtext.Unprefixed(a))
	}
	return b.String()
}

// Unwrap returns the errors of the accounts, each an [*AccountError].
func (e *EachError) Unwrap() []error {
	e = cmp.Or(e, new(EachError))
	errs := make([]error, len(e.Accounts))
	for i, a := range e.Accounts {
		errs[i] = a
	}
	return errs
}

// Error names the account and what went wrong.
func (e *AccountError) Error() string {
	e = cmp.Or(e, new(AccountError))
	text := "chaim: account " + keys.QuoteShort(cmp.Or(e.Account.Name, e.Account.ID))
	if e.Account.Name != "" && keys.IsAccountID(e.Account.ID) {
		text += " (" + e.Account.ID + ")"
	}
	if e.Err == nil {
		return text + " failed"
	}
	return text + ": " + errtext.Unprefixed(e.Err)
}

// Unwrap returns what went wrong.
func (e *AccountError) Unwrap() error { return cmp.Or(e, new(AccountError)).Err }

// Each runs fn once for each account, with keys for the same role, for several accounts at a time. It requests keys by an
// account's 12-digit ID, or without one by its Name. It closes the client of fn when fn returns.
//
// All clients use the same broker and share its connections. If the broker throttles, all slow down together. An account
// fails only after the broker has throttled every request for five minutes. Each makes up to three attempts after other
// failures that may pass, except after an [STS] request with an MFA code.
//
// The failure of one account does not stop the others, unless StopOnError is set. The error is an [*EachError] with all
// failures, or is about the arguments. When ctx ends, Each starts no more accounts, and its cause is their error. The
// context of fn ends too, and Each returns when all profiles are removed. A panic of fn has the same effect, and then
// continues in Each's caller.
//
// If a profile cannot be removed when fn returns, for instance because too many files are open, Each tries again after all
// others have ended. Only then the account is done, unless it has failed anyway.
func Each(ctx context.Context, accounts []Account, opts EachOptions, fn func(ctx context.Context, a Account, c *Client) error) error {
	if err := opts.check(fn != nil); err != nil || len(accounts) == 0 {
		return err
	}
	first, err := New(opts.Options) // without an account
	if err != nil {
		return err
	}
	defer first.Close()
	given := opts.Options
	if u, isUnusable := first.origin.broker.(unusable); isUnusable {
		return u.why
	}
	if _, _, err := first.origin.resolve(&given, first.firstName()); err != nil { // New ignores it without an account
		return err
	}
	shared := *first.origin
	shared.pace = new(httpx.Pace)
	e := &each{opts: opts, accounts: accounts, fn: fn, shared: &shared}
	outcomes, panicked := fanout.Run(ctx, len(accounts), fanout.Config{
		Parallel: cmp.Or(opts.Parallel, defaultParallel), StopOnError: opts.StopOnError, Work: e.work, Done: e.done, Panicked: e.panicked,
	})
	failed := &EachError{Total: len(accounts)}
	for i, o := range outcomes {
		if o.CloseErr != nil {
			e.log().Error("chaim: profile could not be removed", "account", accounts[i].ID, "name", accounts[i].Name, "error", o.CloseErr)
		}
		if err := e.failure(i, o); err != nil {
			failed.Accounts = append(failed.Accounts, err)
		}
	}
	if panicked != nil {
		panic(panicked)
	}
	if len(failed.Accounts) == 0 {
		return nil
	}
	return failed
}

// check refuses options that make no sense for many accounts.
func (opts *EachOptions) check(hasFunction bool) error {
	o := &opts.Options
	switch {
	case !hasFunction:
		return errors.New("chaim: no function to run")
	case opts.Parallel < 0:
		return fmt.Errorf("chaim: EachOptions.Parallel is %d, but must not be negative", opts.Parallel)
	case o.Account+o.AccountID != "" || o.TempName != "" || o.Default || o.Keep || o.Source != nil:
		return errors.New("chaim: EachOptions.Options are for many accounts: leave Account, AccountID, TempName, Default, Keep and Source empty")
	case o.NoProfile && opts.Profiles:
		return errors.New("chaim: EachOptions.Profiles contradicts Options.NoProfile")
	}
	return nil
}

// each is one call of Each.
type each struct {
	opts     EachOptions
	accounts []Account
	fn       func(context.Context, Account, *Client) error
	shared   *origin
	count    int // accounts done; only done changes it, one call at a time
	failed   int // accounts failed
}

func (e *each) log() *slog.Logger { return cmp.Or(e.opts.Options.Logger, silent) }

// work gets keys of one account and runs fn with them.
func (e *each) work(ctx context.Context, t *fanout.Turn) error {
	a, opts := e.accounts[t.Index], e.opts.Options
	opts.Account, opts.NoProfile = a.Name, !e.opts.Profiles
	if keys.IsAccountID(a.ID) { // two accounts may have one name
		opts.Account = a.ID
	}
	if err := keys.CheckAccount(opts.Account); err != nil {
		return err
	}
	if opts.NoProfile {
		opts.Form, opts.Terrible = Keys, false
	}
	ctx, expire := context.WithCancelCause(ctx)
	defer expire(nil)
	c, err := newClient(opts, e.shared, expire)
	if err != nil {
		return err
	}
	t.Closes(c.Close)
	return c.use(ctx, func(ctx context.Context, c *Client) error {
		t.Begin()
		return e.fn(ctx, a, c)
	})
}

// panicked logs the stack of a panic of fn, which is lost when the panic continues in Each's caller.
func (e *each) panicked(i int) {
	e.log().Error("chaim: fn panicked", "account", e.accounts[i].ID, "name", e.accounts[i].Name, "stack", string(debug.Stack()))
}

// done reports an account to Progress.
func (e *each) done(i int, o fanout.Outcome) {
	e.count++
	p := EachProgress{Account: e.accounts[i], Done: e.count, Total: len(e.accounts)}
	if failure := e.failure(i, o); failure != nil {
		e.failed++
		p.Err = failure.Err
	}
	p.Failed = e.failed
	if e.opts.Progress != nil {
		e.opts.Progress(p)
	}
}

// failure returns the failure of an account, or nil.
func (e *each) failure(i int, o fanout.Outcome) *AccountError {
	err := o.Err
	if o.CloseErr != nil {
		err = errors.Join(o.Err, o.CloseErr)
	}
	if err == nil {
		return nil
	}
	return &AccountError{e.accounts[i], o.Began, err}
}

// FilterAccounts returns the accounts whose name or ID matches pattern: * matches any characters, ? one character, and [a-z]
// one of a range, as in [path.Match], but a slash is an ordinary character.
func FilterAccounts(accounts []Account, pattern string) ([]Account, error) {
	plain := strings.NewReplacer("/", "\x00").Replace
	if _, err := path.Match(plain(pattern), ""); err != nil {
		return nil, fmt.Errorf("chaim: %s is no pattern of account names: %w", keys.QuoteShort(pattern), err)
	}
	var found []Account
	for _, a := range accounts {
		isNamed, _ := path.Match(plain(pattern), plain(a.Name))
		isNumbered, _ := path.Match(pattern, a.ID)
		if a.Name != "" && isNamed || a.ID != "" && isNumbered {
			found = append(found, a)
		}
	}
	return found, nil
}
