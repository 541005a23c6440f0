package container

import (
	"net"
	"net/http"
	"slices"
	"sync"
)

// maxConns is more than the programs that a build starts at once, and far less than the files that a process may open.
const maxConns = 256

// gate is a listener that keeps at most maxConns connections. Each further one takes the place of the one that has been
// silent for longest. A listener that only counts would let silent clients keep others out: any user may connect.
type gate struct {
	net.Listener
	open sync.WaitGroup // goroutines of connections

	mu    sync.Mutex // guards conns
	conns []net.Conn // the one that was last heard of stands last
}

// Accept returns the next connection, after it has made room for it. It does nothing else, as others wait meanwhile.
func (g *gate) Accept() (net.Conn, error) {
	conn, err := g.Listener.Accept()
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.conns) == maxConns {
		_ = g.conns[0].Close()
		g.conns = slices.Delete(g.conns, 0, 1)
	}
	g.conns = append(g.conns, conn)
	return conn, nil
}

// note is the ConnState hook of the HTTP server.
func (g *gate) note(conn net.Conn, state http.ConnState) {
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
