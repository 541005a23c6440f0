package issue_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/internal/store"
)

func (w *world) try(account, role string) error {
	return w.Try(context.Background(), audit.Actor{Kind: "os", Name: "ops@host"}, "doctor", account, role)
}

func TestATryIsRecordedAndItsKeysDropped(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.try("222222222222", "rro")) // which no grant gives to anyone
	issues, err := w.db.Issues(t.Context(), store.IssueFilter{User: "doctor"})
	require.NoError(t, err)
	require.Len(t, issues, 1)
	assert.Equal(t, store.Withheld, issues[0].State)
	assert.NotEmpty(t, issues[0].Keys.ID)

	w.change(store.Freeze("keys leaked"))
	var refusal *issue.Refusal
	require.ErrorAs(t, w.try("222222222222", "rro"), &refusal)
	assert.Equal(t, issue.IsFrozen, refusal.Code)
	require.ErrorAs(t, w.try("999999999999", "rro"), &refusal)
	issues, err = w.db.Issues(t.Context(), store.IssueFilter{User: "doctor"})
	require.NoError(t, err)
	assert.Len(t, issues, 1)
}
