package httpx

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// globalLog redirects the global logger for the rest of the test, and returns a function that returns its output.
func globalLog(t *testing.T) func() string {
	t.Helper()
	var mu sync.Mutex
	var told bytes.Buffer
	before := log.Writer()
	log.SetOutput(writerFunc(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return told.Write(p)
	}))
	t.Cleanup(func() { log.SetOutput(before) })
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		return told.String()
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

const canary = "CANARYsecret"

// talker is a server that sends fixed bytes on each connection, whatever the request.
type talker struct {
	address  string
	greeting string        // sent before a request comes
	reply    string        // sent for each request
	late     string        // sent when the client has the reply
	hasReply chan struct{} // receives a value when the client has the reply
	closed   chan struct{} // receives a value when the client has closed a connection

	mu    sync.Mutex
	count int // connections so far
}

func (s *talker) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

// start serves until the end of the test, by TLS if cfg is not nil.
func (s *talker) start(t *testing.T, cfg *tls.Config) {
	t.Helper()
	s.hasReply, s.closed = make(chan struct{}, 1), make(chan struct{}, 100)
	s.address = serve(t, func(conn net.Conn) {
		s.mu.Lock()
		s.count++
		s.mu.Unlock()
		if cfg != nil {
			conn = tls.Server(conn, cfg)
		}
		s.talk(t.Context(), conn)
		s.closed <- struct{}{}
	})
}

func (s *talker) talk(ctx context.Context, conn net.Conn) {
	if _, err := io.WriteString(conn, s.greeting); err != nil {
		return
	}
	requests := bufio.NewReader(conn)
	for {
		req, err := http.ReadRequest(requests)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, req.Body)
		if _, err := io.WriteString(conn, s.reply); err != nil {
			return
		}
		if s.late != "" {
			select {
			case <-s.hasReply:
			case <-ctx.Done():
				return
			}
			_, _ = io.WriteString(conn, s.late)
		}
	}
}

// serve listens on the address that it returns and calls handle for each connection. At the end of the test it closes all
// connections and waits for the calls.
func serve(t *testing.T, handle func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer closeAtEnd(t, conn)()
				handle(conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
	})
	return l.Addr().String()
}

// closeAtEnd closes a connection when the returned function is called, and at the end of the test at the latest.
func closeAtEnd(t *testing.T, conn net.Conn) func() {
	stop := context.AfterFunc(t.Context(), func() { _ = conn.Close() })
	return func() {
		stop()
		_ = conn.Close()
	}
}

// join forwards bytes in both directions until one side ends.
func join(a, b net.Conn) {
	defer b.Close()
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = io.Copy(b, a); _ = b.Close() })
	_, _ = io.Copy(a, b)
	_ = a.Close()
	wg.Wait()
}

// serveCONNECT starts an HTTP proxy with a password. It connects every client to the same server.
func serveCONNECT(t *testing.T, to string, cfg *tls.Config) string {
	t.Helper()
	return serve(t, func(conn net.Conn) {
		if cfg != nil {
			conn = tls.Server(conn, cfg)
		}
		req, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil || req.Method != http.MethodConnect || req.Header.Get("Proxy-Authorization") != "Basic dTpw" {
			_, _ = io.WriteString(conn, "HTTP/1.1 407 No\r\n\r\n"+canary)
			return
		}
		server, err := net.Dial("tcp", to)
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
		join(conn, server)
	})
}

// serveSOCKS starts a SOCKS 5 proxy without a password. It connects every client to the same server.
func serveSOCKS(t *testing.T, to string) string {
	t.Helper()
	return serve(t, func(conn net.Conn) {
		head := make([]byte, 2)
		if _, err := io.ReadFull(conn, head); err != nil {
			return
		}
		_, _ = io.CopyN(io.Discard, conn, int64(head[1]))
		_, _ = conn.Write([]byte{5, 0})
		ask := make([]byte, 5)
		if _, err := io.ReadFull(conn, ask); err != nil {
			return
		}
		_, _ = io.CopyN(io.Discard, conn, int64(ask[4])+2)
		server, err := net.Dial("tcp", to)
		if err != nil {
			return
		}
		_, _ = conn.Write(binary.BigEndian.AppendUint16([]byte{5, 0, 0, 1, 0, 0, 0, 0}, 1))
		join(conn, server)
	})
}

// way is one kind of connection from a client to a server.
type way struct {
	name      string
	transport *http.Transport // of a program's own client
	own       *Transport      // chaim's
	url       string
}

// waysTo starts the server twice, plain and with TLS, and returns all ways to it.
func waysTo(t *testing.T, newServer func() *talker) map[*talker][]way {
	t.Helper()
	cert := httptest.NewTLSServer(nil) // for its certificate
	t.Cleanup(cert.Close)
	cfg := &tls.Config{Certificates: cert.TLS.Certificates}
	roots := x509.NewCertPool()
	roots.AddCert(cert.Certificate())
	clientTLS := func() *tls.Config { return &tls.Config{RootCAs: roots} }

	ways := map[*talker][]way{}
	add := func(s *talker, name, address string, proxy string) {
		proxyOf := func(*http.Request) (*url.URL, error) { return nil, nil }
		if proxy != "" {
			u, err := url.Parse(proxy)
			require.NoError(t, err)
			proxyOf = http.ProxyURL(u)
		}
		own := NewTransport(nil)
		own.dialer.proxyOf, own.dialer.TLS = proxyOf, clientTLS()
		own.base.TLSClientConfig = clientTLS()
		theirs := &http.Transport{Proxy: proxyOf, TLSClientConfig: clientTLS()}
		t.Cleanup(own.CloseIdleConnections)
		t.Cleanup(theirs.CloseIdleConnections)
		ways[s] = append(ways[s], way{name, theirs, own, address})
	}
	plain, secure := newServer(), newServer()
	plain.start(t, nil)
	secure.start(t, cfg)
	add(plain, "plain", "http://"+plain.address, "")
	add(plain, "forward proxy", "http://gateway.example", "http://"+plain.address)
	add(plain, "SOCKS", "http://gateway.example", "socks5://"+serveSOCKS(t, plain.address))
	add(secure, "TLS", "https://"+secure.address, "")
	add(secure, "forward proxy by TLS", "http://gateway.test", "https://"+secure.address)
	add(secure, "CONNECT", "https://example.com", "http://u:p@"+serveCONNECT(t, secure.address, nil))
	add(secure, "CONNECT by TLS", "https://example.com", "https://u:p@"+serveCONNECT(t, secure.address, cfg))
	add(secure, "SOCKS by TLS", "https://example.com", "socks5://"+serveSOCKS(t, secure.address))
	return ways
}

const (
	sized   = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
	chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
	trailed = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-A\r\n\r\n2;x=y\r\n{}\r\n0\r\nX-A: some value of a trailer\r\n\r\n"
	empty   = "HTTP/1.1 204 No Content\r\n\r\n"
)

// post sends one request.
func post(ctx context.Context, t *testing.T, client *http.Client, address string) error {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader("a=b"))
	require.NoError(t, err)
	_, _, err = Exchange(ctx, client, req)
	return err
}

func TestSurplusReachesNoLogger(t *testing.T) {
	for name, form := range map[string]struct{ reply, late string }{
		"second reply":         {reply: sized + strings.Replace(sized, "{}", canary, 1)},
		"reply of 6 KiB twice": {reply: strings.Repeat("HTTP/1.1 200 OK\r\nContent-Length: 6000\r\n\r\n"+strings.Repeat("x", 6000), 2)},
		"junk":                 {reply: sized + canary + "\x00\xff"},
		"one byte":             {reply: sized + "x"},
		"a status":             {reply: sized + "HTTP/1.1 100 Continue\r\n\r\n"},
		"after chunks":         {reply: chunked + canary},
		"after a trailer":      {reply: trailed + canary},
		"after 204":            {reply: empty + canary},
		"after an error":       {reply: "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n" + canary},
		"after a redirect":     {reply: "HTTP/1.1 307 There\r\nLocation: /\r\nContent-Length: 0\r\n\r\n" + canary},
		"late":                 {reply: sized, late: canary},
		"late, after chunks":   {reply: chunked, late: sized},
		"late, after 204":      {reply: empty, late: canary},
	} {
		t.Run(name, func(t *testing.T) {
			told := globalLog(t)
			for s, ways := range waysTo(t, func() *talker { return &talker{reply: form.reply, late: form.late} }) {
				for _, w := range ways {
					program, done := ClientFor(&http.Client{Transport: w.transport}, nil)
					defer done()
					ours := &http.Client{Transport: w.own, CheckRedirect: RefuseRedirect}
					for kind, client := range map[string]*http.Client{"program's": program, "ours": ours} {
						require.NoError(t, post(t.Context(), t, client, w.url), "%s %s", kind, w.name)
						if s.late != "" {
							s.hasReply <- struct{}{}
						}
						<-s.closed // the client has read the late bytes
						assert.Empty(t, told(), "%s %s", kind, w.name)
					}
				}
			}
		})
	}
}

func TestGreetingReachesNoLogger(t *testing.T) {
	told := globalLog(t)
	for s, ways := range waysTo(t, func() *talker { return &talker{greeting: canary + "\r\n" + sized, reply: sized} }) {
		for _, w := range ways {
			if strings.HasPrefix(w.name, "SOCKS") {
				continue // here net/http does the TLS handshake itself
			}
			_ = post(t.Context(), t, &http.Client{Transport: w.own}, w.url)
			<-s.closed
			assert.Empty(t, told(), w.name)
		}
	}
}

func TestTransportSharesConnections(t *testing.T) {
	for name, reply := range map[string]string{"sized": sized, "chunked": chunked, "trailed": trailed, "empty": empty} {
		for s, ways := range waysTo(t, func() *talker { return &talker{reply: reply} }) {
			for _, w := range ways {
				before := s.connections()
				client := &http.Client{Transport: w.own}
				for range 20 {
					require.NoError(t, post(t.Context(), t, client, w.url), w.name)
				}
				want := 1
				if w.name == "SOCKS by TLS" {
					want = 20
				}
				assert.Equal(t, want, s.connections()-before, "%s %s", name, w.name)
			}
		}
	}
}

func TestTransportOfManyCallers(t *testing.T) {
	told := globalLog(t)
	s := &talker{reply: sized}
	s.start(t, nil)
	own, done := ClientFor(nil, nil)
	defer done()
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 50 {
				assert.NoError(t, post(t.Context(), t, own, "http://"+s.address))
			}
		})
	}
	wg.Wait()
	// Some callers dial, but then reuse the connection of a caller that is done. How many depends on the machine.
	assert.Less(t, s.connections(), 16*50/4)
	assert.Empty(t, told())
}

// TestTransportSpeaksHTTP1: server and program's transport prefer HTTP/2, with which net/http prints unknown frames.
func TestTransportSpeaksHTTP1(t *testing.T) {
	told := globalLog(t)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) }))
	srv.EnableHTTP2, srv.Config.ErrorLog = true, log.New(io.Discard, "", 0)
	srv.StartTLS()
	defer srv.Close()
	ask := func(client *http.Client) string {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL, nil)
		require.NoError(t, err)
		_, body, err := Exchange(t.Context(), client, req)
		require.NoError(t, err)
		return string(body)
	}
	own := NewTransport(nil)
	defer own.CloseIdleConnections()
	own.dialer.TLS = srv.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	assert.Equal(t, "HTTP/1.1", ask(&http.Client{Transport: own}))

	trusting := &tls.Config{RootCAs: own.dialer.TLS.RootCAs}
	onlyHTTP2 := new(http.Protocols)
	onlyHTTP2.SetHTTP2(true)
	for name, theirs := range map[string]*http.Transport{
		"forced":    {TLSClientConfig: trusting.Clone(), ForceAttemptHTTP2: true},
		"no other":  {TLSClientConfig: trusting.Clone(), Protocols: onlyHTTP2},
		"preferred": {TLSClientConfig: &tls.Config{RootCAs: trusting.RootCAs, NextProtos: []string{"h2", "http/1.1"}}, ForceAttemptHTTP2: true},
	} {
		program := &http.Client{Transport: theirs}
		defer theirs.CloseIdleConnections()
		for range 2 { // before and after the program has used it
			client, done := ClientFor(program, nil)
			defer done()
			assert.Equal(t, "HTTP/1.1", ask(client), name)
			assert.Equal(t, "HTTP/1.1", ask(ofSDK(program)), name)
			assert.Equal(t, "HTTP/2.0", ask(program), "the program's own requests, %s", name)
		}
	}
	assert.Empty(t, told())
}

// ofSDK returns a program's client as chaim gives it to the SDK.
func ofSDK(program *http.Client) *http.Client {
	return &http.Client{Transport: SmallReplies{Next: Unshared(program.Transport)}, CheckRedirect: RefuseRedirect}
}

// both returns a reply together with an error. net/http prints a warning about that.
type both struct{ closed *int }

func (b both) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: b}, errors.New("x")
}
func (b both) Read([]byte) (int, error) { return 0, io.EOF }
func (b both) Close() error             { *b.closed++; return nil }

func TestReplyBesideErrorReachesNoLogger(t *testing.T) {
	told := globalLog(t)
	closed := 0
	program := &http.Client{Transport: both{&closed}}
	client, done := ClientFor(program, nil)
	defer done()
	for _, c := range []*http.Client{client, ofSDK(program)} {
		assert.Error(t, post(t.Context(), t, c, "https://127.0.0.1:1/"))
	}
	assert.Equal(t, 2, closed, "replies that were closed")
	assert.Empty(t, told())
}

// swallower is a relay that can stop forwarding on its open connections without closing them.
type swallower struct {
	address string
	mu      sync.Mutex
	count   int
	dead    chan struct{}
}

func newSwallower(t *testing.T, to string) *swallower {
	t.Helper()
	s := &swallower{dead: make(chan struct{})}
	s.address = serve(t, func(conn net.Conn) {
		s.mu.Lock()
		s.count++
		dead := s.dead
		s.mu.Unlock()
		server, err := net.Dial("tcp", to)
		if err != nil {
			return
		}
		defer closeAtEnd(t, server)()
		forward := func(to, from net.Conn) {
			buffer := make([]byte, 4096)
			for {
				n, err := from.Read(buffer)
				if err != nil {
					_, _ = to.Close(), from.Close() // this also ends a write in the other direction
					return
				}
				select {
				case <-dead:
				default:
					_, _ = to.Write(buffer[:n])
				}
			}
		}
		var wg sync.WaitGroup
		wg.Go(func() { forward(server, conn) })
		forward(conn, server)
		wg.Wait()
	})
	return s
}

// swallow stops forwarding on the open connections. New ones are forwarded.
func (s *swallower) swallow() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.dead)
	s.dead = make(chan struct{})
}

func TestTimeOutIsFollowedByANewConnection(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	srv.EnableHTTP2, srv.Config.ErrorLog = true, log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close) // waits for the relay's connections, which end with t.Context()
	trusting := srv.Client().Transport.(*http.Transport).TLSClientConfig
	for _, kind := range []string{"ours", "program's, HTTP/2"} {
		relay := newSwallower(t, srv.Listener.Addr().String())
		address := "https://" + relay.address
		own := NewTransport(nil)
		defer own.CloseIdleConnections()
		own.dialer.TLS = trusting.Clone()
		client := &http.Client{Transport: own}
		if kind != "ours" {
			theirs := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusting.RootCAs}, ForceAttemptHTTP2: true}
			defer theirs.CloseIdleConnections()
			resp, err := (&http.Client{Transport: theirs}).Get(address) // the program's own request
			require.NoError(t, err)
			assert.Equal(t, 2, resp.ProtoMajor)
			_ = resp.Body.Close()
			var done func()
			client, done = ClientFor(&http.Client{Transport: theirs}, nil)
			defer done()
		}
		var wg sync.WaitGroup
		for range 4 { // several connections become idle
			wg.Go(func() { assert.NoError(t, post(t.Context(), t, client, address)) })
		}
		wg.Wait()
		relay.swallow()
		var err error
		for n := range attempts { // the first may take an old connection, the second one that was still being made
			short, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			err = post(short, t, client, address)
			cancel()
			if n > 0 && err == nil {
				break
			}
		}
		require.NoError(t, err, kind)
	}
}
