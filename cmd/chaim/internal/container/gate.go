package container

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// maxConns is more than a build starts programs at once, and far less than this process may have files open.
const maxConns = 256

// gate is a listener that keeps at most maxConns connections. Each further one takes the place of the one that has been
// silent for longest, so that clients which send nothing keep no others out; [net.Listener]s that merely count would. A
// program that starts slowly loses its connection only if so many others come before its request.
type gate struct {
	net.Listener
	open sync.WaitGroup // goroutines of connections

	mu    sync.Mutex             // guards what follows
	heard map[net.Conn]time.Time // when each connection was last heard of
}

func newGate(l net.Listener) *gate { return &gate{Listener: l, heard: map[net.Conn]time.Time{}} }

// Accept returns the next connection, for which it makes room. It does nothing else, as others wait meanwhile.
func (g *gate) Accept() (net.Conn, error) {
	conn, err := g.Listener.Accept()
	if err == nil {
		g.admit(conn)
	}
	return conn, err
}

func (g *gate) admit(conn net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.heard) >= maxConns {
		var oldest net.Conn
		for c, at := range g.heard {
			if oldest == nil || at.Before(g.heard[oldest]) {
				oldest = c
			}
		}
		delete(g.heard, oldest)
		_ = oldest.Close()
	}
	g.heard[conn] = time.Now()
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
	if _, isIn := g.heard[conn]; !isIn {
		return
	}
	if state == http.StateClosed {
		delete(g.heard, conn)
		return
	}
	g.heard[conn] = time.Now()
}
