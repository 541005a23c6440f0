package httpx

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/keys"
)

// UserAgent names chaim to servers.
const UserAgent = "chaim-go/0.1.0"

const (
	connectTimeout = 3 * time.Second
	tlsTimeout     = 5 * time.Second

	MaxReplySize  = 1 << 20 // after inflating
	maxHeaderSize = 64 << 10
)

// NewTransport returns a transport with these limits and the proxy of the environment. It trusts roots; nil means the
// system's.
func NewTransport(roots *x509.CertPool) *Transport {
	t := &Transport{
		dialer: NewDialer(),
		base: &http.Transport{
			// A network may drop an idle connection silently. A new one costs little when requests are seconds apart.
			IdleConnTimeout:     5 * time.Second,
			MaxIdleConnsPerHost: 64, // Each sends many requests at once
		},
	}
	t.dialer.Install(t.base)
	if roots != nil {
		t.dialer.TLS = &tls.Config{RootCAs: roots}
		t.base.TLSClientConfig = t.dialer.TLS // used behind a SOCKS proxy
	}
	return t
}

// RefuseRedirect returns a redirect as the reply. Go would repeat the form, token included, at the target of a 307 or 308.
func RefuseRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// SmallReplies cuts off replies that are larger than any of STS.
type SmallReplies struct{ Next http.RoundTripper }

func (t SmallReplies) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.Next.RoundTrip(req)
	if err == nil && resp.Body != nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, MaxReplySize), resp.Body}
	}
	return resp, err
}

// Exchange sends a request once and reads the reply, of MaxReplySize+1 bytes at most. Its errors hold no secrets.
func Exchange(ctx context.Context, client *http.Client, req *http.Request, secrets ...string) (*http.Response, []byte, error) {
	resp, err := client.Do(req)
	var body []byte
	if err == nil {
		defer resp.Body.Close()
		body, err = io.ReadAll(io.LimitReader(resp.Body, MaxReplySize+1))
	}
	if err != nil {
		client.CloseIdleConnections() // they may be dead too; the next attempt opens a new one
		return nil, nil, NetworkError(ctx, err, secrets...)
	}
	return resp, body, nil
}

// NetworkError describes a network failure. It keeps only errors about addresses, names and certificates. Other errors of
// net/http quote the peer's bytes, which may be keys or an echo of the token.
func NetworkError(ctx context.Context, err error, secrets ...string) error {
	var op *net.OpError
	var dns *net.DNSError
	var timeout net.Error
	var untrusted *tls.CertificateVerificationError
	var names []string
	switch {
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case errors.As(err, &op):
		err = op
	case errors.As(err, &dns):
		err = dns
	case errors.As(err, &untrusted):
		names = NamesIn(untrusted, nil)
		err = Final{Redaction{Limit: MaxText, Secrets: secrets, Local: names}.Of(untrusted.Error())}
	case errors.As(err, &timeout) && timeout.Timeout():
		err = errors.New("no complete reply came back in time")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		err = errors.New("it closed the connection")
	default:
		err = errors.New("no HTTP reply came back, from it or from the proxy")
	}
	text := Redaction{Limit: MaxText, Secrets: secrets, Local: append(names, NamesIn(err, nil)...)}.Of(errtext.Unprefixed(err))
	if ctx.Err() != nil && !errors.Is(err, errAttemptTimeout) { // the caller stopped waiting: the server may be reachable
		return errtext.Chain(text, err)
	}
	return errtext.Chain(text, keys.ErrUnreachable, err)
}

// ClientFor copies a program's HTTP client. nil stands for chaim's own client, which trusts roots. The client refuses
// redirects. done closes the connections of chaim's own client.
func ClientFor(given *http.Client, roots *x509.CertPool) (client *http.Client, done func()) {
	var c http.Client
	if given != nil {
		c, done = *given, func() {}
		c.Transport = Unshared(given.Transport)
	} else {
		transport := NewTransport(roots)
		c.Transport, done = transport, transport.CloseIdleConnections
	}
	c.CheckRedirect = RefuseRedirect
	return &c, done
}
