package issue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/token"
)

const (
	// maxDecisions is how often a request is decided if people, tokens or policy change all the time.
	maxDecisions = 8
	// lookTimeout bounds a look at the database, and recordTimeout the wait for a place in the log.
	lookTimeout   = 2 * time.Second
	recordTimeout = 2 * time.Second
	// stsTimeout bounds all requests to STS for one issue. With two records after it an issue takes 20 seconds at most.
	stsTimeout = 16 * time.Second

	retrySoon = time.Second // what a caller is told to wait
)

// Store is what the Issuer reads of the database.
type Store interface {
	Auth(ctx context.Context) (int64, error)
	View(ctx context.Context) (*store.View, error)
	OldIntents(ctx context.Context, before time.Time) ([]store.Issue, error)
	IssueByKey(ctx context.Context, keyID string) (store.Issue, error)
	Token(ctx context.Context, id string) (store.Token, error)
}

// Journal writes to the database. Append returns when the change is durable, or an error that wraps one of the errors of the
// package store.
type Journal interface {
	Append(ctx context.Context, c store.Change) error
}

// Deps are the parts that an Issuer works with. Links and Log may be nil: then there are no console links, or no log.
type Deps struct {
	Store   Store
	Journal Journal
	Ring    *token.File
	STS     Assumer
	Links   Linker
	Options Options
	Hooks   Hooks
	Log     *slog.Logger
}

// Options change what an Issuer does.
type Options struct {
	Replica      string // its name in the log
	HideAccounts bool   // an account that a user could never use is, to that user, unknown
	// Admit counts a request of a user whose token is right, before anything is done for it. If there were too many, it returns
	// how long the user must wait, and the request is refused. Nil means no limit. It must not wait.
	Admit func(user string) (pause time.Duration)
}

// Hooks are told what happens, for metrics. They may be nil. They must not wait.
type Hooks struct {
	AuthFailed func(Code)                             // a token, or keys for a console link, were refused
	STS        func(took time.Duration, cause Cause)  // STS was asked for keys; the cause is empty if it made them
	Ended      func(store.State)                      // an issue has its end
	Appended   func(took time.Duration, isFirst bool) // a record of an issue is durable; isFirst for the intent
}

// Issuer decides requests for keys, records them and gets the keys. All methods are safe for concurrent use. Make one with [New].
type Issuer struct {
	deps     Deps
	views    *views
	failures failures
}

// New returns an Issuer. It touches neither the database nor the network. [Issuer.Run] does its regular work.
func New(d Deps) *Issuer {
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	return &Issuer{deps: d, views: newViews(d.Store, d.Ring, d.Log)}
}

// Keys gives a user keys of a role in an account. Before STS is asked, the database has the decision; before the keys are
// returned, it has their id. An issue that has begun is brought to its end even if ctx ends, in 20 seconds at most. The error
// is a [*Refusal], or wraps that of ctx.
func (i *Issuer) Keys(ctx context.Context, c Caller, ask Ask) (Grant, error) {
	v, err := i.views.cached(ctx)
	for n := range maxDecisions {
		if err = cmp.Or(err, ctx.Err()); err != nil {
			return Grant{}, i.unavailable(ctx, "reading people, tokens and policy", err)
		}
		var who asker
		if v, who, err = i.authenticate(ctx, v, c); err != nil {
			return Grant{}, err
		}
		if n == 0 { // the same request, decided again, does not count again
			if err = i.admit(who); err != nil {
				return Grant{}, err
			}
		}
		d := i.decide(v, who, c, ask)
		if d.refusal != nil {
			err = i.record(ctx, store.Change{Events: []audit.Event{d.event(audit.IssueDenied, who)}, IfAuth: v.Auth})
		} else {
			err = i.intend(ctx, v, who, &d)
		}
		switch {
		case err == nil && d.refusal != nil:
			return Grant{}, d.refusal
		case err == nil:
			return i.lend(ctx, who, d)
		case !errors.Is(err, store.ErrStale):
			return Grant{}, i.unavailable(ctx, "recording the decision", err)
		}
		v, err = i.views.fresh(ctx)
	}
	return Grant{}, i.unavailable(ctx, "deciding", fmt.Errorf("%w, %d times in a row", store.ErrStale, maxDecisions))
}

// Accounts returns the accounts that a user may use now, by name. The errors are those of [Issuer.Keys].
func (i *Issuer) Accounts(ctx context.Context, c Caller) ([]Account, error) {
	v, err := i.views.fresh(ctx)
	if err != nil {
		return nil, i.unavailable(ctx, "reading people, tokens and policy", err)
	}
	v, who, err := i.authenticate(ctx, v, c)
	if err == nil {
		err = i.admit(who)
	}
	if err != nil || v.engine == nil {
		return nil, err
	}
	var found []Account
	for account := range v.engine.Accounts(v.person(who.user), c.Place(), time.Now()) {
		found = append(found, Account{ID: account.ID, Name: account.Name})
	}
	return found, nil
}

// admit refuses a request of a user who asks too often. It counts a request when it begins, so that requests at the same time
// count too: each of them may wait for STS.
func (i *Issuer) admit(who asker) error {
	if i.deps.Options.Admit == nil {
		return nil
	}
	if pause := i.deps.Options.Admit(who.user.Name); pause > 0 {
		return &Refusal{Code: Busy, User: who.user.Name, Text: who.user.Name + " asks too often: try again later", RetryAfter: pause}
	}
	return nil
}

// record appends a change to the log. It returns when the change is durable.
func (i *Issuer) record(ctx context.Context, c store.Change) error {
	if c.IfAuth < 0 || c.IfAuth == 0 && isDecision(c.Events[0].Type) {
		return errors.New("the authorization counter of the database is not positive") // zero would mean any counter
	}
	ctx, stop := context.WithTimeout(ctx, recordTimeout)
	defer stop()
	return i.deps.Journal.Append(ctx, c)
}

func isDecision(t audit.Type) bool {
	switch t {
	case audit.IssueAllowed, audit.IssueDenied, audit.ConsoleAllowed, audit.ConsoleDenied:
		return true
	}
	return false
}

// unavailable is the refusal of a request that the gateway could not work on. The log has the reason.
func (i *Issuer) unavailable(ctx context.Context, doing string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: the caller has left: %w", doing, context.Cause(ctx))
	}
	i.deps.Log.Error("a request could not be worked on", "doing", doing, "error", err)
	if errors.Is(err, store.ErrBusy) {
		return &Refusal{Code: Busy, Text: "the gateway has too many requests: try again", RetryAfter: retrySoon}
	}
	return &Refusal{Code: Unavailable, Text: "the gateway's database cannot be used at the moment: try again", RetryAfter: retrySoon}
}
