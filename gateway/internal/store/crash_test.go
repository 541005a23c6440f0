package store_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/ids"
	"github.com/chaim-go/chaim/gateway/internal/journal"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/store/storetest"
)

// childVar names the job of a process that a test starts, and its database.
const childVar = "CHAIM_TEST_CHILD"

var children = map[string]func(url string) error{"write": writeUntilKilled}

func TestMain(m *testing.M) {
	job, url, isChild := strings.Cut(os.Getenv(childVar), " ")
	if !isChild {
		os.Exit(m.Run())
	}
	if err := children[job](url); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// child is a command that does a job in a process of its own.
func child(t *testing.T, job, url string) *exec.Cmd {
	self, err := os.Executable()
	require.NoError(t, err)
	c := exec.Command(self)
	c.Env = append(os.Environ(), childVar+"="+job+" "+url)
	return c
}

// writeUntilKilled issues as a gateway does, and prints what it was told to be durable.
func writeUntilKilled(url string) error {
	db, err := store.Open(ctx, url)
	if err != nil {
		return err
	}
	j := journal.New(db, journal.Options{Writer: fmt.Sprint("pid ", os.Getpid())})
	var out sync.Mutex
	say := func(what, id string) {
		out.Lock()
		defer out.Unlock()
		fmt.Println(what, id)
	}
	for range 8 {
		go func() {
			for {
				i := newIssue()
				if j.Append(ctx, issueChange(audit.IssueAllowed, i.ID, store.Intend(i))) != nil {
					continue
				}
				say("allowed", i.ID)
				keys := store.IssuedKeys{ID: ids.New("key"), ExpiresAt: now}
				if j.Append(ctx, issueChange(audit.IssueIssued, i.ID, store.Finish(i.ID, store.Intent, store.Issued, keys, ""))) == nil {
					say("issued", i.ID)
				}
			}
		}()
	}
	select {}
}

func issueChange(t audit.Type, issue string, effects ...store.Effect) store.Change {
	c := change(t, effects...)
	c.Events[0].Issue = issue
	return c
}

// killed starts a process that writes, kills it after a while, and returns what it said.
func killed(t *testing.T, url string) (said []string) {
	c := child(t, "write", url)
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	c.Stderr = os.Stderr
	require.NoError(t, c.Start())
	lines := bufio.NewScanner(out)
	after := time.Duration(rand.IntN(200)) * time.Millisecond
	for lines.Scan() {
		if len(said) == 0 {
			time.AfterFunc(after, func() { _ = c.Process.Kill() })
		}
		said = append(said, lines.Text())
	}
	assert.Error(t, c.Wait(), "it was killed")
	return said
}

// checkIssues compares the table of issues with the log, and both with what writers were told.
func checkIssues(t *testing.T, db *store.DB, said []string) {
	require.Empty(t, findings(t, db))
	inLog := map[string]bool{}
	for _, e := range allEvents(t, db, store.EventFilter{}) {
		inLog[fmt.Sprint(e.Type, " ", e.Issue)] = true
	}
	issues, err := db.Issues(ctx, store.IssueFilter{})
	require.NoError(t, err)
	inTable := map[string]bool{}
	for _, i := range issues {
		inTable["issue.allowed "+i.ID] = true
		if i.State == store.Issued {
			inTable["issue.issued "+i.ID] = true
		}
	}
	assert.Equal(t, inLog, inTable, "a change is there in part")
	for _, line := range said {
		assert.True(t, inLog["issue."+line], "%s is missing", line)
	}
}

func TestKilledWritersLeaveAWholeLog(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		var mu sync.Mutex
		var said []string
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 5 {
					lines := killed(t, url)
					mu.Lock()
					said = append(said, lines...)
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		require.NotEmpty(t, said)
		checkIssues(t, storetest.Open(t, url), said)
		t.Logf("%d lines", len(said))
	})
}

// TestNoDecisionIsStale lets eight replicas issue to a person who is disabled and enabled all the time.
func TestNoDecisionIsStale(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		admin := storetest.Open(t, url)
		require.NoError(t, apply(admin, raising(audit.UserAdded, store.AddUser(store.User{Name: "ann", SourceIdentity: "ann"}))))
		running, stop := context.WithCancel(ctx)
		var wg sync.WaitGroup
		var mu sync.Mutex
		allowed, stale := 0, 0
		for n := range 8 {
			db := storetest.Open(t, url)
			wg.Go(func() {
				a, s := replica(t, running, db, fmt.Sprint("replica-", n))
				mu.Lock()
				defer mu.Unlock()
				allowed, stale = allowed+a, stale+s
			})
		}
		for n := range 60 {
			what := []audit.Type{audit.UserDisabled, audit.UserEnabled}[n%2]
			c := raising(what, store.SetDisabled("ann", n%2 == 0))
			var err error
			for err = apply(admin, c); err != nil && !errors.Is(err, store.ErrConflict); err = apply(admin, c) {
				t.Log(err) // eight writers keep a SQLite file busy
			}
			require.NoError(t, err)
		}
		stop()
		wg.Wait()
		assert.Positive(t, allowed)
		assert.Positive(t, stale)
		t.Logf("%d allowed, %d decided again", allowed, stale)

		isDisabled := false
		var inLog, inTable []string
		for _, e := range allEvents(t, admin, store.EventFilter{}) {
			if e.Type == audit.IssueAllowed || e.Type == audit.IssueFailed {
				inLog = append(inLog, e.Issue)
			}
			switch e.Type {
			case audit.UserDisabled:
				isDisabled = true
			case audit.UserEnabled:
				isDisabled = false
			case audit.IssueAllowed:
				require.False(t, isDisabled, "event %s was decided by an old view", e.Position)
			}
		}
		issues, err := admin.Issues(ctx, store.IssueFilter{})
		require.NoError(t, err)
		for _, i := range issues {
			inTable = append(inTable, i.ID)
		}
		slices.Sort(inLog)
		slices.Sort(inTable)
		assert.True(t, slices.Equal(inLog, inTable), "an effect stayed without its event, or the other way round")
		assert.Empty(t, findings(t, admin))
	})
}

// replica issues as long as ctx lasts. It counts what was allowed and what it had to decide again. Another change, which no
// counter makes stale, shares each transaction.
func replica(t *testing.T, ctx context.Context, db *store.DB, name string) (allowed, stale int) {
	v, err := db.View(context.Background())
	if !assert.NoError(t, err) {
		return
	}
	for ctx.Err() == nil {
		i := newIssue()
		c := issueChange(audit.IssueAllowed, i.ID, store.Intend(i))
		if v.Users["ann"].Disabled {
			c = issueChange(audit.IssueDenied, i.ID)
		}
		c.IfAuth = v.Auth
		other := newIssue()
		results, _ := db.Append(context.Background(), name, c, issueChange(audit.IssueFailed, other.ID, store.Intend(other)))
		if !assert.NotErrorIs(t, results[1], store.ErrStale) || !assert.NotErrorIs(t, results[1], store.ErrConflict) {
			return
		}
		switch err := results[0]; {
		case err == nil && c.Events[0].Type == audit.IssueAllowed:
			allowed++
		case errors.Is(err, store.ErrStale):
			stale++
			if v, err = db.View(context.Background()); !assert.NoError(t, err) {
				return
			}
		}
	}
	return allowed, stale
}
