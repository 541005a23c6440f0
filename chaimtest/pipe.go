package chaimtest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
)

// pipeListener is a net.Listener for connections in memory, which dial makes.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
}

// dial connects to the listener. It ignores the address.
func (l *pipeListener) dial(ctx context.Context, _, address string) (net.Conn, error) {
	client, server := net.Pipe()
	var err error
	select {
	case l.conns <- server:
		return client, nil
	case <-l.done:
		err = fmt.Errorf("chaimtest: dial %s: %w", address, net.ErrClosed)
	case <-ctx.Done():
		err = ctx.Err()
	}
	_ = client.Close()
	_ = server.Close()
	return nil, err
}

// Accept returns the server's end of the next connection.
func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close ends Accept and dial. Open connections stay open.
func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Addr returns a name, because there is no address.
func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }

// connTracker knows all open connections, so that Close can end the unused ones at once and wait for the others.
// http.Server.Shutdown would poll, and keep new connections for seconds.
type connTracker struct {
	open sync.WaitGroup

	mu      sync.Mutex
	closing bool
	states  map[net.Conn]http.ConnState
}

// note is the ConnState hook of the HTTP server.
func (t *connTracker) note(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		t.open.Add(1)
	case http.StateClosed, http.StateHijacked:
		defer t.open.Done() // after the unlock
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if state == http.StateClosed || state == http.StateHijacked {
		delete(t.states, c)
		return
	}
	t.states[c] = state
	if t.closing && state == http.StateIdle {
		_ = c.Close()
	}
}

// closeUnused closes connections without a request, and later the others when their request has ended.
func (t *connTracker) closeUnused() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closing = true
	for c, state := range t.states {
		if state == http.StateNew || state == http.StateIdle {
			_ = c.Close()
		}
	}
}
