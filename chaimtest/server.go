// Package chaimtest is a test double of all servers that chaim uses: a chaim gateway, AWS STS, IAM Identity Center, AWS
// Sign-In, AWS Organizations and the AWS federation endpoint, which makes console links, and of the faults of all of them.
//
// The double checks users and their tokens, grants keys that expire, verifies AWS Signature Version 4, and gives sign-in
// tokens for keys that it granted. Its refusals have the words of the real servers, except for the pages of the federation
// endpoint. It accepts any session policies and tags. [Server.SetOriginal] makes it behave as the original gateway,
// [Server.Inject] makes it fail, [Server.Advance] moves its clock, and [Server.Requests] returns the requests so far.
//
// It works over a loopback socket, for child processes and other SDKs, or in memory through [Server.HTTPClient], also inside
// a [testing/synctest] bubble, where hours pass at once:
//
//	srv := chaimtest.NewServer(t)
//	client, err := chaim.New(srv.Options(t, "sredev"))
//
// Every secret key, session token, sign-in token, refresh token and client secret of the double begins with "CANARY", and
// the token of the default user with "ca9a12e5-". Nothing else of the double does. So if a log or a test's output holds one
// of the two, a secret has leaked.
//
// [Server.Setenv] points code without options at the double. The package does not import testing, so an example or a
// demonstration can use it too.
package chaimtest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	gatewayPath = "/prod/"
	stsPath     = "/sts"
	region      = "eu-west-1"

	// maxBody is the size of the largest request body, in bytes.
	maxBody = 1 << 20
	// closeGrace is how long Close waits for clients to read their answers before it cuts them off.
	closeGrace = 5 * time.Second
)

// TB is the part of testing.TB that the double needs. *testing.T, *testing.B and *testing.F have it.
type TB interface {
	Helper()
	Cleanup(func())
	Setenv(key, value string)
	TempDir() string
}

// Server is a chaim gateway, an STS endpoint and a federation endpoint. Create it with [NewServer]; the zero value does not
// work. All methods are safe for concurrent use. A Server prints without the secrets it holds.
type Server struct {
	http   *http.Server
	client *http.Client
	pipe   *pipeListener
	end    ending

	mu      sync.Mutex // guards the fields below; never held while waiting
	open    opened
	traffic traffic
	world   *world // a pointer: fmt prints its address, not the secrets
}

// ending has what Close needs to stop the server.
type ending struct {
	stop    context.CancelFunc // ends the context of every request
	done    chan struct{}      // closed when Close is over
	serving sync.WaitGroup     // goroutines that accept connections
	conns   connTracker
}

// opened says where the server listens.
type opened struct {
	inMemory bool // the pipe is being served
	socket   net.Listener
	url      string // of the socket; empty without one
	closed   bool
}

// traffic has the requests so far, and the rules for the next ones.
type traffic struct {
	latency  time.Duration
	faults   []injected
	requests []*Request
}

// NewServer returns a double that knows one user (see [Server.Settings]), three accounts (111111111111 "sredev",
// 222222222222 "Connected Homes" and 333333333333 "O'Brien") and the four default roles with their aliases rro, mpu, spu and
// apu. It opens no socket before the first call of URL, GatewayURL, STSURL, Setenv or Environ.
//
// The server is closed when the test tb ends. If tb is nil the caller must call [Server.Close]. For use inside a synctest
// bubble, create the server inside the bubble.
func NewServer(tb TB) *Server {
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{
		pipe:  newPipeListener(),
		end:   ending{stop: cancel, done: make(chan struct{}), conns: connTracker{states: map[net.Conn]http.ConnState{}}},
		world: newWorld(),
	}
	s.http = &http.Server{
		Handler:     http.HandlerFunc(s.serveHTTP),
		BaseContext: func(net.Listener) context.Context { return ctx },
		ConnState:   s.end.conns.note,
	}
	s.client = &http.Client{Transport: &http.Transport{
		DialContext:    s.pipe.dial,
		DialTLSContext: s.pipe.dial, // https URLs work too, without encryption
	}}
	if tb != nil {
		tb.Helper()
		tb.Cleanup(s.Close)
	}
	return s
}

// Close stops the server. It first cuts off requests that hang or wait for the latency. Then it waits until all other
// requests are answered, and after 5 seconds cuts off clients that do not read their answer. It also closes idle connections
// of [Server.HTTPClient]. A second call only waits for the first one. A [Fault] must not call Close.
func (s *Server) Close() {
	s.mu.Lock()
	if s.open.closed {
		s.mu.Unlock()
		<-s.end.done
		return
	}
	s.open.closed = true
	socket := s.open.socket
	s.mu.Unlock()
	defer close(s.end.done)

	s.end.stop()
	_ = s.pipe.Close()
	if socket != nil {
		_ = socket.Close()
	}
	s.end.serving.Wait() // there are no new connections after this
	s.http.SetKeepAlivesEnabled(false)
	s.end.conns.closeUnused()
	cut := time.AfterFunc(closeGrace, func() { _ = s.http.Close() })
	s.end.conns.open.Wait()
	cut.Stop()
	s.client.CloseIdleConnections()
}

// URL returns the address of the server, such as "http://127.0.0.1:41234", without a path. The first call opens the socket;
// it panics if that fails or if the server was closed before.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open.url != "" {
		return s.open.url
	}
	if s.open.closed {
		panic("chaimtest: URL asked of a closed server")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		if l, err = net.Listen("tcp6", "[::1]:0"); err != nil {
			panic("chaimtest: no loopback socket: " + err.Error())
		}
	}
	s.open.socket, s.open.url = l, "http://"+l.Addr().String()
	s.serve(l)
	return s.open.url
}

// GatewayURL returns the URL of the gateway over the socket, which ends in "/prod/". See [Server.URL].
func (s *Server) GatewayURL() string { return s.URL() + gatewayPath }

// STSURL returns the URL of the STS endpoint over the socket, which ends in "/sts". See [Server.URL].
func (s *Server) STSURL() string { return s.URL() + stsPath }

// HTTPClient returns a client that reaches this server in memory, whatever the host, by http or https. Client and server use
// net/http, so time-outs, headers and connection reuse are real. Requests to a host whose name starts with "sts." or
// "sts-fips." go to the STS endpoint, so an AWS client needs no special endpoint in any region or partition. Requests for
// "/federation" at a host with the label "signin" go to the federation endpoint, which has no other address. All calls
// return the same client. It follows redirects as http.DefaultClient does; copy it to change that. After Close its requests
// fail.
func (s *Server) HTTPClient() *http.Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.open.inMemory && !s.open.closed {
		s.open.inMemory = true
		s.serve(s.pipe)
	}
	return s.client
}

// serve accepts connections until Close. The caller holds mu, so that Close waits for the goroutine.
func (s *Server) serve(l net.Listener) {
	s.end.serving.Go(func() { _ = s.http.Serve(l) })
}

// Format prints the server without its secrets, whatever the verb.
func (s *Server) Format(f fmt.State, _ rune) {
	s.mu.Lock()
	url, n := s.open.url, len(s.traffic.requests)
	s.mu.Unlock()
	_, _ = fmt.Fprintf(f, "chaimtest.Server{URL:%q Requests:%d}", url, n)
}
