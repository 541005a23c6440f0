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
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/gateway/internal/store/storetest"
)

// fleet is replicas behind a balancer, whose clients are those of the library chaim.
type fleet struct {
	replicas []*replica
	front    *httptest.Server
	sts      *stsDouble
	work     sync.WaitGroup
	stop     context.CancelFunc

	mu       sync.Mutex
	asked    int
	failures []error
}

// startFleet starts three replicas and a client for each user.
func startFleet(t *testing.T, g gateway, program ...string) *fleet {
	f := &fleet{sts: startSTS(t, newWitness(t, g.database))}
	g.sts = f.sts.URL
	for range 3 {
		r := newReplica(t, g)
		r.program = program
		r.start(t)
		f.replicas = append(f.replicas, r)
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
		if ctx.Err() == nil {
			f.note(err)
		}
		pause(ctx, rand.N(20*time.Millisecond))
	}
}

// note counts a request, and keeps why it failed.
func (f *fleet) note(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.asked++; err != nil {
		f.failures = append(f.failures, err)
	}
}

// take returns how many requests there were since it was last called, and why some failed.
func (f *fleet) take() (asked int, failures []error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	asked, failures = f.asked, f.failures
	f.asked, f.failures = 0, nil
	return asked, failures
}

// restart ends the processes of the replicas one after the other and starts new ones, of that program.
func (f *fleet) restart(t *testing.T, program ...string) {
	for _, r := range f.replicas {
		r.end(t)
		r.program = program
		r.start(t)
	}
}

func (f *fleet) end() {
	f.stop()
	f.work.Wait()
}

// judge checks that no request failed since the last call of take, and that the log is whole.
func (f *fleet) judge(t *testing.T) {
	f.end()
	asked, failures := f.take()
	assert.Empty(t, failures)
	rec, err := f.sts.witness.read(t.Context())
	require.NoError(t, err)
	handed, unproven := f.sts.given()
	assert.Empty(t, unproven, "STS was asked for keys without a durable record")
	verify(t, f.replicas[0].database)
	t.Logf("%d requests, %d failed; STS made %d keys, %d were recorded as issued", asked, len(failures), len(handed), len(rec.issued))
}

// TestOneOfThreeReplicasIsKilledAtAnyTime kills one each second. A client gives up after three attempts, so it must not meet
// three kills in a row.
func TestOneOfThreeReplicasIsKilledAtAnyTime(t *testing.T) {
	f := startFleet(t, makeGateway(t, storetest.Postgres(t)).gateway)
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
	f := startFleet(t, makeGateway(t, storetest.Postgres(t)).gateway)
	f.restart(t)
	f.restart(t)
	f.judge(t)
}
