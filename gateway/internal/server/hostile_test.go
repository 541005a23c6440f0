package server

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestClientAddr(t *testing.T) {
	hops := proxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for name, tt := range map[string]struct {
		peer   string
		header http.Header
		want   string
	}{
		"no proxy":                      {"192.0.2.1:5", nil, "192.0.2.1"},
		"IPv6":                          {"[2001:db8::1]:5", nil, "2001:db8::1"},
		"IPv6 with a zone":              {"[fe80::1%eth0]:5", nil, "fe80::1"},
		"IPv4 in IPv6":                  {"[::ffff:192.0.2.1]:5", nil, "192.0.2.1"},
		"forged by an untrusted peer":   {"192.0.2.1:5", http.Header{"X-Forwarded-For": {"10.0.0.1"}}, "192.0.2.1 claimed"},
		"forged, empty":                 {"192.0.2.1:5", http.Header{"X-Forwarded-For": {""}}, "192.0.2.1 claimed"},
		"forged Forwarded":              {"192.0.2.1:5", http.Header{"Forwarded": {"for=10.0.0.1"}}, "192.0.2.1 claimed"},
		"forged X-Real-IP":              {"192.0.2.1:5", http.Header{"X-Real-Ip": {"10.0.0.1"}}, "192.0.2.1 claimed"},
		"one proxy":                     {"10.0.0.1:5", http.Header{"X-Forwarded-For": {"192.0.2.1"}}, "192.0.2.1"},
		"a proxy in IPv6":               {"[fd00::1]:5", http.Header{"X-Forwarded-For": {"2001:db8::9"}}, "2001:db8::9"},
		"a proxy as IPv4 in IPv6":       {"[::ffff:10.0.0.1]:5", http.Header{"X-Forwarded-For": {"192.0.2.1"}}, "192.0.2.1"},
		"two proxies":                   {"10.0.0.1:5", http.Header{"X-Forwarded-For": {"192.0.2.1, 10.9.9.9"}}, "192.0.2.1"},
		"the caller claims more":        {"10.0.0.1:5", http.Header{"X-Forwarded-For": {"10.1.1.1, 203.0.113.5, 192.0.2.1"}}, "192.0.2.1"},
		"two headers are one list":      {"10.0.0.1:5", http.Header{"X-Forwarded-For": {"203.0.113.5", "192.0.2.1"}}, "192.0.2.1"},
		"with a port":                   {"10.0.0.1:5", http.Header{"X-Forwarded-For": {"192.0.2.1:4711"}}, "192.0.2.1"},
		"in brackets":                   {"10.0.0.1:5", http.Header{"X-Forwarded-For": {"[2001:db8::9]:4711"}}, "2001:db8::9"},
		"in brackets without a port":    {"10.0.0.1:5", http.Header{"X-Forwarded-For": {"[2001:db8::9]"}}, "2001:db8::9"},
		"no header":                     {"10.0.0.1:5", nil, "10.0.0.1 claimed"},
		"another header of a proxy":     {"10.0.0.1:5", http.Header{"X-Real-Ip": {"192.0.2.1"}}, "10.0.0.1 claimed"},
		"only proxies":                  {"10.0.0.1:5", http.Header{"X-Forwarded-For": {"10.2.2.2, 10.3.3.3"}}, "10.0.0.1 claimed"},
		"a word":                        {"10.0.0.1:5", http.Header{"X-Forwarded-For": {"192.0.2.1, unknown"}}, "10.0.0.1 claimed"},
		"an empty hop":                  {"10.0.0.1:5", http.Header{"X-Forwarded-For": {"192.0.2.1,"}}, "10.0.0.1 claimed"},
		"a word left of the caller":     {"10.0.0.1:5", http.Header{"X-Forwarded-For": {"'; drop, 192.0.2.1"}}, "192.0.2.1"},
		"a number with leading zeros":   {"10.0.0.1:5", http.Header{"X-Forwarded-For": {"010.0.0.1"}}, "10.0.0.1 claimed"},
		"a peer that is not an address": {"@", nil, "invalid IP claimed"},
	} {
		t.Run(name, func(t *testing.T) {
			got := hops.caller(&http.Request{RemoteAddr: tt.peer, Header: tt.header})
			text := got.addr.String()
			if !got.isProven {
				text += " claimed"
			}
			assert.Equal(t, tt.want, text)
		})
	}
}

func TestPlainHTTPServesProxiesOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newPiped(t, Config{Listen: ":1", TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Drain: Drain{Grace: -1}},
			http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), isReady)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		for from, want := range map[string]int{"10.1.1.1:2": 200, "127.0.0.1:2": 200, "[::1]:2": 200, "192.0.2.1:2": 403, "[2001:db8::1]:2": 403} {
			assert.Equal(t, want, status(s.public.client(from), "http://x/"), from)
		}
		stop()
		require.NoError(t, <-ended)
	})
}

// TestSlowClientsAreCut sends one byte a second.
func TestSlowClientsAreCut(t *testing.T) {
	for name, tt := range map[string]struct {
		fast, slow string
		limit      time.Duration
	}{
		"headers": {"", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n", headerTimeout},
		"body":    {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n", strings.Repeat("a", 99), readTimeout},
		"nothing": {"", "", headerTimeout},
		"idle":    {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "", idleTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newPiped(t, Config{Listen: "127.0.0.1:1", Drain: Drain{Grace: -1}}, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					_, _ = io.ReadAll(r.Body)
				}), isReady)
				ctx, stop := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- s.Run(ctx) }()
				conn, err := s.public.dial("127.0.0.1:2")
				require.NoError(t, err)
				began := time.Now()
				var writing sync.WaitGroup
				writing.Go(func() {
					_, _ = io.WriteString(conn, tt.fast)
					for _, b := range []byte(tt.slow) {
						time.Sleep(time.Second)
						if _, err := conn.Write([]byte{b}); err != nil {
							return
						}
					}
				})
				_, _ = io.Copy(io.Discard, conn) // until the server closes the connection
				assert.InDelta(t, tt.limit.Seconds(), time.Since(began).Seconds(), 1.1)
				_ = conn.Close()
				writing.Wait()
				stop()
				require.NoError(t, <-ended)
			})
		})
	}
}

// raw sends bytes and returns the statuses of all answers on the connection.
func raw(t *testing.T, addr, request string) (answers []int) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, request)
	require.NoError(t, err)
	require.NoError(t, conn.(*net.TCPConn).CloseWrite())
	reader := bufio.NewReader(conn)
	for {
		resp, err := http.ReadResponse(reader, nil)
		if err != nil {
			return answers
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		answers = append(answers, resp.StatusCode)
	}
}

func TestSmuggledRequestsAreNotServed(t *testing.T) {
	var smuggled atomic.Int32
	s := start(t, Config{}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/smuggled" {
			smuggled.Add(1)
		}
		if _, err := io.ReadAll(r.Body); err != nil {
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	const inner = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	for name, tt := range map[string]struct {
		request string
		want    []int
	}{
		"two lengths":             {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 38\r\n\r\n" + inner, []int{400}},
		"a list of lengths":       {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0, 38\r\n\r\n" + inner, []int{400}},
		"a negative length":       {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n" + inner, []int{400}},
		"a signed length":         {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +0\r\n\r\n" + inner, []int{400}},
		"an unknown encoding":     {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + inner, []int{501}},
		"two encodings":           {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + inner, []int{501}},
		"a space before a colon":  {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + inner, []int{400}},
		"two hosts":               {"POST / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", []int{400}},
		"no host":                 {"POST / HTTP/1.1\r\n\r\n", []int{400}},
		"NUL in a header":         {"POST / HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n", []int{400}},
		"a bad chunk":             {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + inner, []int{400}},
		"a length beside chunks":  {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + inner, []int{200}},
		"large headers":           {"POST / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("a", maxHeaders+8<<10) + "\r\n\r\n", []int{431}},
		"a request line of 32 KB": {"POST /" + strings.Repeat("a", 32<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n", []int{431}},
		"HTTP/0.9":                {"GET /\r\n\r\n", []int{400}},
		"HTTP/2 without TLS":      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", nil},
	} {
		got := raw(t, s.Addr().String(), tt.request)
		if tt.want != nil {
			assert.Equal(t, tt.want, got, name)
		}
		assert.LessOrEqual(t, len(got), 1, name)
	}
	assert.Zero(t, smuggled.Load())
}

func TestLargeBodiesAreCutOff(t *testing.T) {
	certFile, keyFile, roots := makeCert(t, t.TempDir(), "one")
	large := strings.Repeat("a", 10<<20)
	read := make(chan int, 1)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		}
		read <- len(body)
	})
	for _, cfg := range []Config{{}, {CertFile: certFile, KeyFile: keyFile}} {
		s := start(t, cfg, handler)
		scheme := "http://"
		if cfg.CertFile != "" {
			scheme = "https://"
		}
		for size, want := range map[int64]int{maxBody: 200, maxBody + 1: 413, 10 << 20: 413} {
			resp, err := clientOf(t, roots).Post(scheme+s.Addr().String(), "text/plain", io.LimitReader(strings.NewReader(large), size))
			if err == nil { // the client may see its connection end before the answer
				assert.Equal(t, want, resp.StatusCode)
				_ = resp.Body.Close()
			}
			assert.LessOrEqual(t, <-read, maxBody)
		}
	}
}
