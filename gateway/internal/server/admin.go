package server

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/pprof"
	"time"
)

var errDraining = errors.New("the gateway is ending")

// profileTimeout is longer than usual profiles take.
const profileTimeout = 2 * time.Minute

func newAdmin(cfg Config, handler http.Handler) *http.Server {
	return &http.Server{
		Handler: recovered(cfg.Log, handler), ReadTimeout: readTimeout, ReadHeaderTimeout: headerTimeout, WriteTimeout: profileTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaders, ErrorLog: quiet(cfg.Log),
	}
}

// adminHandler serves what operators and their machines read. Profiles are for callers on this machine only.
func adminHandler(ready func() error, metrics *Metrics) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { writePlain(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := ready(); err != nil {
			writePlain(w, http.StatusServiceUnavailable, "not ready: "+err.Error())
			return
		}
		writePlain(w, http.StatusOK, "ready")
	})
	mux.Handle("GET /metrics", metrics.handler())
	profiles := http.NewServeMux()
	profiles.HandleFunc("GET /debug/pprof/", pprof.Index)
	profiles.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	profiles.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	profiles.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /debug/pprof/", func(w http.ResponseWriter, r *http.Request) {
		if !peerOf(r).IsLoopback() {
			writePlain(w, http.StatusForbidden, "profiles are for callers on this machine")
			return
		}
		profiles.ServeHTTP(w, r)
	})
	return mux
}

func writePlain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, fmt.Sprintln(text)) // the caller may have left
}
