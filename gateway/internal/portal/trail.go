package portal

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/internal/store"
)

// cursorPurpose keeps cursors apart from all else that is sealed.
const cursorPurpose = "audit cursor"

// maxOfIssue bounds the events of one issue that are shown. It has three of its own, and one for each console link.
const maxOfIssue = 500

// Audit returns a page of events of the log, the newest first. It is for admins. That a query was made is recorded before its
// first page is read; the cursor of a later page belongs to the query and the admin. A redacted event has its place only.
func (p *Portal) Audit(ctx context.Context, c issue.Caller, q AuditQuery) (AuditPage, error) {
	who, err := p.admin(ctx, c)
	if err != nil {
		return AuditPage{}, err
	}
	before, err := p.openCursor(who, q)
	if err != nil {
		return AuditPage{}, err
	}
	if q.Cursor == "" {
		if err := p.recordQuery(ctx, c, q); err != nil {
			return AuditPage{}, err
		}
	}
	n := limit(q.Limit)
	entries, err := p.deps.Store.NewestEvents(ctx, before, q.filter(), n+1)
	if err != nil {
		return AuditPage{}, p.unavailable(ctx, "reading the audit log", err)
	}
	var page AuditPage
	if len(entries) > n {
		entries = entries[:n]
		page.Next = p.sealCursor(who, q, entries[n-1].Position)
	}
	page.Entries, err = p.opened(ctx, entries)
	return page, err
}

func (q AuditQuery) filter() store.EventFilter {
	return store.EventFilter{
		Actor: q.Actor, Subject: q.Subject, Account: q.Account, Issue: q.Issue, Type: q.Type, Since: q.Since, Until: q.Until,
	}
}

// recordQuery records what an admin looks for.
func (p *Portal) recordQuery(ctx context.Context, c issue.Caller, q AuditQuery) error {
	details := map[string]string{"actor": typed(q.Actor), "account": typed(q.Account), "issue": typed(q.Issue), "type": typed(string(q.Type))}
	for name, at := range map[string]time.Time{"since": q.Since, "until": q.Until} {
		if !at.IsZero() {
			details[name] = at.UTC().Format(time.RFC3339)
		}
	}
	return p.change(ctx, c, func(who issue.Who) (store.Change, error) {
		if !p.IsAdmin(who) {
			return store.Change{}, refusal(issue.NotAllowed, who, "%s is not an admin of this gateway", who.User.Name)
		}
		return store.Change{Events: []audit.Event{event(audit.AuditRead, who, typed(q.Subject), details)}}, nil
	})
}

// Issue returns the events of one issue, the oldest first. Users see their own issues, and admins see all.
func (p *Portal) Issue(ctx context.Context, c issue.Caller, issueID string) ([]AuditEntry, error) {
	who, err := p.deps.Issuer.Authenticate(ctx, c)
	if err != nil {
		return nil, err
	}
	row, err := p.deps.Store.Issue(ctx, issueID)
	switch {
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return nil, p.unavailable(ctx, "reading an issue", err)
	case err != nil, row.User != who.User.Name && !p.IsAdmin(who):
		return nil, refusal(issue.NoRow, who, "there is no such issue, or it is not yours")
	}
	if row.User != who.User.Name {
		if err := p.recordQuery(ctx, c, AuditQuery{Issue: row.ID}); err != nil {
			return nil, err
		}
	}
	entries, err := p.deps.Store.NewestEvents(ctx, audit.Position{}, store.EventFilter{Issue: row.ID}, maxOfIssue)
	if err != nil {
		return nil, p.unavailable(ctx, "reading the audit log", err)
	}
	slices.Reverse(entries)
	return p.opened(ctx, entries)
}

// opened reads the bodies of entries.
func (p *Portal) opened(ctx context.Context, entries []audit.Entry) ([]AuditEntry, error) {
	found := make([]AuditEntry, 0, len(entries))
	for _, entry := range entries {
		one := AuditEntry{Position: entry.Position}
		if !entry.IsRedacted() {
			e, err := audit.ParseBody(entry.Body)
			if err != nil {
				return nil, p.unavailable(ctx, "reading event "+entry.Position.String(), err)
			}
			one.Event = e
		}
		found = append(found, one)
	}
	return found, nil
}

// ChainState says where the log ends, and whether it is the log of the last checkpoint. It is for admins.
func (p *Portal) ChainState(ctx context.Context, c issue.Caller) (ChainState, error) {
	if _, err := p.admin(ctx, c); err != nil {
		return ChainState{}, err
	}
	head, err := p.deps.Store.Head(ctx)
	if err != nil {
		return ChainState{}, p.unavailable(ctx, "reading the end of the audit log", err)
	}
	state := ChainState{Seq: head.Seq, Hash: head.Hash}
	if state.At, err = p.deps.Store.BatchTime(ctx, head.Seq); err != nil {
		return ChainState{}, p.unavailable(ctx, "reading the end of the audit log", err)
	}
	if p.deps.Options.Checkpoints == nil {
		return state, nil
	}
	points, err := p.deps.Options.Checkpoints()
	if err != nil {
		p.deps.Log.Error("the checkpoints cannot be read", "error", err)
		state.Problem = "the checkpoints cannot be read: an operator finds the reason in the log of the gateway"
		return state, nil
	}
	if len(points) == 0 {
		return state, nil
	}
	state.Checkpoint = points[len(points)-1].Seq
	var fork *audit.ForkError
	switch err := p.deps.Store.CheckFork(ctx, points); {
	case errors.As(err, &fork):
		state.Problem = fork.Error()
	case err != nil:
		return ChainState{}, p.unavailable(ctx, "comparing the audit log with its checkpoint", err)
	}
	return state, nil
}

// sealCursor returns the cursor of the page after a position. Without the ring it cannot be made, so no page is read without
// the record of its query.
func (p *Portal) sealCursor(who issue.Who, q AuditQuery, last audit.Position) string {
	return p.deps.Ring.Ring().Seal(cursorPurpose, []byte(last.String()+" "+q.digest(who)))
}

// openCursor returns the position before which a page is.
func (p *Portal) openCursor(who issue.Who, q AuditQuery) (audit.Position, error) {
	if q.Cursor == "" {
		return audit.Position{}, nil
	}
	plain, err := p.deps.Ring.Ring().Unseal(cursorPurpose, q.Cursor)
	if err != nil {
		return audit.Position{}, badCursor(who)
	}
	position, digest, _ := strings.Cut(string(plain), " ")
	last, err := audit.ParsePosition(position)
	if err != nil || digest != q.digest(who) {
		return audit.Position{}, badCursor(who)
	}
	return last, nil
}

// digest is the same for the pages of one query of one admin.
func (q AuditQuery) digest(who issue.Who) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q %q %q %d %d", who.User.Name, q.Actor, q.Subject, q.Account, q.Issue, q.Type,
		q.Since.UnixMicro(), q.Until.UnixMicro()))
	return hex.EncodeToString(sum[:])
}
