package server

import (
	"encoding/json"
	"log"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxBody    = 64 << 10
	maxHeaders = 16 << 10 // net/http adds 4 KiB

	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second // for headers and body
	idleTimeout   = 60 * time.Second
	// writeTimeout begins when the headers have come. API Gateway, which may be in front, waits 29 s for an answer.
	writeTimeout = 45 * time.Second

	maxStreams = 100 // of a connection with HTTP/2
	pingEvery  = 15 * time.Second
)

// newPublic returns the public server around a handler.
func newPublic(cfg Config, next http.Handler) *http.Server {
	hops := proxies(cfg.TrustedProxies)
	if cfg.CertFile == "" {
		next = hops.onlyFromProxies(next)
	}
	return &http.Server{
		Handler:           limited(hops.located(logged(cfg.Log, recovered(cfg.Log, bounded(maxBusy, maxOfOne, next))))),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaders,
		ErrorLog:          quiet(cfg.Log),

		DisableGeneralOptionsHandler: true, // "OPTIONS *" is a request as any other
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxStreams, SendPingTimeout: pingEvery, PingTimeout: pingEvery, WriteByteTimeout: pingEvery,
		},
	}
}

// quiet returns a log for what net/http has to say. Any scanner can cause it, so it is seen at the level Debug only.
func quiet(to *slog.Logger) *log.Logger { return slog.NewLogLogger(to.Handler(), slog.LevelDebug) }

// limited refuses bodies that are too large for any request, and lets browsers make nothing of any answer but a page. After a body in chunks it closes the connection: if a length was
// there too, which net/http forgets, a proxy may take the rest of the body for the next request of another caller. See RFC
// 9112, section 6.1.
func limited(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 1 && len(r.TransferEncoding) > 0 {
			w.Header().Set("Connection", "close")
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// writeMessage answers as API Gateway does. The text must be one of this package's own.
func writeMessage(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"message": text}) // the client may have left
}

// inFlight counts requests and can wait until none runs. http.Server.Close leaves handlers running.
type inFlight struct {
	mu      sync.Mutex
	running int
	isOver  bool
	idle    chan struct{} // closed when isOver and none runs
}

func newInFlight() *inFlight { return &inFlight{idle: make(chan struct{})} }

// count returns a handler whose requests are counted.
func (f *inFlight) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !f.begin() {
			writeMessage(w, http.StatusServiceUnavailable, "Service Unavailable")
			return
		}
		defer f.end()
		next.ServeHTTP(w, r)
	})
}

func (f *inFlight) begin() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.isOver {
		return false
	}
	f.running++
	return true
}

func (f *inFlight) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.running--; f.running == 0 && f.isOver {
		close(f.idle)
	}
}

// wait refuses new requests, and returns when none runs. Call it once.
func (f *inFlight) wait() {
	f.mu.Lock()
	f.isOver = true
	if f.running == 0 {
		close(f.idle)
	}
	f.mu.Unlock()
	<-f.idle
}

// draining is the state of a server that is about to end.
type draining struct{ isDraining atomic.Bool }

func (d *draining) begin() { d.isDraining.Store(true) }

// ready is next, but false once the drain has begun.
func (d *draining) ready(next func() error) func() error {
	return func() error {
		if d.isDraining.Load() {
			return errDraining
		}
		return next()
	}
}
