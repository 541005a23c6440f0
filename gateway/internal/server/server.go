// Package server runs the gateway's two listeners: a public one, and one for the operators with health, metrics and
// profiles. It limits what callers may send, finds out their addresses, logs each request and ends in good order.
package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"golang.org/x/sync/errgroup"
)

// Config says how to serve.
type Config struct {
	Listen      string // address of the public listener, such as ":8443"
	AdminListen string // address of the operators' listener, such as "127.0.0.1:9090"; it speaks plain http

	// CertFile and KeyFile are read again when they change. Without them the public listener speaks plain http: then Listen
	// must be a loopback address, or there must be TrustedProxies, and only those and loopback addresses are served.
	CertFile, KeyFile string
	TrustedProxies    []netip.Prefix // that end TLS or pass requests on, and say in X-Forwarded-For from where

	Drain Drain
	Log   *slog.Logger // must be set
}

// Drain says how the server ends. The zero value has the defaults.
type Drain struct {
	Grace time.Duration // from "not ready" to the last new request; zero means 5 s, negative none
	Limit time.Duration // for the requests that run then; zero means 30 s
}

const (
	defaultGrace = 5 * time.Second
	defaultLimit = 30 * time.Second
)

// Server serves until it is told to end. Make it with [New].
type Server struct {
	cfg      Config
	public   *http.Server
	admin    *http.Server
	running  *inFlight // requests to the public listener
	draining *draining
	listener struct{ public, admin net.Listener }
}

// New opens the listeners. ready says why the gateway cannot serve, or nil; it must answer at once, without the network. The
// error says what is wrong with the configuration, or which address cannot be had. Close or Run the server.
func New(cfg Config, public http.Handler, ready func() error, metrics *Metrics) (*Server, error) {
	s, err := build(cfg, public, ready, metrics)
	if err != nil {
		return nil, err
	}
	if s.listener.public, err = net.Listen("tcp", cfg.Listen); err != nil {
		return nil, fmt.Errorf("opening the public listener at %s: %w", cfg.Listen, err)
	}
	if s.listener.admin, err = net.Listen("tcp", cfg.AdminListen); err != nil {
		_ = s.listener.public.Close()
		return nil, fmt.Errorf("opening the admin listener at %s: %w", cfg.AdminListen, err)
	}
	return s, nil
}

// build returns a server without listeners.
func build(cfg Config, public http.Handler, ready func() error, metrics *Metrics) (*Server, error) {
	cfg.Drain.Grace = cmp.Or(cfg.Drain.Grace, defaultGrace)
	cfg.Drain.Limit = cmp.Or(cfg.Drain.Limit, defaultLimit)
	tlsConfig, err := tlsFor(cfg)
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, running: newInFlight(), draining: &draining{}}
	s.public = newPublic(cfg, s.running.count(public))
	s.public.TLSConfig = tlsConfig
	s.admin = newAdmin(cfg, adminHandler(s.draining.ready(ready), metrics))
	return s, nil
}

// Addr returns the address of the public listener.
func (s *Server) Addr() net.Addr { return s.listener.public.Addr() }

// AdminAddr returns the address of the operators' listener.
func (s *Server) AdminAddr() net.Addr { return s.listener.admin.Addr() }

// Close closes the listeners of a server that does not run.
func (s *Server) Close() error {
	return errors.Join(s.listener.public.Close(), s.listener.admin.Close())
}

// Run serves until ctx ends, and then drains: the server says that it is not ready, still takes requests for a grace, and
// then waits for those that run, up to a limit. Run returns when no request runs any more. The error is nil after a good end;
// it says so if requests were cut off at the limit, or if a listener failed. Call it once.
func (s *Server) Run(ctx context.Context) error {
	serving, stop := context.WithCancel(ctx)
	defer stop()
	var group errgroup.Group
	serve := func(name string, serve func() error) {
		group.Go(func() error {
			defer stop() // the other one is of no use alone
			if err := serve(); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serving at the %s listener: %w", name, err)
			}
			return nil
		})
	}
	serve("public", func() error {
		if s.public.TLSConfig == nil {
			return s.public.Serve(s.listener.public)
		}
		return s.public.ServeTLS(s.listener.public, "", "")
	})
	serve("admin", func() error { return s.admin.Serve(s.listener.admin) })
	<-serving.Done()
	drained := s.drain(ctx.Err() != nil)
	return errors.Join(group.Wait(), drained)
}

// drain ends the servers. hasGrace is false if a listener failed.
func (s *Server) drain(hasGrace bool) error {
	s.draining.begin()
	if hasGrace && s.cfg.Drain.Grace > 0 {
		s.cfg.Log.Info("draining", "grace", s.cfg.Drain.Grace, "limit", s.cfg.Drain.Limit)
		s.public.SetKeepAlivesEnabled(false) // so that clients come to another replica
		time.Sleep(s.cfg.Drain.Grace)
	}
	limited, cancel := context.WithTimeout(context.Background(), s.cfg.Drain.Limit)
	defer cancel()
	var cut error
	if err := s.public.Shutdown(limited); err != nil {
		cut = fmt.Errorf("requests still ran %s after the drain began; their connections were closed", s.cfg.Drain.Limit)
		_ = s.public.Close()
	}
	s.running.wait()
	if err := s.admin.Shutdown(limited); err != nil {
		_ = s.admin.Close() // a profile is being taken
	}
	return cut
}
