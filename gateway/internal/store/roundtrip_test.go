package store_test

import (
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/store/storetest"
)

// line is the way to a server. It counts the round trips of transactions: those that begin one, or that one waits for.
type line struct{ trips atomic.Int64 }

// during returns the number of round trips while something is done.
func (l *line) during(do func()) int64 {
	before := l.trips.Load()
	do()
	return l.trips.Load() - before
}

// ask hands on what a client says.
func (l *line) ask(server, client net.Conn) {
	defer server.Close()
	_, _ = io.Copy(server, client)
}

// answer hands on what a server says. The server says in which state it is at the end of each round trip.
func (l *line) answer(client, server net.Conn) {
	defer client.Close()
	said := pgproto3.NewFrontend(server, nil)
	isOpen := false // a transaction
	for {
		m, err := said.Receive()
		if err != nil {
			return
		}
		if ready, ok := m.(*pgproto3.ReadyForQuery); ok {
			wasOpen := isOpen
			if isOpen = ready.TxStatus != 'I'; isOpen || wasOpen {
				l.trips.Add(1)
			}
		}
		text, err := m.Encode(nil)
		if err != nil {
			return
		}
		if _, err := client.Write(text); err != nil {
			return
		}
	}
}

// newLine returns a line to the server of a database, and the URL of the database at its other end.
func newLine(t *testing.T, rawURL string) (l *line, atEnd string) {
	cfg, err := pgx.ParseConfig(rawURL)
	require.NoError(t, err)
	network, address := pgconn.NetworkAddress(cfg.Host, cfg.Port)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l = &line{}
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait)
	t.Cleanup(func() { require.NoError(t, listener.Close()) })
	wg.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial(network, address)
			if !assert.NoError(t, err) {
				_ = client.Close()
				return
			}
			wg.Go(func() { l.ask(server, client) })
			wg.Go(func() { l.answer(client, server) })
		}
	})
	u, err := url.Parse(rawURL)
	require.NoError(t, err)
	u.Host = listener.Addr().String()
	q := u.Query()
	q.Del("host")
	q.Del("port")
	q.Set("sslmode", "disable")
	u.RawQuery = q.Encode()
	return l, u.String()
}

// TestAnAppendOnPostgresTakesTwoRoundTrips: each one more is time during which all writers wait for the lock of the log.
func TestAnAppendOnPostgresTakesTwoRoundTrips(t *testing.T) {
	direct := storetest.Postgres(t)
	l, url := newLine(t, direct)
	db, other := storetest.Open(t, url), storetest.Open(t, direct)
	issue := func() store.Change { return change(audit.IssueAllowed, store.Intend(newIssue())) }
	appended := func(changes ...store.Change) (results []error) {
		results, _ = db.Append(ctx, "test", changes...)
		return results
	}
	require.NoError(t, apply(db, issue())) // connects and prepares the statements
	auth, err := db.Auth(ctx)
	require.NoError(t, err)
	fresh := func(auth int64) store.Change {
		c := issue()
		c.IfAuth = auth
		return c
	}

	assert.EqualValues(t, 2, l.during(func() { assert.Equal(t, []error{nil}, appended(fresh(auth))) }), "one change")
	assert.EqualValues(t, 2, l.during(func() { assert.Equal(t, []error{nil, nil, nil}, appended(issue(), fresh(auth), issue())) }), "several")
	again := issue()
	require.NoError(t, apply(db, again))
	assert.EqualValues(t, 2, l.during(func() { assert.Equal(t, []error{store.ErrConflict, nil}, appended(again, issue())) }), "a conflict")
	require.NoError(t, apply(other, issue()))
	assert.EqualValues(t, 2, l.during(func() { assert.Equal(t, []error{nil}, appended(fresh(auth))) }), "after another replica")
	require.NoError(t, apply(other, raising(audit.GroupAdded, store.AddGroup("g", now))))
	assert.EqualValues(t, 5, l.during(func() { // begin and roll back, then begin, run the effects and commit
		assert.Equal(t, []error{store.ErrStale, nil}, appended(fresh(auth), fresh(auth+1)))
	}), "after another replica has raised the counter")
	assert.EqualValues(t, 2, l.during(func() { assert.Equal(t, []error{nil}, appended(fresh(auth+1))) }), "after that")
	assert.Empty(t, findings(t, other))
}
