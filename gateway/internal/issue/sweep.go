package issue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/store"
)

const (
	sweepPause = 30 * time.Second
	// maxIntent is longer than any issue takes.
	maxIntent = 2 * time.Minute
	// failuresPause is the time between two records of refused tokens.
	failuresPause = time.Minute
)

// Run does the regular work until ctx ends: it ends intents that were left without an end, and records how many tokens were
// refused. Call it once. Several replicas may run at once.
func (i *Issuer) Run(ctx context.Context) {
	sweep, record := time.NewTicker(sweepPause), time.NewTicker(failuresPause)
	defer sweep.Stop()
	defer record.Stop()
	i.sweepOrLog(ctx)
	for {
		select {
		case <-sweep.C:
			i.sweepOrLog(ctx)
		case <-record.C:
			i.recordFailures(ctx)
		case <-ctx.Done():
			i.recordFailures(context.WithoutCancel(ctx))
			return
		}
	}
}

func (i *Issuer) sweepOrLog(ctx context.Context) {
	if _, err := i.Sweep(ctx); err != nil && ctx.Err() == nil {
		i.deps.Log.Error("issues without an end could not be ended", "error", err)
	}
}

// Sweep ends the intents that are older than two minutes: a process died, or the database was away. Nothing is known of their
// keys. It returns how many it has ended.
func (i *Issuer) Sweep(ctx context.Context) (n int, err error) {
	old, err := i.deps.Store.OldIntents(ctx, time.Now().Add(-maxIntent))
	if err != nil {
		return 0, fmt.Errorf("looking for issues without an end: %w", err)
	}
	const why = "the process that asked for the keys left no end"
	for _, row := range old {
		e := audit.Event{
			Type: audit.IssueUnknown, At: time.Now(), Actor: i.self(), Subject: row.User, Account: row.Account, Issue: row.ID,
			Details: map[string]string{"error": why, "role_arn": row.RoleARN},
		}
		err := i.end(ctx, e, row.ID, store.Intent, store.Unknown, store.IssuedKeys{})
		switch {
		case err == nil:
			n++
			i.deps.Log.Warn("an issue had no end: AWS may have made keys", "issue", row.ID, "user", row.User, "account", row.Account)
		case !errors.Is(err, store.ErrConflict): // another replica has ended it
			return n, fmt.Errorf("ending issue %s: %w", row.ID, err)
		}
	}
	return n, nil
}

// self is the gateway as an actor.
func (i *Issuer) self() audit.Actor {
	return audit.Actor{Kind: "gateway", Name: i.deps.Options.Replica}
}

// recordFailures records how many tokens were refused since the last time, if there are any.
func (i *Issuer) recordFailures(ctx context.Context) {
	counts := i.failures.take()
	if len(counts) == 0 {
		return
	}
	e := audit.Event{Type: audit.AuthFailed, At: time.Now(), Actor: i.self(), Details: map[string]string{}}
	total := 0
	for code, n := range counts {
		e.Details[string(code)] = strconv.Itoa(n)
		total += n
	}
	e.Details["count"] = strconv.Itoa(total)
	if err := i.record(ctx, store.Change{Events: []audit.Event{e}}); err != nil {
		i.failures.giveBack(counts)
		i.deps.Log.Error("refused tokens could not be recorded", "count", total, "error", err)
	}
}
