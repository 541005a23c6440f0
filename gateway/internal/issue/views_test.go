package issue_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/store/storetest"
)

// panicky is a store whose first look at the database panics, as a parser of policies may.
type panicky struct {
	issue.Store
	looks int
}

func (p *panicky) View(ctx context.Context) (*store.View, error) {
	if p.looks++; p.looks == 1 {
		panic("CANARY")
	}
	return p.Store.View(ctx)
}

// TestAPanicOfOneLookDoesNotStopTheOthers matters because a server recovers from a panic of one request.
func TestAPanicOfOneLookDoesNotStopTheOthers(t *testing.T) {
	url := storetest.SQLite(t)
	synctest.Test(t, func(t *testing.T) {
		w := newWorldOn(t, url, func(d *issue.Deps) { d.Store = &panicky{Store: d.Store} })
		assert.Panics(t, func() { _, _ = w.Keys(t.Context(), w.caller("ada"), issue.Ask{Account: "sredev"}) })
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		_, err := w.Keys(ctx, w.caller("ada"), issue.Ask{Account: "sredev"})
		require.NoError(t, err)
	})
}
