package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/store/storetest"
)

func TestIssuesAreFound(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		db := storetest.Open(t, url)
		var all []store.Issue
		for i := range 6 {
			issue := newIssue()
			issue.At = now.Add(time.Duration(i) * time.Minute)
			issue.User = []string{"ann", "bob"}[i%2]
			issue.Account = fmt.Sprintf("%012d", i%3)
			require.NoError(t, apply(db, change(audit.IssueAllowed, store.Intend(issue))))
			all = append(all, issue)
		}
		all[4].State, all[4].Keys = store.Issued, store.IssuedKeys{ID: "ASIA4", ExpiresAt: now}
		require.NoError(t, apply(db, change(audit.IssueIssued, store.Finish(all[4].ID, store.Intent, store.Issued, all[4].Keys, ""))))
		for name, tc := range map[string]struct {
			filter store.IssueFilter
			want   []int
		}{
			"all":       {store.IssueFilter{}, []int{5, 4, 3, 2, 1, 0}},
			"a user":    {store.IssueFilter{User: "bob"}, []int{5, 3, 1}},
			"account":   {store.IssueFilter{Account: "000000000001"}, []int{4, 1}},
			"both":      {store.IssueFilter{User: "ann", Account: "000000000001"}, []int{4}},
			"a key":     {store.IssueFilter{KeyID: "ASIA4"}, []int{4}},
			"no key":    {store.IssueFilter{KeyID: "ASIA9"}, nil},
			"state":     {store.IssueFilter{State: store.Issued}, []int{4}},
			"times":     {store.IssueFilter{Since: now.Add(time.Minute), Until: now.Add(3 * time.Minute)}, []int{2, 1}},
			"limit":     {store.IssueFilter{Limit: 2}, []int{5, 4}},
			"injection": {store.IssueFilter{User: "ann' OR '1'='1"}, nil},
		} {
			got, err := db.Issues(ctx, tc.filter)
			require.NoError(t, err)
			var want []store.Issue
			for _, i := range tc.want {
				want = append(want, all[i])
			}
			assert.Equal(t, want, got, name)
		}
		old, err := db.OldIntents(ctx, now.Add(5*time.Minute))
		require.NoError(t, err)
		assert.Equal(t, []store.Issue{all[0], all[1], all[2], all[3]}, old)
		_, err = db.IssueByKey(ctx, "ASIA9")
		require.ErrorIs(t, err, store.ErrNotFound)
		_, err = db.Issue(ctx, "iss_none")
		require.ErrorIs(t, err, store.ErrNotFound)
	})
}

func TestEventsAreReadWithoutGaps(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		db := storetest.Open(t, url)
		const n = 2500 // more than two pages
		var changes []store.Change
		for i := range n {
			e := event(audit.IssueDenied)
			e.At, e.Account = now.Add(time.Duration(i)*time.Second), fmt.Sprintf("%012d", i%2)
			if i%5 == 0 {
				e.Type, e.Subject, e.Issue, e.Actor.Name = audit.IssueAllowed, "bob", "iss_5", "carl"
			}
			changes = append(changes, store.Change{Events: []audit.Event{e}})
		}
		for part := range 5 {
			_, err := db.Append(ctx, "test", changes[part*n/5:(part+1)*n/5]...)
			require.NoError(t, err)
		}
		all := allEvents(t, db, store.EventFilter{})
		require.Len(t, all, n)
		for i, e := range all {
			require.Equal(t, audit.Position{Seq: int64(i/(n/5) + 1), Idx: int64(i % (n / 5))}, e.Position)
		}
		for _, after := range []int{0, 499, 500, 1234, n - 1} {
			got := 0
			for e, err := range db.Events(ctx, all[after].Position, store.EventFilter{}) {
				require.NoError(t, err)
				require.True(t, e.IsAfter(all[after].Position))
				got++
			}
			assert.Equal(t, n-after-1, got)
		}
		for name, tc := range map[string]struct {
			filter store.EventFilter
			want   int
		}{
			"type":    {store.EventFilter{Type: audit.IssueAllowed}, n / 5},
			"actor":   {store.EventFilter{Actor: "carl"}, n / 5},
			"subject": {store.EventFilter{Subject: "bob"}, n / 5},
			"issue":   {store.EventFilter{Issue: "iss_5"}, n / 5},
			"account": {store.EventFilter{Account: "000000000001"}, n / 2},
			"both":    {store.EventFilter{Account: "000000000001", Actor: "carl"}, n / 10},
			"times":   {store.EventFilter{Since: now.Add(10 * time.Second), Until: now.Add(20 * time.Second)}, 10},
		} {
			assert.Len(t, allEvents(t, db, tc.filter), tc.want, name)
		}
		assert.Empty(t, findings(t, db))
	})
}
