package container

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
)

// sourceFunc is a source of keys whose clock was not set.
type sourceFunc func() chaim.AwsCreds

func (f sourceFunc) Creds() chaim.AwsCreds { return f() }
func (f sourceFunc) State() chaim.State    { return chaim.StateOK }

// overSource is one of keys that have expired by the monotonic clock alone.
type overSource struct{ sourceFunc }

func (overSource) State() chaim.State { return chaim.StateExpired }

// hourKeys is a source of keys that always have an hour to live.
var hourKeys = sourceFunc(func() chaim.AwsCreds { return keysUntil(time.Now().Add(time.Hour)) })

func keysUntil(end time.Time) chaim.AwsCreds {
	return chaim.AwsCreds{
		Region: "eu-west-2", AccessKeyID: "ASIAEXAMPLE000000001", SecretAccessKey: "CANARYsecret", SessionToken: "CANARYtoken",
		Expires: end,
	}
}

// logbook is where a test's server logs to.
type logbook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logbook) logger() *slog.Logger { return slog.New(slog.NewJSONHandler(l, nil)) }

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

type line struct {
	Time                              time.Time
	Level, Msg, Account, Result, Peer string
	Why, Error                        string
	Unlogged                          int
}

func (l *logbook) lines(t *testing.T) (lines []line) {
	for d := json.NewDecoder(strings.NewReader(l.String())); ; {
		var next line
		err := d.Decode(&next)
		if err == io.EOF {
			return lines
		}
		require.NoError(t, err)
		lines = append(lines, next)
	}
}

// requests counts those that have a line and those that a line counts.
func (l *logbook) requests(t *testing.T) (n int) {
	for _, next := range l.lines(t) {
		n += next.Unlogged
		if next.Result != "" {
			n++
		}
	}
	return n
}

func listenFor(t testing.TB, source Source) (*Server, *logbook) {
	return listenWithin(t, source, 0)
}

// listenWithin is listenFor with another time for a request.
func listenWithin(t testing.TB, source Source, timeout time.Duration) (*Server, *logbook) {
	log := &logbook{}
	s, err := Listen(Config{Source: source, Name: "sredev", Log: log.logger(), timeout: timeout})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return s, log
}

// memory is a listener for a bubble of package synctest.
type memory struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
	last  net.Conn // comes while the listener is being closed
}

func (m *memory) Accept() (net.Conn, error) {
	select {
	case c := <-m.conns:
		return c, nil
	case <-m.done:
		if c := m.last; c != nil {
			m.last = nil
			return c, nil
		}
		return nil, net.ErrClosed
	}
}

func (m *memory) Close() error {
	m.once.Do(func() { close(m.done) })
	return nil
}

func (m *memory) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 4242} }

func (m *memory) dial() net.Conn {
	client, server := net.Pipe()
	m.conns <- server
	return client
}

func serveInMemory(t *testing.T, source Source) (*Server, *memory) {
	m := &memory{conns: make(chan net.Conn, 1000), done: make(chan struct{})}
	s := serve(m, Config{Source: source})
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return s, m
}

func (s *Server) address() string { return s.gate.Addr().String() }

func (s *Server) path() string { return s.handler.path }

func (s *Server) token() string { return s.handler.token }

// request is the text of a good request with these lines added.
func (s *Server) request(lines ...string) string {
	return s.requestOf("GET "+s.path(), append([]string{"Host: " + s.address(), "Authorization: " + s.token()}, lines...)...)
}

func (s *Server) requestOf(start string, lines ...string) string {
	return start + " HTTP/1.1\r\n" + strings.Join(append(lines, "", ""), "\r\n")
}

func dial(t testing.TB, s *Server) net.Conn {
	conn, err := net.Dial("tcp", s.address())
	require.NoError(t, err)
	return conn
}

// exchange sends a text and reads the answer to it. The answer to HEAD has no body.
func exchange(t testing.TB, conn net.Conn, text string) (*http.Response, string) {
	go func() { _, _ = io.WriteString(conn, text) }() // a pipe would wait for the server to read all of it
	method, _, _ := strings.Cut(text, " ")
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp, string(body)
}

// ask sends a text through a connection of its own.
func ask(t testing.TB, s *Server, text string) (*http.Response, string) {
	conn := dial(t, s)
	defer conn.Close()
	return exchange(t, conn, text)
}

// call asks a handler without a socket. An empty token is none.
func call(h http.Handler, path, token string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Host = "127.0.0.1:4242"
	if token != "" {
		r.Header.Set("Authorization", token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func handlerFor(source Source) (h *handler, path, token string, log *logbook) {
	log = &logbook{}
	h = newHandler(Config{Source: source, Name: "sredev", Log: log.logger()}, 4242)
	return h, h.path, h.token, log
}
