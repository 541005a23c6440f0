package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestServesTLS(t *testing.T) {
	certFile, keyFile, roots := makeCert(t, t.TempDir(), "one")
	var log safeLog
	s := start(t, Config{CertFile: certFile, KeyFile: keyFile, Log: log.logger()}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from, isProven := ClientAddr(r)
		_, _ = fmt.Fprint(w, r.Proto, " ", from, " ", isProven)
	}))
	status, body, header := get(t, clientOf(t, roots), "https://"+s.Addr().String()+"/")
	assert.Equal(t, []any{200, "HTTP/2.0 127.0.0.1 true"}, []any{status, body})
	assert.Regexp(t, `^req_[0-9a-v]{26}$`, header.Get("X-Request-Id"))
	assert.Contains(t, log.String(), "request="+header.Get("X-Request-Id"))

	plain := &http.Client{}
	resp, err := plain.Get("http://" + s.Addr().String() + "/")
	require.NoError(t, err)
	defer resp.Body.Close()
	assert.Equal(t, 400, resp.StatusCode, "plain http at a TLS port")
}

func TestPlainHTTPNeedsLoopbackOrProxies(t *testing.T) {
	proxy := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for listen, isGood := range map[string]bool{
		"127.0.0.1:0": true, "[::1]:0": true, "localhost:0": true, "127.9.9.9:80": true,
		":8443": false, "0.0.0.0:80": false, "[::]:80": false, "10.0.0.1:80": false, "chaim.example:80": false, "": false, "127.0.0.1.example:80": false,
	} {
		_, err := tlsFor(Config{Listen: listen})
		assert.Equal(t, isGood, err == nil, listen)
		_, err = tlsFor(Config{Listen: listen, TrustedProxies: proxy})
		assert.NoError(t, err, listen)
	}
	_, err := tlsFor(Config{Listen: ":8443"})
	assert.EqualError(t, err, "plain http at :8443 would show user tokens and AWS keys to the network: give a certificate and a key, or listen at 127.0.0.1, or name the trusted proxies that end TLS")
	_, err = tlsFor(Config{CertFile: "x"})
	assert.EqualError(t, err, "TLS needs both a certificate and a key: give both files, or neither")
	_, err = tlsFor(Config{CertFile: "/nowhere/crt", KeyFile: "/nowhere/key"})
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func TestNewSaysWhichAddressCannotBeHad(t *testing.T) {
	s := start(t, Config{}, http.NotFoundHandler())
	for _, cfg := range []Config{
		{Listen: s.Addr().String(), AdminListen: "127.0.0.1:0"}, {Listen: "127.0.0.1:0", AdminListen: s.Addr().String()},
	} {
		cfg.Log = slog.New(slog.DiscardHandler)
		_, err := New(cfg, http.NotFoundHandler(), isReady, NewMetrics())
		assert.ErrorContains(t, err, s.Addr().String())
	}
	free, err := New(Config{Listen: "127.0.0.1:0", AdminListen: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler)}, http.NotFoundHandler(), isReady, NewMetrics())
	require.NoError(t, err)
	require.NoError(t, free.Close())
}

func TestTLSFilesAreReadAgain(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile, _ := makeCert(t, dir, "one")
	synctest.Test(t, func(t *testing.T) {
		var log safeLog
		c := &certificate{certFile: certFile, keyFile: keyFile, log: log.logger()}
		name := func() string {
			cert, err := c.get(nil)
			require.NoError(t, err)
			return cert.Leaf.Subject.CommonName
		}
		assert.Equal(t, "one", name())
		makeCert(t, dir, "second")
		assert.Equal(t, "one", name(), "at most one look a second")
		time.Sleep(checkEvery) // the clock of the bubble
		assert.Equal(t, "second", name())
		assert.Contains(t, log.String(), "the TLS certificate was replaced")

		require.NoError(t, os.WriteFile(keyFile, []byte("not a key, CANARY"), 0o600))
		time.Sleep(checkEvery)
		assert.Equal(t, "second", name())
		assert.Contains(t, log.String(), "the new TLS certificate cannot be used")
		assert.NotContains(t, log.String(), "CANARY")
		require.NoError(t, os.Remove(keyFile))
		time.Sleep(checkEvery)
		assert.Equal(t, "second", name())
		makeCert(t, dir, "three")
		time.Sleep(checkEvery)
		assert.Equal(t, "three", name())
	})
}

// status asks and returns the status, or 0 if the connection failed.
func status(c *http.Client, url string) int {
	resp, err := c.Get(url)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newPiped(t, Config{Listen: "127.0.0.1:1"}, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/slow" {
				time.Sleep(20 * time.Second)
			}
		}), isReady)
		public, admin := s.public.client("127.0.0.1:2"), s.admin.client("127.0.0.1:3")
		ctx, stop := context.WithCancel(t.Context())
		began := time.Now()
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		assert.Equal(t, 200, status(admin, "http://x/readyz"))

		slow := make(chan int, 1)
		go func() { slow <- status(public, "http://x/slow") }()
		synctest.Wait()
		stop()
		synctest.Wait()
		assert.Equal(t, 503, status(admin, "http://x/readyz"), "not ready at once")
		assert.Equal(t, 200, status(admin, "http://x/healthz"))
		time.Sleep(defaultGrace - time.Second)
		assert.Equal(t, 200, status(public, "http://x/"), "still served in the grace")
		time.Sleep(2 * time.Second)
		assert.Equal(t, 0, status(public, "http://x/"), "no new request after the grace")
		assert.Equal(t, 200, <-slow, "the running request gets its answer")
		require.NoError(t, <-ended)
		assert.InDelta(t, 20, time.Since(began).Seconds(), 1.1)
		assert.Equal(t, 0, status(admin, "http://x/healthz"))
	})
}

func TestDrainCutsWhatRunsTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left := make(chan struct{})
		s := newPiped(t, Config{Listen: "127.0.0.1:1"}, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			time.Sleep(time.Minute) // work that goes on without its client
			close(left)
		}), isReady)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		go status(s.public.client("127.0.0.1:2"), "http://x/")
		synctest.Wait()
		stop()
		err := <-ended
		assert.EqualError(t, err, "requests still ran 30s after the drain began; their connections were closed")
		select {
		case <-left:
		default:
			t.Error("Run has not waited for the handler")
		}
	})
}

func TestRunEndsIfAListenerFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newPiped(t, Config{Listen: "127.0.0.1:1"}, http.NotFoundHandler(), isReady)
		ended := make(chan error, 1)
		go func() { ended <- s.Run(t.Context()) }()
		synctest.Wait()
		_ = s.admin.Close()
		assert.ErrorContains(t, <-ended, "serving at the admin listener: ")
	})
}

func TestAdminListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var why error
		s := newPiped(t, Config{Listen: "127.0.0.1:1", Drain: Drain{Grace: -1}}, http.NotFoundHandler(), func() error { return why })
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		ask := func(from, path string) (int, string) {
			code, body, _ := get(t, s.admin.client(from), "http://x"+path)
			return code, body
		}
		code, body := ask("10.1.2.3:4", "/healthz")
		assert.Equal(t, []any{200, "ok\n"}, []any{code, body})
		why = errors.New("the policy was never loaded")
		code, body = ask("10.1.2.3:4", "/readyz")
		assert.Equal(t, []any{503, "not ready: the policy was never loaded\n"}, []any{code, body})
		code, body = ask("10.1.2.3:4", "/metrics")
		assert.Equal(t, 200, code)
		assert.Contains(t, body, "chaim_intents_open 0")
		code, _ = ask("10.1.2.3:4", "/debug/pprof/goroutine?debug=1")
		assert.Equal(t, 403, code)
		code, body = ask("[::1]:4", "/debug/pprof/goroutine?debug=1")
		assert.Equal(t, 200, code)
		assert.Contains(t, body, "goroutine profile")
		code, _ = ask("127.0.0.1:4", "/debug/pprof/cmdline")
		assert.Equal(t, 404, code, "arguments may name files and hosts")
		for _, path := range []string{"/healthz", "/readyz", "/metrics", "/debug/pprof/"} {
			assert.Equal(t, 404, status(s.public.client("127.0.0.1:4"), "http://x"+path), "the public listener has none of these")
		}
		stop()
		require.NoError(t, <-ended)
	})
}

func TestPanics(t *testing.T) {
	type secret struct{ text string }
	var log safeLog
	s := start(t, Config{Log: log.logger()}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/early":
			panic(secret{"CANARY"})
		case "/late":
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
			panic("CANARY")
		}
		panic(http.ErrAbortHandler)
	}))
	code, body, _ := get(t, http.DefaultClient, "http://"+s.Addr().String()+"/early")
	assert.Equal(t, []any{500, `{"message":"Internal server error"}` + "\n"}, []any{code, body})
	resp, err := http.Get("http://" + s.Addr().String() + "/late")
	require.NoError(t, err)
	defer resp.Body.Close()
	_, err = io.ReadAll(resp.Body)
	assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
	_, err = http.Get("http://" + s.Addr().String() + "/abort")
	assert.Error(t, err)
	assert.Contains(t, log.String(), "type=server.secret")
	assert.Equal(t, 2, strings.Count(log.String(), "a request panicked"))
	assert.NotContains(t, log.String(), "CANARY")
}

func TestLogHoldsNoSecrets(t *testing.T) {
	var log safeLog
	s := start(t, Config{Log: log.logger()}, http.NotFoundHandler())
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.Addr().String()+"/chm1_a_CANARY/x"+
		strings.Repeat("CANARY", 10)+"/?token=CANARY", strings.NewReader("token=CANARY"))
	require.NoError(t, err)
	for _, name := range []string{"Authorization", "Cookie", "User-Agent", "Referer", "X-Request-Id", "Content-Type"} {
		req.Header.Set(name, "CANARY")
	}
	req.Host = "CANARY.example"
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	assert.NotContains(t, resp.Header.Get("X-Request-Id"), "CANARY", "the client does not choose the id")
	assert.Contains(t, log.String(), "method=POST path=/[secret]")
	assert.Contains(t, log.String(), "peer=127.0.0.1 caller=127.0.0.1 status=404")
	assert.NotContains(t, log.String(), "CANARY")
}
