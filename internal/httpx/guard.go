package httpx

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
)

// readBufferSize is the buffer of a transport with guarded connections. Longer reads belong to bodies.
const readBufferSize = 1024

var errSurplus = errors.New("the server sent more than its reply")

// guardedConn hides from net/http what a server sends without a request: net/http would print it with the program's global
// logger. After such bytes the connection is not used again.
type guardedConn struct {
	net.Conn
	space [4096]byte

	mu        sync.Mutex // guards the fields below
	unread    []byte     // part of space
	users     int        // traced requests that got the connection so far
	asker     int        // the request that wrote last
	isAsked   bool       // its reply has not ended
	isSpoiled bool       // the server sent something without a request
}

// Read returns bytes of a reply. net/http would buffer bytes beyond the end of the reply and print them. So it gets one byte
// at a time, unless it asks for more than its buffer holds: then it reads a body.
func (c *guardedConn) Read(p []byte) (int, error) {
	c.mu.Lock()
	isEmpty := len(c.unread) == 0
	c.mu.Unlock()
	var came []byte
	if isEmpty { // only one goroutine reads at a time
		n, err := c.Conn.Read(c.space[:])
		if n == 0 {
			return 0, err
		}
		came = c.space[:n]
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if isEmpty {
		c.unread = came
	}
	if !c.isAsked {
		c.isSpoiled = true
		return 0, io.EOF
	}
	if len(p) > 1 && len(p) <= readBufferSize {
		p = p[:1]
	}
	n := copy(p, c.unread)
	c.unread = c.unread[n:]
	return n, nil
}

// Write sends a request. If it fails before the first byte, net/http uses another connection.
func (c *guardedConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	isNew := !c.isAsked || c.asker != c.users
	if isNew && (c.isSpoiled || len(c.unread) > 0) {
		c.mu.Unlock()
		return 0, errSurplus
	}
	c.isAsked, c.asker = true, c.users
	c.mu.Unlock()
	return c.Conn.Write(p)
}

// begin records that a request has got the connection, and returns the request's number.
func (c *guardedConn) begin() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.users++
	return c.users
}

// end records that the reply to a request has ended, unless another request was written since.
func (c *guardedConn) end(user int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if user == c.asker {
		c.isAsked = false
	}
}

// traced makes the request tell its connection when the reply has ended. net/http reads again only after that.
func traced(req *http.Request) *http.Request {
	var conn *guardedConn
	var user int
	return req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			if conn, _ = info.Conn.(*guardedConn); conn != nil {
				user = conn.begin()
			}
		},
		PutIdleConn: func(err error) {
			if conn != nil && err == nil {
				conn.end(user)
			}
		},
	}))
}

// Transport is chaim's own transport. Requests share its connections. Bytes after a reply are dropped.
type Transport struct {
	base   *http.Transport
	dialer *Dialer
}

// RoundTrip sends a request.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	req = traced(req)
	req.Close = req.Close || t.dialer.isSOCKSTunnel(req)
	return t.base.RoundTrip(req)
}

// CloseIdleConnections closes idle connections, so that the next request opens a new one.
func (t *Transport) CloseIdleConnections() { t.base.CloseIdleConnections() }

// unshared wraps a program's own transport and closes each connection after one request. If net/http kept the connection, it
// would print what the server sends after the reply, and chaim cannot guard connections that the program makes.
type unshared struct{ next http.RoundTripper }

// Unshared wraps a transport; nil means the default one. An *http.Transport is copied and limited to HTTP/1.1, because
// net/http prints a server's HTTP/2 errors. A transport with its own TLS dial function is not copied, because that function
// chooses the protocol.
func Unshared(given http.RoundTripper) http.RoundTripper {
	if given == nil {
		given = http.DefaultTransport
	}
	t, ok := given.(*http.Transport)
	//lint:ignore SA1019 programs may still set DialTLS
	if !ok || t.DialTLSContext != nil || t.DialTLS != nil {
		return unshared{given}
	}
	t = t.Clone()
	t.DisableKeepAlives = true
	t.ForceAttemptHTTP2 = false
	t.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	if t.TLSClientConfig != nil {
		t.TLSClientConfig.NextProtos = nil
	}
	return unshared{t}
}

// RoundTrip sends a request and closes the connection after the reply. If there are both an error and a reply, it drops the
// reply: net/http would print a warning.
func (t unshared) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.WithContext(req.Context()) // a copy, because a transport must not change its request
	req.Close = true
	resp, err := t.next.RoundTrip(req)
	if err != nil && resp != nil {
		if resp.Body != nil {
			_ = resp.Body.Close()
		}
		resp = nil
	}
	return resp, err
}
