package chaim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/remote"
)

const (
	defaultParallel = 8

	// With a pace each request has a time-out of its own, and the wait for one is as long as it takes when there are many.
	eachTimeout = 24 * time.Hour
)

var errStopped = errors.New("chaim: another account failed")

// EachOptions say how [Each] goes about it. The zero value lends keys in memory for the role "rro", to eight accounts at a
// time.
type EachOptions struct {
	// Options are the options of each scope. Account, AccountID, TempName, Default, Keep and Source must be empty in them. Without Profiles,
	// Form and Terrible mean nothing.
	Options Options
	// Sources returns the Source of an account, as in [Options]. It is called once for each account, by many goroutines, and
	// must not return nil. Nil means the gateway or, where none is configured, AWS STS.
	Sources func(Account) aws.CredentialsProvider
	// Parallel is how many accounts are worked on at a time. Zero means 8.
	Parallel int
	// Profiles gives every scope a profile in the credentials file. Without it the client that fn gets is only a provider
	// of keys, and no file is written, but for what [Sweep] would remove.
	Profiles bool
	// StopOnError ends the whole call when the first account fails, as the end of the context does.
	StopOnError bool
	// Progress is called each time an account is done. The calls come one at a time. Nil means that there are none.
	Progress func(EachProgress)
}

// EachProgress is how far an [Each] has come.
type EachProgress struct {
	Account Account // that is done
	Err     error   // as in AccountError; nil if it did not fail
	Done    int     // accounts so far, those that failed included
	Failed  int     // accounts so far
	Total   int     // accounts in all
}

// EachError tells for which accounts an [Each] failed.
type EachError struct {
	Accounts []*AccountError // in the order in which they were given
	Total    int             // accounts in all
}

// AccountError is what went wrong for one account of an [Each].
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
	text := "chaim: account " + quoteShort(cmp.Or(e.Account.Name, e.Account.ID))
	if e.Account.Name != "" && remote.IsAccountID(e.Account.ID) {
		text += " (" + e.Account.ID + ")"
	}
	if e.Err == nil {
		return text + " failed"
	}
	return text + ": " + errtext.Unprefixed(e.Err)
}

// Unwrap returns what went wrong.
func (e *AccountError) Unwrap() error { return cmp.Or(e, new(AccountError)).Err }

// Each runs fn once for each account, with keys for the same role, several at a time. The client that fn gets is closed
// when fn returns. It asks for an account by its ID or, without 12 digits there, by its name. All ask the same gateway, with
// connections that they share; when it or STS says that there are too many requests, all of them slow down together
// instead of failing, unless it says nothing else for five minutes. What may pass otherwise is tried three times,
// but what an [STS] was asked for with an MFA code once.
//
// The failure of one account does not stop the others. The error is an [*EachError] with what went wrong for each, or what
// was wrong with the arguments. When ctx ends, accounts that wait are not begun, with its cause as their error; the context
// that fn has ends too, and Each returns when all have cleaned up. A panic of fn ends it in the same way and then travels
// on from Each.
//
// A profile that cannot be removed when fn returns, as where no file can be opened because too many are, is removed when
// all others have ended. Only then is its account done, unless it has failed anyhow.
func Each(ctx context.Context, accounts []Account, opts EachOptions, fn func(ctx context.Context, a Account, c *Client) error) error {
	e := &each{opts: opts, fn: fn, failures: make([]*AccountError, len(accounts)), pace: remote.NewPace()}
	if err := e.check(); err != nil || len(accounts) == 0 {
		return err
	}
	shared := opts.Options
	if opts.Sources != nil {
		shared.Source = AwsCreds{} // no gateway is looked for
	}
	first, err := makeClient(shared, nil)
	if err != nil {
		return err
	}
	defer first.Close()
	if first.noRegion != nil {
		return first.noRegion
	}
	e.first = first

	ctx, e.stop = context.WithCancelCause(ctx)
	defer e.stop(nil)
	e.run(ctx, accounts)
	if e.panicked != nil {
		panic(e.panicked.value)
	}
	failed := &EachError{Total: len(accounts)}
	for _, f := range e.failures {
		if f != nil {
			failed.Accounts = append(failed.Accounts, f)
		}
	}
	if len(failed.Accounts) == 0 {
		return nil
	}
	return failed
}

// run has all accounts worked on. No profile waits for Progress, which may block.
func (e *each) run(ctx context.Context, accounts []Account) {
	var all, open sync.WaitGroup // accounts that are not done, and those whose client is still to be closed for the first time
	slots := make(chan struct{}, cmp.Or(e.opts.Parallel, defaultParallel))
	for i, a := range accounts {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			all.Go(func() { e.leaveOut(i, accounts[i:], errtext.Wrap(context.Cause(ctx), "not begun")) })
			break
		}
		open.Add(1)
		all.Go(func() {
			defer func() { <-slots }()
			e.work(ctx, i, a, open.Done)
		})
	}
	open.Wait()
	again := e.closeAgain()
	all.Wait()
	e.tellOf(again)
}

// leaveOut tells of accounts that are not begun, the first of which is that of index first.
func (e *each) leaveOut(first int, accounts []Account, why error) {
	for i, a := range accounts {
		func() {
			defer e.catch(a)
			e.done(first+i, &AccountError{a, false, why})
		}()
	}
}

// each is one call of Each.
type each struct {
	opts  EachOptions
	fn    func(context.Context, Account, *Client) error
	first *Client // the others take the gateway from it
	pace  *remote.Pace
	stop  context.CancelCauseFunc

	mu       sync.Mutex // guards what follows, and is held during calls of Progress
	failures []*AccountError
	count    int
	failed   int
	panicked *panicked

	closing  sync.Mutex // guards what follows
	unclosed []*unclosed
}

type panicked struct{ value any }

// unclosed is an account whose client could not be closed.
type unclosed struct {
	i       int
	client  *Client
	outcome *AccountError
	err     error // of the second time
}

func (e *each) check() error {
	o := &e.opts.Options
	switch {
	case e.fn == nil:
		return errors.New("chaim: no function to run")
	case e.opts.Parallel < 0:
		return fmt.Errorf("chaim: %d accounts at a time are none", e.opts.Parallel)
	case o.Account+o.AccountID != "" || o.TempName != "" || o.Default || o.Keep || o.Source != nil:
		return errors.New("chaim: EachOptions.Options are for many accounts: leave Account, AccountID, TempName, Default, Keep and Source empty")
	case o.NoProfile && e.opts.Profiles:
		return errors.New("chaim: EachOptions.Profiles asks for what Options.NoProfile excludes")
	}
	return nil
}

// work lends keys of one account to fn. It calls closed when their client is closed, or could not be.
func (e *each) work(ctx context.Context, i int, a Account, closed func()) {
	outcome := &AccountError{Account: a, Err: errors.New("chaim: fn did not return")}
	var c *Client
	defer e.catch(a)
	defer func() {
		isClosed := c == nil || c.Close() == nil
		if !isClosed {
			e.closing.Lock()
			e.unclosed = append(e.unclosed, &unclosed{i: i, client: c, outcome: outcome})
			e.closing.Unlock()
		}
		closed()
		if isClosed || outcome.Err != nil {
			e.done(i, outcome)
		}
	}()
	var err error
	if c, err = e.client(a); err == nil {
		err = c.use(ctx, func(ctx context.Context, c *Client) error {
			outcome.Began = true
			return e.fn(ctx, a, c)
		})
	}
	outcome.Err = err
}

// closeAgain closes the clients that could not be closed, and returns them. The others are closed.
func (e *each) closeAgain() []*unclosed {
	again := e.unclosed
	var wg sync.WaitGroup
	slots := make(chan struct{}, cmp.Or(e.opts.Parallel, defaultParallel))
	for _, u := range again {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			u.err = u.client.Close()
		})
	}
	wg.Wait()
	return again
}

// tellOf takes in what came of the accounts whose clients were closed again. All others are done.
func (e *each) tellOf(again []*unclosed) {
	for _, u := range again {
		outcome := *u.outcome // which Progress may have been told of
		if u.err != nil {
			u.client.opts.Logger.Error("chaim: profile could not be removed", "profile", u.client.Profile(), "error", u.err)
			outcome.Err = errors.Join(outcome.Err, u.err)
		}
		if u.outcome.Err == nil {
			e.done(u.i, &outcome)
		} else {
			e.failures[u.i] = &outcome
		}
	}
}

// catch keeps a panic for the goroutine that called Each, and ends the others.
func (e *each) catch(a Account) {
	if value := recover(); value != nil {
		e.stop(errStopped)
		cmp.Or(e.opts.Options.Logger, silent).Error("chaim: fn panicked", "account", a.ID, "name", a.Name, "stack", string(debug.Stack()))
		e.mu.Lock()
		defer e.mu.Unlock()
		e.panicked = cmp.Or(e.panicked, &panicked{value})
	}
}

// asked is by what the keys of an account are asked for. Of two accounts with one name only the ID tells which.
func asked(a Account) string {
	if remote.IsAccountID(a.ID) {
		return a.ID
	}
	return a.Name
}

// client makes one for the account.
func (e *each) client(a Account) (*Client, error) {
	opts := e.opts.Options
	opts.Account = asked(a)
	if err := checkAccount(opts.Account); err != nil {
		return nil, err
	}
	if e.opts.Sources != nil {
		if opts.Source = e.opts.Sources(a); opts.Source == nil {
			return nil, errors.New("chaim: EachOptions.Sources returned nil")
		}
	}
	c, err := makeClient(opts, e.first)
	if err != nil {
		return nil, err
	}
	c.opts.NoProfile, c.pace = !e.opts.Profiles, e.pace
	return c, nil
}

// done takes in what came of an account.
func (e *each) done(i int, outcome *AccountError) {
	if outcome.Err != nil && e.opts.StopOnError {
		e.stop(errStopped)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.count++
	if outcome.Err != nil {
		e.failed++
		e.failures[i] = outcome
	}
	if e.opts.Progress != nil {
		e.opts.Progress(EachProgress{outcome.Account, outcome.Err, e.count, e.failed, len(e.failures)})
	}
}

// FilterAccounts returns those accounts whose name or ID matches a pattern: * stands for any characters, ? for one, and
// [a-z] for one of them, as in [path.Match], but that a slash is a character like others.
func FilterAccounts(accounts []Account, pattern string) ([]Account, error) {
	plain := strings.NewReplacer("/", "\x00").Replace
	if _, err := path.Match(plain(pattern), ""); err != nil {
		return nil, fmt.Errorf("chaim: %s is no pattern of account names: %w", quoteShort(pattern), err)
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
