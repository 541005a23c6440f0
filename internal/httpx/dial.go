package httpx

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Dialer opens the connections of a transport. It does TLS and CONNECT instead of net/http, so that a [guardedConn] sees the
// decrypted bytes of each connection.
type Dialer struct {
	net.Dialer
	TLS        *tls.Config                           // nil means the defaults
	proxyOf    func(*http.Request) (*url.URL, error) // http.ProxyFromEnvironment, except in tests
	tlsProxies sync.Map                              // addresses of proxies with https URLs
}

var errRedirect = errors.New("the server redirects elsewhere, which would take keys or tokens there")

// NewDialer returns a Dialer that uses the proxy of the environment.
func NewDialer() *Dialer {
	return &Dialer{Dialer: net.Dialer{Timeout: connectTimeout}, proxyOf: http.ProxyFromEnvironment}
}

// Install makes a transport use the Dialer and HTTP/1.1. With HTTP/2 net/http prints a server's errors with the program's
// global logger, and all requests share one connection and fail with it.
func (d *Dialer) Install(t *http.Transport) {
	t.DialContext, t.DialTLSContext, t.Proxy = d.plain, d.secure, d.proxy
	t.Protocols, t.ForceAttemptHTTP2 = new(http.Protocols), false
	t.Protocols.SetHTTP1(true)
	t.TLSHandshakeTimeout, t.MaxResponseHeaderBytes, t.ReadBufferSize = tlsTimeout, maxHeaderSize, readBufferSize
}

// proxy returns the proxy that the transport uses itself. For https that is a SOCKS proxy only; secure uses the others.
// net/http calls proxy before each request, so it also refuses redirects here: some clients of the SDK would repeat keys and
// tokens at the target.
func (d *Dialer) proxy(req *http.Request) (*url.URL, error) {
	if req.Response != nil {
		return nil, errRedirect
	}
	proxy, err := d.proxyOf(req)
	switch {
	case err != nil || proxy == nil:
		return nil, err
	case req.URL.Scheme == "https" && !isSOCKS(proxy):
		return nil, nil
	case proxy.Scheme == "https":
		d.tlsProxies.Store(proxyAddress(proxy), true)
	}
	return proxy, nil
}

func isSOCKS(proxy *url.URL) bool { return strings.HasPrefix(proxy.Scheme, "socks") }

// isSOCKSTunnel reports whether net/http does the TLS for a request. Such a connection cannot be guarded.
func (d *Dialer) isSOCKSTunnel(req *http.Request) bool {
	proxy, err := d.proxyOf(req)
	return err == nil && proxy != nil && isSOCKS(proxy) && req.URL.Scheme == "https"
}

// plain connects to a server or proxy.
func (d *Dialer) plain(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &guardedConn{Conn: conn}, nil
}

// secure connects to a server by TLS, through its proxy if there is one.
func (d *Dialer) secure(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := d.tunnel(ctx, network, address)
	if err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(address)
	if err == nil {
		conn, err = d.handshake(ctx, conn, host)
	}
	if err != nil {
		return nil, err
	}
	return &guardedConn{Conn: conn}, nil
}

// tunnel connects to a server, without TLS.
func (d *Dialer) tunnel(ctx context.Context, network, address string) (net.Conn, error) {
	var proxy *url.URL
	if _, isProxy := d.tlsProxies.Load(address); !isProxy {
		var err error
		if proxy, err = d.proxyOf(&http.Request{URL: &url.URL{Scheme: "https", Host: address}}); err != nil {
			return nil, err
		}
	}
	if proxy == nil {
		return d.DialContext(ctx, network, address)
	}
	conn, err := d.DialContext(ctx, network, proxyAddress(proxy))
	if err == nil && proxy.Scheme == "https" {
		conn, err = d.handshake(ctx, conn, proxy.Hostname())
	}
	if err != nil {
		return nil, &net.OpError{Op: "proxyconnect", Net: "tcp", Err: err}
	}
	if err := connect(ctx, conn, proxy, address); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// handshake puts TLS on a connection, or closes it.
func (d *Dialer) handshake(ctx context.Context, conn net.Conn, host string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, tlsTimeout)
	defer cancel()
	cfg := d.TLS.Clone()
	if cfg == nil {
		cfg = &tls.Config{}
	}
	cfg.ServerName, cfg.NextProtos = host, nil
	secure := tls.Client(conn, cfg)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return secure, nil
}

// connect asks a proxy for a connection to a server.
func connect(ctx context.Context, conn net.Conn, proxy *url.URL, address string) error {
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: address}, Host: address, Header: http.Header{}}
	if proxy.User != nil {
		password, _ := proxy.User.Password()
		pair := base64.StdEncoding.EncodeToString([]byte(proxy.User.Username() + ":" + password))
		req.Header.Set("Proxy-Authorization", "Basic "+pair)
	}
	ctx, cancel := context.WithTimeout(ctx, AttemptTimeout)
	defer cancel()
	end := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	err := req.Write(conn)
	var resp *http.Response
	if err == nil { // a TLS server does not speak first, so the buffer takes nothing of its bytes
		resp, err = http.ReadResponse(bufio.NewReader(io.LimitReader(conn, maxHeaderSize)), req)
	}
	switch {
	case !end():
		return ctx.Err()
	case err != nil:
		return err
	case resp.StatusCode != http.StatusOK:
		return errors.New("the proxy refused")
	}
	return nil
}

func proxyAddress(proxy *url.URL) string {
	port := proxy.Port()
	if port == "" {
		port = map[string]string{"https": "443"}[proxy.Scheme]
	}
	if port == "" {
		port = "80"
	}
	return net.JoinHostPort(proxy.Hostname(), port)
}
