package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// tlsFor returns the TLS configuration of the public listener; nil means plain http.
func tlsFor(cfg Config) (*tls.Config, error) {
	switch {
	case (cfg.CertFile == "") != (cfg.KeyFile == ""):
		return nil, errors.New("TLS needs both a certificate and a key: give both files, or neither")
	case cfg.CertFile != "":
		cert := &certificate{certFile: cfg.CertFile, keyFile: cfg.KeyFile, log: cfg.Log}
		if _, err := cert.get(nil); err != nil {
			return nil, err
		}
		return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: cert.get}, nil
	case !isLoopback(cfg.Listen) && len(cfg.TrustedProxies) == 0:
		return nil, fmt.Errorf("plain http at %s would show user tokens and AWS keys to the network: give a certificate and a "+
			"key, or listen at 127.0.0.1, or name the trusted proxies that end TLS", cfg.Listen)
	}
	return nil, nil
}

// isLoopback reports whether only this machine can reach an address to listen at.
func isLoopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return false
	}
	addr, _ := netip.ParseAddr(host) // the zero Addr if host is a name
	return addr.IsLoopback() || host == "localhost"
}

// certificate is a pair of files that may be replaced while the server runs. Any number of goroutines may use it.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu      sync.Mutex
	loaded  *tls.Certificate // nil before the first time
	state   [2]fileState     // of the files when they were loaded
	checked time.Time
}

// fileState changes when a file is replaced or written.
type fileState struct {
	size    int64
	changed time.Time
}

const checkEvery = time.Second

// get returns the certificate of a handshake. If the new files cannot be used, it goes on with the old ones and says so in
// the log.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.loaded != nil && time.Since(c.checked) < checkEvery {
		return c.loaded, nil
	}
	c.checked = time.Now()
	err := c.reload()
	switch {
	case err == nil:
	case c.loaded == nil:
		return nil, err
	default:
		c.log.Warn("the new TLS certificate cannot be used; the old one still is", "error", err)
	}
	return c.loaded, nil
}

// reload loads the files if they have changed.
func (c *certificate) reload() error {
	var state [2]fileState
	for i, name := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return fmt.Errorf("reading the TLS files: %w", err)
		}
		state[i] = fileState{info.Size(), info.ModTime()}
	}
	if c.loaded != nil && state == c.state {
		return nil
	}
	cert, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("reading the TLS files %s and %s: %w", c.certFile, c.keyFile, err)
	}
	if c.loaded != nil {
		c.log.Info("the TLS certificate was replaced", "expires", cert.Leaf.NotAfter)
	}
	c.loaded, c.state = &cert, state
	return nil
}
