package issue

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/ids"
	"github.com/chaim-go/chaim/gateway/internal/store"
)

// intend gives an allowed request its id, and records it. When it returns nil, STS may be asked.
func (i *Issuer) intend(ctx context.Context, v *view, who asker, d *decision) error {
	d.terms.issue = ids.New("iss")
	start := time.Now()
	// If the caller leaves now, it must still be known whether this was stored.
	err := i.record(context.WithoutCancel(ctx), store.Change{
		Events: []audit.Event{d.event(audit.IssueAllowed, who)},
		Effects: []store.Effect{store.Intend(store.Issue{
			ID: d.terms.issue, User: who.user.Name, Account: d.account.ID, RoleARN: d.terms.roleARN,
			State: store.Intent, At: start, Origin: store.Origin{Token: who.actor.Token, IP: who.actor.IP, Agent: who.actor.Agent},
		})},
		IfAuth: v.Auth,
	})
	if hook := i.deps.Hooks.Appended; hook != nil && err == nil {
		hook(time.Since(start), true)
	}
	return err
}

// lend gets the keys of an intent, and records them before it returns them. It goes on if ctx ends.
func (i *Issuer) lend(ctx context.Context, who asker, d decision) (Grant, error) {
	work := context.WithoutCancel(ctx)
	if ctx.Err() != nil {
		_ = i.endWithout(work, who, d, &STSError{Cause: NotAsked, Text: "the caller left before STS was asked"})
		return Grant{}, i.unavailable(ctx, "getting keys", ctx.Err())
	}
	lent, err := i.assume(work, who, d)
	if err != nil {
		return Grant{}, i.endWithout(work, who, d, err)
	}
	if ctx.Err() != nil {
		i.withhold(work, who, d, keysOf(lent), "the caller left before the keys came")
		return Grant{}, i.unavailable(ctx, "getting keys", ctx.Err())
	}
	link := i.startLink(work, d, lent)
	defer link.stop()
	e := d.event(audit.IssueIssued, who)
	e.Details["key_id"], e.Details["expires"] = lent.Keys.AccessKeyID, lent.Keys.Expires.UTC().Format(time.RFC3339)
	start := time.Now()
	if err := i.end(work, e, d.terms.issue, store.Intent, store.Issued, keysOf(lent)); err != nil {
		i.withhold(work, who, d, keysOf(lent), "that the keys were made could not be recorded")
		return Grant{}, i.unavailable(ctx, "recording that keys were made", err)
	}
	if hook := i.deps.Hooks.Appended; hook != nil {
		hook(time.Since(start), false)
	}
	return Grant{
		Issue: d.terms.issue, AccountID: d.account.ID, AccountName: d.account.Name, Role: d.role.Alias, Keys: lent.Keys,
		URL: link.wait(), Lifetime: d.terms.lifetime, Cap: d.terms.cap,
	}, nil
}

// assume asks STS.
func (i *Issuer) assume(ctx context.Context, who asker, d decision) (Lent, *STSError) {
	ctx, stop := context.WithTimeout(ctx, stsTimeout)
	defer stop()
	start := time.Now()
	lent, err := i.deps.STS.Assume(ctx, Session{
		RoleARN: d.terms.roleARN, SourceIdentity: who.user.SourceIdentity, User: who.user.Name, Issue: d.terms.issue,
		Lifetime: d.terms.lifetime, Until: d.terms.until,
	})
	var failure *STSError
	if err != nil && !errors.As(err, &failure) {
		failure = &STSError{Cause: Away, Text: "AWS STS could not be asked: try again", MayHaveKeys: true}
	}
	if hook := i.deps.Hooks.STS; hook != nil {
		var cause Cause
		if failure != nil {
			cause = failure.Cause
		}
		hook(time.Since(start), cause)
	}
	return lent, failure
}

// endWithout ends an intent for which there are no keys to lend, and returns why. If that cannot be recorded, the sweep ends it.
func (i *Issuer) endWithout(ctx context.Context, who asker, d decision, failure *STSError) error {
	if failure.Dropped.ID != "" {
		i.withhold(ctx, who, d, failure.Dropped, failure.Text)
	} else {
		i.endWithoutKeys(ctx, who, d, failure)
	}
	r := &Refusal{Code: failure.code(), User: who.user.Name, Text: failure.Text}
	if r.Code == Busy || r.Code == Unavailable {
		r.RetryAfter = max(failure.RetryAfter, retrySoon)
	}
	return r
}

// endWithoutKeys records that STS made no keys, or that it is not known.
func (i *Issuer) endWithoutKeys(ctx context.Context, who asker, d decision, failure *STSError) {
	kind, state := audit.IssueFailed, store.Failed
	if failure.MayHaveKeys {
		kind, state = audit.IssueUnknown, store.Unknown
	}
	e := d.event(kind, who)
	e.Details["error"], e.Details["cause"] = failure.Text, string(failure.Cause)
	change := store.Change{
		Events:  []audit.Event{e},
		Effects: []store.Effect{store.Finish(d.terms.issue, store.Intent, state, store.IssuedKeys{}, failure.Text)},
	}
	if err := i.record(ctx, change); err != nil {
		i.deps.Log.Error("the end of an issue could not be recorded", "issue", d.terms.issue, "state", state, "error", err)
	} else {
		i.ended(state)
	}
}

// withhold drops keys, and records that they were not answered. If that cannot be recorded, the intent stands and the sweep
// ends it.
func (i *Issuer) withhold(ctx context.Context, who asker, d decision, keys store.IssuedKeys, why string) {
	e := d.event(audit.IssueWithheld, who)
	e.Details["key_id"], e.Details["error"] = keys.ID, why
	e.Details["expires"] = keys.ExpiresAt.UTC().Format(time.RFC3339)
	err := store.ErrConflict
	// That they were issued may have been recorded after all, or a sweep came first.
	for _, from := range []store.State{store.Intent, store.Issued, store.Unknown} {
		if errors.Is(err, store.ErrConflict) {
			err = i.end(ctx, e, d.terms.issue, from, store.Withheld, keys)
		}
	}
	if err != nil {
		i.deps.Log.Error("keys were withheld, and that could not be recorded", "issue", d.terms.issue, "why", why, "error", err)
	}
}

// end records the end of an issue that has keys.
func (i *Issuer) end(ctx context.Context, e audit.Event, issue string, from, to store.State, keys store.IssuedKeys) error {
	err := i.record(ctx, store.Change{
		Events: []audit.Event{e}, Effects: []store.Effect{store.Finish(issue, from, to, keys, e.Details["error"])},
	})
	if err == nil {
		i.ended(to)
	}
	return err
}

func (i *Issuer) ended(s store.State) {
	if hook := i.deps.Hooks.Ended; hook != nil {
		hook(s)
	}
}

func keysOf(lent Lent) store.IssuedKeys {
	return store.IssuedKeys{ID: lent.Keys.AccessKeyID, ExpiresAt: lent.Keys.Expires, Chained: lent.Chained}
}

// pendingLink is a console link that is being made. Its goroutine ends with stop.
type pendingLink struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when url is set
	url    string
}

// startLink begins to make a console link, if one was asked for and may be made.
func (i *Issuer) startLink(ctx context.Context, d decision, lent Lent) *pendingLink {
	ctx, cancel := context.WithTimeout(ctx, linkTimeout)
	p := &pendingLink{cancel: cancel, done: make(chan struct{})}
	if !d.ask.WantsURL || !d.role.Console || i.deps.Links == nil {
		close(p.done)
		return p
	}
	go func() {
		defer close(p.done)
		defer func() { // else a panic here would end the process, and with it the requests of all
			if thrown := recover(); thrown != nil { // its value may hold a secret
				i.deps.Log.Error("making a console link panicked", "issue", d.terms.issue, "type", fmt.Sprintf("%T", thrown),
					"stack", string(debug.Stack()))
			}
		}()
		url, err := i.deps.Links(ctx, d.terms.roleARN, lent.Keys)
		if err != nil {
			i.deps.Log.Info("there is no console link", "issue", d.terms.issue, "error", err)
			return
		}
		p.url = url
	}()
	return p
}

// wait returns the link, or "" if it could not be had in time.
func (p *pendingLink) wait() string {
	<-p.done
	return p.url
}

// stop ends the work on the link, and waits for its goroutine.
func (p *pendingLink) stop() {
	p.cancel()
	<-p.done
}
