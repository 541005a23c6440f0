package container

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"github.com/chaim-go/chaim/internal/gate"
)

// TestSlowClients holds 400 connections that never finish their request.
func TestSlowClients(t *testing.T) {
	before := runtime.NumGoroutine()
	s, _ := listenFor(t, hourKeys)
	var slow []net.Conn
	for range 400 {
		conn := dial(t, s)
		defer conn.Close()
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: ")
		slow = append(slow, conn)
	}
	for range burst {
		resp, _ := ask(t, s, s.request())
		require.Equal(t, http.StatusOK, resp.StatusCode)
	}
	assert.LessOrEqual(t, s.gate.Len(), gate.MaxConns)
	assert.LessOrEqual(t, runtime.NumGoroutine()-before, gate.MaxConns+16)
	for _, conn := range slow[:400-gate.MaxConns] {
		n, err := conn.Read(make([]byte, 1))
		require.Error(t, err)
		require.Zero(t, n)
	}
}

// TestSilentClientsKeepNobodyOut has more of them come than there is room for, before and after each program.
func TestSilentClientsKeepNobodyOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := serveInMemory(t, hourKeys)
		started := time.Now()
		for range 3 {
			for i := range 2 * gate.MaxConns {
				conn := m.dial()
				defer conn.Close()
				if i%2 == 0 {
					go func() { _, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: ") }()
				}
			}
			conn := m.dial()
			resp, _ := exchange(t, conn, s.request())
			assert.Equal(t, http.StatusOK, resp.StatusCode)
			require.NoError(t, conn.Close())
		}
		assert.Zero(t, time.Since(started))
	})
}

// TestSlowStarts has as many programs connect as a build may start at once, which are slow to send their request.
func TestSlowStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := serveInMemory(t, hourKeys)
		s.handler.requests.SetLimit(rate.Inf)
		var slow []net.Conn
		for range gate.MaxConns {
			conn := m.dial()
			defer conn.Close()
			slow = append(slow, conn)
		}
		<-time.After(requestTimeout - 1)
		for _, conn := range slow {
			resp, _ := exchange(t, conn, s.request())
			require.Equal(t, http.StatusOK, resp.StatusCode)
		}
	})
}

func TestOtherUsersAreNotServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := serveInMemory(t, hourKeys)
		log := &logbook{}
		s.handler.Log = log.logger()
		s.handler.isForeign = func(_, _ netip.AddrPort) bool { return true }
		resp, body := exchange(t, m.dial(), s.request())
		assert.Equal(t, http.StatusForbidden, resp.StatusCode)
		assert.NotContains(t, body, "CANARY")
		require.NoError(t, s.Close())
		lines := log.lines(t)
		require.Len(t, lines, 1)
		assert.Equal(t, "WARN", lines[0].Level)
		assert.Equal(t, refused.result, lines[0].Result)
		assert.Equal(t, "user", lines[0].Why)
	})
}

// TestOtherUsersKeepNobodyOut has the system take its time to tell whose a connection is.
func TestOtherUsersKeepNobodyOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := serveInMemory(t, hourKeys)
		asked := 0
		s.handler.isForeign = func(_, _ netip.AddrPort) bool {
			asked++
			<-time.After(time.Millisecond)
			return false
		}
		started := time.Now()
		for range 2 * gate.MaxConns {
			conn := m.dial()
			defer conn.Close()
			resp, _ := exchange(t, m.dial(), s.requestOf("GET /", "Host: "+s.address()))
			require.Equal(t, http.StatusForbidden, resp.StatusCode)
		}
		resp, _ := exchange(t, m.dial(), s.request())
		assert.Equal(t, http.StatusOK, resp.StatusCode)
		assert.Equal(t, 1, asked, "only for the request that has the token")
		assert.Equal(t, time.Millisecond, time.Since(started))
	})
}

func TestRoomIsTakenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := serveInMemory(t, hourKeys)
		started := time.Now()
		for range 2 * gate.MaxConns {
			conn := m.dial()
			resp, _ := exchange(t, conn, s.requestOf("GET /", "Host: "+s.address()))
			require.Equal(t, http.StatusForbidden, resp.StatusCode)
			require.NoError(t, conn.Close())
		}
		var silent []net.Conn
		for range gate.MaxConns {
			conn := m.dial()
			defer conn.Close()
			silent = append(silent, conn)
		}
		go func() { _ = silent[gate.MaxConns/2].Close() }()
		conn := m.dial()
		defer conn.Close()
		resp, _ := exchange(t, conn, s.request())
		assert.Equal(t, http.StatusOK, resp.StatusCode)
		assert.Zero(t, time.Since(started))
	})
}

// TestTheMostSilentOneGoes shows that a connection in use is kept, however old it is.
func TestTheMostSilentOneGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := serveInMemory(t, hourKeys)
		inUse := m.dial()
		defer inUse.Close()
		exchange(t, inUse, s.request())
		<-time.After(time.Second)
		for range gate.MaxConns - 1 {
			conn := m.dial()
			defer conn.Close()
		}
		synctest.Wait()
		<-time.After(time.Second / 2)
		exchange(t, inUse, s.request())
		for range 3 {
			conn := m.dial()
			defer conn.Close()
			resp, _ := exchange(t, conn, s.request())
			require.Equal(t, http.StatusOK, resp.StatusCode)
		}
		resp, _ := exchange(t, inUse, s.request())
		assert.Equal(t, http.StatusOK, resp.StatusCode)
	})
}

func TestTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := serveInMemory(t, hourKeys)
		silentFor := func(conn net.Conn) time.Duration {
			started := time.Now()
			n, err := conn.Read(make([]byte, 1))
			assert.Zero(t, n)
			assert.True(t, errors.Is(err, io.EOF), "%v", err)
			return time.Since(started)
		}
		assert.Equal(t, 2*time.Second, silentFor(m.dial()), "nothing sent")

		conn := m.dial()
		_, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: 127")
		require.NoError(t, err)
		assert.Equal(t, 2*time.Second, silentFor(conn), "half a header sent")

		conn = m.dial()
		resp, _ := exchange(t, conn, s.request())
		require.Equal(t, http.StatusOK, resp.StatusCode)
		assert.Equal(t, 30*time.Second, silentFor(conn), "idle")

		conn = m.dial()
		resp, _ = exchange(t, conn, s.requestOf("POST /", "Host: "+s.address(), "Content-Length: 5"))
		require.Equal(t, http.StatusForbidden, resp.StatusCode)
		assert.Equal(t, 2*time.Second, silentFor(conn), "a body announced")

		conn = m.dial()
		_, err = io.WriteString(conn, s.request())
		require.NoError(t, err)
		<-time.After(3 * time.Second)
		assert.Zero(t, silentFor(conn), "the answer was not read")
	})
}

func TestFlood(t *testing.T) {
	before := runtime.NumGoroutine()
	s, log := listenWithin(t, hourKeys, time.Hour) // a busy machine may take seconds to answer
	const clients, each = 20, 500
	var (
		mu       sync.Mutex
		codes    = map[int]int{}
		mostSeen int
		flood    sync.WaitGroup
	)
	started := time.Now()
	for range clients {
		flood.Go(func() {
			for range each {
				resp, _ := ask(t, s, s.request())
				n := runtime.NumGoroutine()
				mu.Lock()
				codes[resp.StatusCode]++
				mostSeen = max(mostSeen, n)
				mu.Unlock()
			}
		})
	}
	flood.Wait()
	assert.Equal(t, clients*each, codes[200]+codes[429])
	assert.GreaterOrEqual(t, codes[200], burst)
	assert.LessOrEqual(t, codes[200], burst+1+int(perSecond*time.Since(started).Seconds()))
	// A client here has up to two goroutines, and so has a connection while its request is being answered.
	assert.LessOrEqual(t, mostSeen-before-2*clients, 2*gate.MaxConns)
	require.NoError(t, s.Close())
	assert.Equal(t, clients*each, log.requests(t))
}
