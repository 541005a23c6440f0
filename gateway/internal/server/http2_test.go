package server

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestSlowClientsAreCutWithHTTP2 sends a body of one byte a second.
func TestSlowClientsAreCutWithHTTP2(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		certFile, keyFile, roots := makeCert(t, dir, "one") // in here, because the clock of the bubble is another one
		began := time.Now()
		read := make(chan time.Duration, 1)
		s := newPiped(t, Config{CertFile: certFile, KeyFile: keyFile, Drain: Drain{Grace: -1}}, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, err := io.ReadAll(r.Body)
			assert.Error(t, err)
			assert.Equal(t, "HTTP/2.0", r.Proto)
			read <- time.Since(began)
		}), isReady)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		transport := &http.Transport{
			ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"},
			DialContext: func(context.Context, string, string) (net.Conn, error) { return s.public.dial("192.0.2.1:5") },
		}
		reader, writer := io.Pipe()
		written := make(chan struct{})
		go func() {
			defer close(written)
			for range 60 {
				time.Sleep(time.Second)
				if _, err := writer.Write([]byte("a")); err != nil {
					return
				}
			}
		}()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://127.0.0.1/", reader)
		require.NoError(t, err)
		go func() {
			if resp, err := transport.RoundTrip(req); err == nil {
				_ = resp.Body.Close()
			}
			_ = reader.Close()
		}()
		assert.InDelta(t, readTimeout.Seconds(), (<-read).Seconds(), 1.1)
		<-written
		transport.CloseIdleConnections()
		stop()
		require.NoError(t, <-ended)
	})
}
