package promise

import (
	"context"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/gateway/internal/store/storetest"
)

// fleet is three replicas behind a balancer, whose clients are those of the library chaim.
type fleet struct {
	replicas []*gateway
	front    *httptest.Server
	sts      *stsDouble
	work     sync.WaitGroup
	stop     context.CancelFunc
	asked    atomic.Int64
	mu       sync.Mutex
	failures []error
}

// startFleet starts the replicas and 50 clients.
func startFleet(t *testing.T) *fleet {
	g := makeGateway(t, storetest.Postgres(t))
	f := &fleet{sts: startSTS(t, newWitness(t, g.database))}
	for range 3 {
		r := *g
		r.sts, r.url, r.admin = f.sts.URL, "http://"+freeAddress(t)+"/", "http://"+freeAddress(t)+"/"
		r.start(t)
		f.replicas = append(f.replicas, &r)
	}
	f.front = httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "http", "replica" },
		Transport: &http.Transport{DialContext: f.dial, DisableKeepAlives: true},
		ErrorLog:  log.New(io.Discard, "", 0),
	})
	t.Cleanup(f.front.Close)
	ctx, stop := context.WithCancel(t.Context())
	f.stop = stop
	for _, l := range g.users {
		f.work.Go(func() { f.ask(ctx, l) })
	}
	t.Cleanup(f.end)
	return f
}

// dial connects to the next replica that takes the connection.
func (f *fleet) dial(ctx context.Context, network, _ string) (conn net.Conn, err error) {
	first := rand.IntN(len(f.replicas))
	for i := range f.replicas {
		var d net.Dialer
		if conn, err = d.DialContext(ctx, network, hostOf(f.replicas[(first+i)%len(f.replicas)].url)); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// ask asks for keys again and again.
func (f *fleet) ask(ctx context.Context, l login) {
	broker := &chaim.Gateway{Settings: chaim.Settings{Endpoint: f.front.URL, Username: l.user, UserToken: l.token}}
	for ctx.Err() == nil {
		_, err := broker.Keys(ctx, chaim.Request{Account: "sredev", Role: "rro", Duration: time.Hour})
		if f.asked.Add(1); err != nil && ctx.Err() == nil {
			f.mu.Lock()
			f.failures = append(f.failures, err)
			f.mu.Unlock()
		}
		pause(ctx, rand.N(20*time.Millisecond))
	}
}

func (f *fleet) end() {
	f.stop()
	f.work.Wait()
}

// judge checks that no request failed and that the log is whole.
func (f *fleet) judge(t *testing.T) {
	f.end()
	assert.Empty(t, f.failures)
	rec, err := f.sts.witness.read(t.Context())
	require.NoError(t, err)
	handed, unproven := f.sts.given()
	assert.Empty(t, unproven, "STS was asked for keys without a durable record")
	verify(t, f.replicas[0])
	t.Logf("%d requests, %d failed; STS made %d keys, %d were recorded as issued", f.asked.Load(), len(f.failures), len(handed), len(rec.issued))
}

// TestOneOfThreeReplicasIsKilledAtAnyTime kills one each second. A client gives up after three attempts, so it must not meet
// three kills in a row.
func TestOneOfThreeReplicasIsKilledAtAnyTime(t *testing.T) {
	f := startFleet(t)
	for range kills(t) / 2 {
		r := f.replicas[rand.IntN(len(f.replicas))]
		pause(t.Context(), 500*time.Millisecond+rand.N(time.Second))
		r.kill()
		pause(t.Context(), rand.N(300*time.Millisecond))
		r.start(t)
	}
	f.judge(t)
}

func TestReplicasAreRestartedOneAfterTheOther(t *testing.T) {
	f := startFleet(t)
	for _, r := range append(f.replicas, f.replicas...) {
		r.end(t)
		r.start(t)
	}
	f.judge(t)
}
