package portal_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/internal/portal"
	"github.com/chaim-go/chaim/gateway/internal/portal/portaltest"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/store/storetest"
)

func TestTheAuditLogIsReadBackwardsAndEachQueryIsRecorded(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := portaltest.NewOn(t, url)
		ctx, root := t.Context(), w.Caller(store.WebToken, "root")
		for range 3 {
			_, err := w.Credentials(ctx, w.Caller(store.CLIToken, "ada"), issue.Ask{Account: "shop", Role: "rro"})
			require.NoError(t, err)
		}
		q := portal.AuditQuery{Actor: "ada", Account: "111111111111", Page: portal.Page{Limit: 4}}
		first, err := w.Audit(ctx, root, q)
		require.NoError(t, err)
		require.Len(t, first.Entries, 4)
		q.Cursor = first.Next
		second, err := w.Audit(ctx, root, q)
		require.NoError(t, err)
		assert.Len(t, second.Entries, 2)
		assert.Empty(t, second.Next)
		all := append(first.Entries, second.Entries...)
		for i := 1; i < len(all); i++ {
			assert.True(t, all[i-1].Position.IsAfter(all[i].Position))
		}
		reads := w.Events(audit.AuditRead)
		require.Len(t, reads, 1, "one query, however many pages")
		assert.Equal(t, "root", reads[0].Actor.Name)
		assert.Equal(t, map[string]string{"actor": "ada", "account": "111111111111"}, reads[0].Details)

		q.Actor = "bob"
		_, err = w.Audit(ctx, root, q)
		assert.Equal(t, issue.Malformed, code(t, err), "the cursor of another query")
		q.Cursor = "9.0"
		_, err = w.Audit(ctx, root, q)
		assert.Equal(t, issue.Malformed, code(t, err), "a cursor that was made up would read without a record")
	})
}

func TestAuditFiltersByTypeAndTime(t *testing.T) {
	w := portaltest.New(t)
	_, err := w.Credentials(t.Context(), w.Caller(store.CLIToken, "ada"), issue.Ask{Account: "shop", Role: "rro"})
	require.NoError(t, err)
	root := w.Caller(store.WebToken, "root")
	for name, tt := range map[string]struct {
		query portal.AuditQuery
		want  int
	}{
		"type":    {portal.AuditQuery{Type: audit.IssueIssued}, 1},
		"before":  {portal.AuditQuery{Actor: "ada", Until: time.Now().Add(-time.Hour)}, 0},
		"after":   {portal.AuditQuery{Actor: "ada", Since: time.Now().Add(-time.Hour)}, 2},
		"hostile": {portal.AuditQuery{Actor: "' OR 1=1 --"}, 0},
	} {
		page, err := w.Audit(t.Context(), root, tt.query)
		require.NoError(t, err, name)
		assert.Len(t, page.Entries, tt.want, name)
	}
}

func TestAQueryThatCannotBeRecordedIsNotAnswered(t *testing.T) {
	w := portaltest.New(t)
	w.Change(store.RemoveMember("admins", "root"))
	_, err := w.Audit(t.Context(), w.Caller(store.WebToken, "root"), portal.AuditQuery{})
	assert.Equal(t, issue.NotAllowed, code(t, err))
}

func TestUsersSeeTheirOwnIssuesFromRequestToKeys(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := portaltest.NewOn(t, url)
		_, id, err := w.Console(t.Context(), w.Caller(store.WebToken, "ada"), issue.Ask{Account: "shop", Role: "rro"})
		require.NoError(t, err)
		entries, err := w.Issue(t.Context(), w.Caller(store.WebToken, "ada"), id)
		require.NoError(t, err)
		var types []audit.Type
		for _, e := range entries {
			types = append(types, e.Event.Type)
		}
		assert.Equal(t, []audit.Type{audit.IssueAllowed, audit.IssueIssued, audit.ConsoleAllowed}, types)
		assert.Equal(t, "1", entries[0].Event.Details["policy"])
		assert.Empty(t, w.Events(audit.AuditRead))

		_, err = w.Issue(t.Context(), w.Caller(store.WebToken, "bob"), id)
		assert.Equal(t, issue.NoRow, code(t, err))
		_, unknown := w.Issue(t.Context(), w.Caller(store.WebToken, "bob"), "iss_unknown")
		assert.Equal(t, err.Error(), unknown.Error(), "a user does not learn which issues there are")

		_, err = w.Issue(t.Context(), w.Caller(store.WebToken, "root"), id)
		require.NoError(t, err)
		assert.Len(t, w.Events(audit.AuditRead), 1, "an admin who looks at others is in the log")
	})
}

func TestTheChainIsComparedWithItsLastCheckpoint(t *testing.T) {
	var points []audit.Checkpoint
	var failure error
	w := portaltest.New(t, func(o *portal.Options) {
		o.Checkpoints = func() ([]audit.Checkpoint, error) { return points, failure }
	})
	root := w.Caller(store.WebToken, "root")
	head, err := w.DB.Head(t.Context())
	require.NoError(t, err)
	state, err := w.ChainState(t.Context(), root)
	require.NoError(t, err)
	assert.Equal(t, head.Seq, state.Seq)
	assert.Equal(t, head.Hash, state.Hash)
	assert.WithinDuration(t, time.Now(), state.At, time.Minute)
	assert.Zero(t, state.Checkpoint)

	points = []audit.Checkpoint{{Head: head, At: time.Now()}}
	state, err = w.ChainState(t.Context(), root)
	require.NoError(t, err)
	assert.Equal(t, head.Seq, state.Checkpoint)
	assert.Empty(t, state.Problem)

	points[0].Hash[0]++
	state, err = w.ChainState(t.Context(), root)
	require.NoError(t, err)
	assert.Contains(t, state.Problem, "is not the one of the checkpoint")

	failure = errors.New("CANARY")
	state, err = w.ChainState(t.Context(), root)
	require.NoError(t, err)
	assert.Contains(t, state.Problem, "cannot be read")
	assert.NotContains(t, state.Problem, "CANARY")
}
