package container

import (
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	maxConns = 64
	// patience is how long a connection may be silent while others wait for room. It is long enough for the many programs
	// that a build starts at once on a busy machine, and SDKs wait for several times as long.
	patience = 250 * time.Millisecond
)

// gate is a listener that keeps at most maxConns connections. Each further one takes the place of the one that has been
// silent for longest, so that clients which send nothing keep nobody out; [net.Listener]s that merely count would.
type gate struct {
	net.Listener
	open  sync.WaitGroup // goroutines of connections
	freed chan struct{}  // signalled when there is room
	once  sync.Once
	done  chan struct{} // closed by Close

	mu    sync.Mutex             // guards what follows
	since map[net.Conn]time.Time // when each connection was last heard of
}

func newGate(l net.Listener) *gate {
	return &gate{Listener: l, freed: make(chan struct{}, 1), done: make(chan struct{}), since: map[net.Conn]time.Time{}}
}

// Accept returns the next connection once there is room for it.
func (g *gate) Accept() (net.Conn, error) {
	conn, err := g.Listener.Accept()
	if err != nil {
		return nil, err
	}
	for {
		wait := g.admit(conn)
		if wait <= 0 {
			return conn, nil
		}
		select {
		case <-g.freed:
		case <-time.After(wait):
		case <-g.done:
			_ = conn.Close()
			return nil, net.ErrClosed
		}
	}
}

// admit makes room for conn, or says how long to wait for a connection that may be closed for it.
func (g *gate) admit(conn net.Conn) (wait time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.since) >= maxConns {
		var oldest net.Conn
		for c, at := range g.since {
			if oldest == nil || at.Before(g.since[oldest]) {
				oldest = c
			}
		}
		if wait = patience - time.Since(g.since[oldest]); wait > 0 {
			return wait
		}
		delete(g.since, oldest)
		_ = oldest.Close()
	}
	g.since[conn] = time.Now()
	return 0
}

// note is the ConnState hook of the HTTP server.
func (g *gate) note(conn net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		g.open.Add(1)
		return
	case http.StateClosed:
		defer g.open.Done() // after the unlock
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, isIn := g.since[conn]; !isIn {
		return
	}
	if state != http.StateClosed {
		g.since[conn] = time.Now()
		return
	}
	delete(g.since, conn)
	select {
	case g.freed <- struct{}{}:
	default:
	}
}

// Close ends Accept; connections live on.
func (g *gate) Close() error {
	g.once.Do(func() { close(g.done) })
	return g.Listener.Close()
}
