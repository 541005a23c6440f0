// Package chaimtest is a test double of everything chaim talks to: a chaim gateway, an AWS STS endpoint, the AWS
// federation endpoint that console links are made with, and the faults of all three.
//
// The double behaves like the real ones where a client can tell: it checks users and their tokens, grants keys that
// expire, verifies AWS Signature Version 4, gives sign-in tokens for keys it granted and words its refusals as the
// originals do, but for the pages of the federation endpoint. [Server.SetOriginal] makes it as lenient and as odd as the
// original gateway, [Server.Inject] makes it fail on demand, [Server.Advance]
// moves its clock, and [Server.Requests] tells what was asked.
//
// It works over a loopback socket, for child processes and other SDKs, or in memory through [Server.HTTPClient], also
// inside a [testing/synctest] bubble, where hours pass at once:
//
//	srv := chaimtest.NewServer(t)
//	client, err := chaim.New(srv.Options(t, "sredev"))
//
// Every secret key, session token and console sign-in token that the double makes begins with "CANARY", and the token of
// the default user with "ca9a12e5-". Nothing else of the double does: where a test's output or a log holds one of the
// two, a secret has leaked.
//
// Code that takes no options is reached through the environment, see [Server.Setenv]. The package does not import
// testing, so it can also stand in for a gateway in an example or a demonstration.
package chaimtest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const (
	gatewayPath = "/prod/"
	stsPath     = "/sts"
	region      = "eu-west-1"

	// maxBody is the largest request body read, in bytes.
	maxBody = 1 << 20
	// closeGrace is how long Close waits for clients to take their answers before it cuts them off.
	closeGrace = 5 * time.Second
)

// TB is the part of testing.TB that the double needs. *testing.T, *testing.B and *testing.F have it.
type TB interface {
	Helper()
	Cleanup(func())
	Setenv(key, value string)
	TempDir() string
}

// Server is a chaim gateway, an STS endpoint and a federation endpoint. Create it with [NewServer]; the zero value does not work. All methods
// are safe for concurrent use. A Server prints without the secrets it holds.
type Server struct {
	http    *http.Server
	client  *http.Client
	pipe    *pipeListener
	signer  *v4.Signer
	stop    context.CancelFunc // ends the context of every request
	done    chan struct{}      // closed when Close is over
	serving sync.WaitGroup     // goroutines that accept connections
	conns   connTracker

	mu       sync.Mutex // guards what follows; never held while waiting
	closed   bool
	inMemory bool // pipe is being served
	socket   net.Listener
	url      string
	offset   time.Duration
	lifetime time.Duration
	latency  time.Duration
	faults   []injected
	requests []*Request

	// Behind a pointer, because fmt calls no method on an unexported field but prints an address for this one.
	world *world
}

// NewServer returns a double that knows one user (see [Server.Settings]), three accounts (111111111111 "sredev",
// 222222222222 "Connected Homes" and 333333333333 "O'Brien") and the four default roles with their aliases rro, mpu,
// spu and apu. It opens no socket until one is asked for, by URL, GatewayURL, STSURL, Setenv or Environ.
//
// The server is closed when the test tb ends. tb may be nil, then the caller must call [Server.Close]. For use inside a
// synctest bubble, create the server inside the bubble.
func NewServer(tb TB) *Server {
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{
		pipe:   newPipeListener(),
		signer: v4.NewSigner(),
		stop:   cancel,
		done:   make(chan struct{}),
		conns:  connTracker{states: map[net.Conn]http.ConnState{}},
		world:  newWorld(),
	}
	s.http = &http.Server{
		Handler:     http.HandlerFunc(s.serveHTTP),
		BaseContext: func(net.Listener) context.Context { return ctx },
		ConnState:   s.conns.note,
	}
	s.client = &http.Client{Transport: &http.Transport{
		DialContext:    s.pipe.dial,
		DialTLSContext: s.pipe.dial, // https URLs work too, in clear
	}}
	if tb != nil {
		tb.Helper()
		tb.Cleanup(s.Close)
	}
	return s
}

// Close stops the server. It first cuts off requests that hang or wait for the latency to pass, then blocks until the
// other requests under way have been answered; a client that does not take its answer is cut off after 5 seconds.
// Close also closes idle connections of [Server.HTTPClient]. Calling it again does nothing but wait for the first call.
// A [Fault] must not call it.
func (s *Server) Close() {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		<-s.done
		return
	}
	s.closed = true
	socket := s.socket
	s.mu.Unlock()
	defer close(s.done)

	s.stop()
	_ = s.pipe.Close()
	if socket != nil {
		_ = socket.Close()
	}
	s.serving.Wait() // from here on there are no new connections
	s.http.SetKeepAlivesEnabled(false)
	s.conns.closeUnused()
	cut := time.AfterFunc(closeGrace, func() { _ = s.http.Close() })
	s.conns.open.Wait()
	cut.Stop()
	s.client.CloseIdleConnections()
}

// URL returns the address of the server, such as "http://127.0.0.1:41234", without a path. The first call opens the
// socket; it panics if that fails or if the server was closed before.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.url != "" {
		return s.url
	}
	if s.closed {
		panic("chaimtest: URL asked of a closed server")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		if l, err = net.Listen("tcp6", "[::1]:0"); err != nil {
			panic("chaimtest: no loopback socket: " + err.Error())
		}
	}
	s.socket, s.url = l, "http://"+l.Addr().String()
	s.serve(l)
	return s.url
}

// GatewayURL returns the URL of the gateway over the socket, which ends in "/prod/". See [Server.URL].
func (s *Server) GatewayURL() string { return s.URL() + gatewayPath }

// STSURL returns the URL of the STS endpoint over the socket, which ends in "/sts". See [Server.URL].
func (s *Server) STSURL() string { return s.URL() + stsPath }

// HTTPClient returns a client that reaches this server in memory, whatever host it is told to dial and whether by http
// or https. Both sides are those of net/http, so time-outs, headers and connection reuse are real. Requests to a host
// whose name starts with "sts." or "sts-fips." go to the STS endpoint, so an AWS client needs no other endpoint, whatever
// its region, partition and kind of endpoint. Those for "/federation" at a host with the label "signin" go to the
// federation endpoint, which is reached in no other way. It is always the same client, and it follows redirects as
// http.DefaultClient does; copy it to change that. After Close its requests fail.
func (s *Server) HTTPClient() *http.Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.inMemory && !s.closed {
		s.inMemory = true
		s.serve(s.pipe)
	}
	return s.client
}

// serve accepts connections until Close. The caller holds mu, so that Close waits for it.
func (s *Server) serve(l net.Listener) {
	s.serving.Go(func() { _ = s.http.Serve(l) })
}

// Format prints the server without what it holds, whatever the verb.
func (s *Server) Format(f fmt.State, _ rune) {
	s.mu.Lock()
	url, n := s.url, len(s.requests)
	s.mu.Unlock()
	_, _ = fmt.Fprintf(f, "chaimtest.Server{URL:%q Requests:%d}", url, n)
}
