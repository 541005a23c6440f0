package chaim_test

import (
	"bytes"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
)

// echoing is a relay to a server that writes each piece of its answers so many times, and counts connections.
type echoing struct {
	url   string
	count atomic.Int32
}

func newEchoing(t *testing.T, server string, times int) *echoing {
	t.Helper()
	e := &echoing{}
	to := strings.TrimPrefix(server, "http://")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	e.url = "http://" + l.Addr().String()
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			e.count.Add(1)
			wg.Go(func() { echo(client, to, times) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
	})
	return e
}

func echo(client net.Conn, to string, times int) {
	defer client.Close()
	server, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		_, _ = io.Copy(server, client)
		_ = server.Close()
	})
	answer := make([]byte, 64<<10)
	for {
		n, err := server.Read(answer)
		if err != nil {
			return
		}
		_, _ = client.Write(bytes.Repeat(answer[:n], times))
	}
}

func TestEachSharesConnections(t *testing.T) {
	srv := chaimtest.NewServer(t)
	accounts, opts := eachOf(t, srv, 60)
	relay := newEchoing(t, srv.URL(), 1)
	settings := *srv.Settings()
	settings.Endpoint = relay.url + "/prod/"
	opts.Options.Settings, opts.Options.HTTPClient, opts.Parallel = &settings, nil, 4
	require.NoError(t, chaim.Each(t.Context(), accounts, opts, doNothing))
	assert.LessOrEqual(t, relay.count.Load(), int32(8), "4, and those that were not needed in the end")
}

func TestEachLogsNoSurplus(t *testing.T) {
	var mu sync.Mutex
	var told bytes.Buffer
	before := log.Writer()
	log.SetOutput(writer(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return told.Write(p)
	}))
	defer log.SetOutput(before)
	srv := chaimtest.NewServer(t)
	accounts, opts := eachOf(t, srv, 20)
	for name, client := range map[string]*http.Client{
		"ours": nil, "zero": {}, "program's": {Transport: http.DefaultTransport.(*http.Transport).Clone()},
	} {
		relay := newEchoing(t, srv.URL(), 2)
		settings := *srv.Settings()
		settings.Endpoint = relay.url + "/prod/"
		opts.Options.Settings, opts.Options.HTTPClient = &settings, client
		require.NoError(t, chaim.Each(t.Context(), accounts, opts, doNothing), name)
	}
	mu.Lock()
	defer mu.Unlock()
	assert.Empty(t, told.String())
}

type writer func(p []byte) (int, error)

func (f writer) Write(p []byte) (int, error) { return f(p) }
