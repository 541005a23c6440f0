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

// readBufferSize is that of a transport with guarded connections. Longer reads are of bodies.
const readBufferSize = 1024

var errSurplus = errors.New("the server sent more than its reply")

// guardedConn is a connection that keeps from net/http what a server sends unasked, which net/http would print with the
// global logger of the program. A connection on which something came after a reply is not used again.
type guardedConn struct {
	net.Conn
	space [4096]byte

	mu        sync.Mutex // guards what follows
	unread    []byte     // part of space
	users     int        // requests that got the connection so far, where they are traced
	asker     int        // the one that wrote last
	isAsked   bool       // and its reply has not ended
	isSpoiled bool       // something came unasked
}

// Read returns what belongs to a reply. net/http keeps what it reads in a buffer, where nothing may be left at the end of
// the reply: it gets one byte at a time, unless it asks for more than the buffer holds, which is then part of a body.
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

// Write sends a request. On a connection that it cannot use net/http takes another one for it.
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

// begin notes that a request has got the connection, and returns the number of that request.
func (c *guardedConn) begin() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.users++
	return c.users
}

// end notes that the reply to a request has ended, unless another request was written since.
func (c *guardedConn) end(user int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if user == c.asker {
		c.isAsked = false
	}
}

// traced returns the request with what tells its connection when the reply has ended. net/http reads on only after that.
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

// Transport is the one of chaim. Its connections are shared, and what a server sends beyond its reply is dropped.
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

// CloseIdleConnections has the next request open a connection.
func (t *Transport) CloseIdleConnections() { t.base.CloseIdleConnections() }

// unshared is a program's transport. It uses each connection for one request: net/http prints what comes after a reply on a
// connection that it keeps, and which connections a program's transport makes is not for chaim to say.
type unshared struct{ next http.RoundTripper }

// Unshared takes the default transport for nil. Of an *http.Transport it takes a copy that speaks HTTP/1.1, as net/http
// prints what a server gets wrong in HTTP/2. One that makes TLS connections by a function of its own has agreed on a
// protocol by then, and is taken as it is.
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

// RoundTrip sends a request and closes the connection after the reply. A reply beside an error is dropped: net/http would
// print that there was one.
func (t unshared) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.WithContext(req.Context()) // a transport must not change what it was given
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
