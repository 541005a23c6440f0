package issue_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/internal/store"
)

// TestUsersWhoAskTooOftenAreRefusedFirst checks that a request counts when it begins, and only with a right token.
func TestUsersWhoAskTooOftenAreRefusedFirst(t *testing.T) {
	var asked []string
	left := 2
	w := newWorld(t, func(d *issue.Deps) {
		d.Options.Admit = func(user string) time.Duration {
			asked = append(asked, user)
			if left--; left < 0 {
				return 3 * time.Second
			}
			return 0
		}
	})
	stranger := w.caller("ada")
	stranger.User = "bob"
	_, err := w.Keys(t.Context(), stranger, issue.Ask{Account: "sredev"})
	assert.Equal(t, issue.BadToken, w.refused(err).Code)
	_, err = w.Accounts(t.Context(), stranger)
	assert.Equal(t, issue.BadToken, w.refused(err).Code)
	assert.Empty(t, asked, "strangers use up no limit")

	w.journal.seen = func(n int, _ store.Change) {
		if n == 1 {
			w.change(store.AddGroup("other", time.Now())) // so the request is decided again
		}
	}
	_, err = w.Keys(t.Context(), w.caller("ada"), issue.Ask{Account: "sredev"})
	require.NoError(t, err)
	_, err = w.Accounts(t.Context(), w.caller("ada"))
	require.NoError(t, err)
	assert.Equal(t, []string{"ada", "ada"}, asked)

	before := len(w.events())
	_, err = w.Keys(t.Context(), w.caller("ada"), issue.Ask{Account: "sredev"})
	r := w.refused(err)
	assert.Equal(t, []any{issue.Busy, "ada", 3 * time.Second}, []any{r.Code, r.User, r.RetryAfter})
	_, err = w.Accounts(t.Context(), w.caller("ada"))
	assert.Equal(t, issue.Busy, w.refused(err).Code)
	assert.Len(t, w.events(), before, "one user cannot flood the log")
	assert.Len(t, w.sts.sessions(), 1)
}
