// Package promise tests what the gateway promises: no key without a record, whatever is killed or cut.
package promise

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/store/storetest"
)

// kills is how often the gateway is killed. The variable CHAIM_KILLS says another number.
func kills(t *testing.T) int {
	text := os.Getenv("CHAIM_KILLS")
	if text == "" {
		return 15
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return n
}

func TestKilledGatewayOnSQLite(t *testing.T) { killGateway(t, "") }

func TestKilledGatewayOnPostgreSQL(t *testing.T) { killGateway(t, storetest.Postgres(t)) }

// killGateway kills the gateway at random moments, while 50 clients ask for keys.
func killGateway(t *testing.T, database string) {
	g := makeGateway(t, database)
	w := newWitness(t, g.database)
	sts := startSTS(t, w)
	g.sts = sts.URL
	clients := gather(t, g, w)
	n := kills(t)
	for range n {
		g.start(t)
		pause(t.Context(), 2*time.Millisecond+rand.N(500*time.Millisecond))
		g.kill()
	}
	clients.disperse()
	judge(t, g, sts, clients)
}

// judge compares what STS and the clients know with the log.
func judge(t *testing.T, g *replica, sts *stsDouble, clients *crowd) {
	rec, err := sts.witness.read(t.Context())
	require.NoError(t, err)
	handed, unproven := sts.given()
	assert.Empty(t, unproven, "STS was asked for keys without a durable record")
	for id, issue := range handed {
		assert.NotZero(t, rec.allowed[issue], "STS made %s without a record", id)
	}
	assert.Empty(t, clients.unproven, "keys were answered before their record was durable")
	for _, id := range clients.answered {
		issue := rec.keyOf[id]
		require.NotEmpty(t, issue, "%s was answered without a record", id)
		assert.Less(t, rec.allowed[issue], rec.issued[issue])
		assert.Equal(t, issue, handed[id])
	}
	assert.NotEmpty(t, clients.answered)
	verify(t, g.database)
	t.Logf("STS made %d keys, %d issues were allowed, %d issued, %d keys answered; other answers: %v",
		len(handed), len(rec.allowed), len(rec.issued), len(clients.answered), clients.refused)
}

// verify computes the chain of the log anew.
func verify(t *testing.T, database string) {
	db, err := store.Open(t.Context(), database)
	require.NoError(t, err)
	defer db.Close()
	snapshot, err := db.Snapshot(t.Context())
	require.NoError(t, err)
	defer snapshot.Close()
	head, err := audit.Verify(audit.Log{
		GatewayID: db.ID(), Batches: snapshot.AllBatches(t.Context()), Events: snapshot.AllEvents(t.Context()),
	}, func(f audit.Finding) { assert.Fail(t, "the log is not whole", f.String()) })
	require.NoError(t, err)
	assert.Positive(t, head.Seq)
}
