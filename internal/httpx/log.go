package httpx

import (
	"log/slog"
	"net/http"
	"time"
)

// Logged returns a client like c that logs each request at the level Debug: where it goes, and the status, but neither query
// nor body, which may hold secrets.
func Logged(c *http.Client, log *slog.Logger) *http.Client {
	own := *c
	own.Transport = logged{c.Transport, log}
	return &own
}

type logged struct {
	next http.RoundTripper
	log  *slog.Logger
}

func (l logged) RoundTrip(r *http.Request) (*http.Response, error) {
	start := time.Now()
	resp, err := l.next.RoundTrip(r)
	line := l.log.With("method", r.Method, "host", r.URL.Host, "path", r.URL.Path, "took", time.Since(start))
	if err != nil {
		line.Debug("chaim: request failed") // the error is reported elsewhere, without its secrets
		return nil, err
	}
	line.Debug("chaim: request answered", "status", resp.StatusCode)
	return resp, nil
}
