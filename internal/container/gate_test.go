package container

import (
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestSlowClients holds 200 connections that never finish their request.
func TestSlowClients(t *testing.T) {
	before := runtime.NumGoroutine()
	s, _ := listenFor(t, hourKeys)
	var slow []net.Conn
	for range 200 {
		conn := dial(t, s)
		defer conn.Close()
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: ")
		slow = append(slow, conn)
	}
	for range burst {
		resp, _ := ask(t, s, s.request())
		require.Equal(t, http.StatusOK, resp.StatusCode)
	}
	s.gate.mu.Lock()
	assert.LessOrEqual(t, len(s.gate.since), maxConns)
	s.gate.mu.Unlock()
	assert.LessOrEqual(t, runtime.NumGoroutine()-before, 80)
	for _, conn := range slow[:200-maxConns] {
		n, err := conn.Read(make([]byte, 1))
		require.Error(t, err)
		require.Zero(t, n)
	}
}

func TestWaitForRoomIsShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := serveInMemory(t, hourKeys)
		for range 200 {
			conn := m.dial()
			defer conn.Close()
			go func() { _, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: ") }()
		}
		for _, want := range []time.Duration{3 * patience, 0} { // 64 connections at a time
			started := time.Now()
			conn := m.dial()
			resp, _ := exchange(t, conn, s.request())
			assert.Equal(t, http.StatusOK, resp.StatusCode)
			assert.Equal(t, want, time.Since(started))
			require.NoError(t, conn.Close())
		}
	})
}

func TestRoomIsTakenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := serveInMemory(t, hourKeys)
		started := time.Now()
		for range 2 * maxConns {
			conn := m.dial()
			resp, _ := exchange(t, conn, s.requestOf("GET /", "Host: "+s.address()))
			require.Equal(t, http.StatusForbidden, resp.StatusCode)
			require.NoError(t, conn.Close())
		}
		var silent []net.Conn
		for range maxConns {
			conn := m.dial()
			defer conn.Close()
			silent = append(silent, conn)
		}
		go func() { _ = silent[maxConns/2].Close() }()
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
		for range maxConns - 1 {
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

func TestCloseWhileSomebodyWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := serveInMemory(t, hourKeys)
		var last net.Conn
		for range maxConns + 1 {
			last = m.dial()
			defer last.Close()
		}
		synctest.Wait()
		started := time.Now()
		require.NoError(t, s.Close())
		_, err := last.Read(make([]byte, 1))
		assert.ErrorIs(t, err, io.EOF)
		assert.Zero(t, time.Since(started))
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
	s, log := listenFor(t, hourKeys)
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
	assert.LessOrEqual(t, mostSeen-before-2*clients, 2*maxConns)
	require.NoError(t, s.Close())
	assert.Equal(t, clients*each, log.requests(t))
}
