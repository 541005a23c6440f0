// Package gate limits the connections of a server on this machine, to which any user may connect.
package gate

import (
	"net"
	"net/http"
	"slices"
	"sync"
)

// MaxConns is more than the programs that a build starts at once, and far less than the files that a process may open.
const MaxConns = 256

// Gate is a listener that keeps at most MaxConns connections. Each further one takes the place of the one that has been
// silent for longest. A listener that only counts would let silent clients keep others out: any user may connect.
type Gate struct {
	net.Listener
	open sync.WaitGroup // goroutines of connections

	mu    sync.Mutex // guards conns
	conns []net.Conn // the one that was last heard of stands last
}

// Accept returns the next connection, after it has made room for it. It does nothing else, as others wait meanwhile.
func (g *Gate) Accept() (net.Conn, error) {
	conn, err := g.Listener.Accept()
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.conns) == MaxConns {
		_ = g.conns[0].Close()
		g.conns = slices.Delete(g.conns, 0, 1)
	}
	g.conns = append(g.conns, conn)
	return conn, nil
}

// Wait waits for the goroutines of all accepted connections.
func (g *Gate) Wait() { g.open.Wait() }

// Len returns how many connections are open.
func (g *Gate) Len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.conns)
}

// Note is the ConnState hook of the HTTP server.
func (g *Gate) Note(conn net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		g.open.Add(1)
		return
	case http.StateClosed:
		defer g.open.Done()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.conns, conn)
	if i < 0 {
		return
	}
	g.conns = slices.Delete(g.conns, i, i+1)
	if state != http.StateClosed {
		g.conns = append(g.conns, conn)
	}
}
