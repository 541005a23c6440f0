package server

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/chaim-go/chaim/gateway/internal/ids"
	"github.com/chaim-go/chaim/internal/httpx"
)

const requestIDHeader = "X-Request-Id"

const maxLogged = 100 // characters of a path

// logged gives each request an id of its own, which is in the answer's header X-Request-Id, and logs the request: neither
// query nor headers nor body, because they may hold secrets.
func logged(log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		from, _ := ClientAddr(r)
		id := ids.New("req")
		w.Header().Set(requestIDHeader, id)
		watched := &watchedWriter{ResponseWriter: w}
		defer func() {
			log.LogAttrs(r.Context(), slog.LevelInfo, "request",
				slog.String("request", id), slog.String("method", httpx.Scrub(r.Method, maxLogged)),
				slog.String("path", httpx.Scrub(r.URL.Path, maxLogged)), slog.String("proto", r.Proto),
				slog.String("peer", shown(peerOf(r))), slog.String("caller", shown(from)),
				slog.Int("status", watched.status), slog.Int64("bytes", watched.bytes), slog.Duration("took", time.Since(start)))
		}()
		next.ServeHTTP(watched, r)
	})
}

func shown(addr netip.Addr) string {
	if !addr.IsValid() {
		return "unknown"
	}
	return addr.String()
}

// recovered answers 500 after a panic and logs where it was, but not its value, which may be a secret.
func recovered(log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			thrown := recover()
			switch thrown {
			case nil:
				return
			case http.ErrAbortHandler: // the handler's way to cut the connection
				panic(thrown)
			}
			log.Error("a request panicked", "request", w.Header().Get(requestIDHeader), "type", fmt.Sprintf("%T", thrown),
				"stack", string(debug.Stack()))
			if watched, ok := w.(*watchedWriter); ok && watched.status != 0 {
				panic(http.ErrAbortHandler) // half an answer is gone: cut the connection
			}
			writeMessage(w, http.StatusInternalServerError, "Internal server error")
		}()
		next.ServeHTTP(w, r)
	})
}

// watchedWriter remembers what was answered.
type watchedWriter struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (w *watchedWriter) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *watchedWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the server's writer.
func (w *watchedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
