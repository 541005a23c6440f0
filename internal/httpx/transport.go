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

// UserAgent is what servers are told.
const UserAgent = "chaim-go/0.1.0"

const (
	connectTimeout = 3 * time.Second
	tlsTimeout     = 5 * time.Second

	MaxReplySize  = 1 << 20 // after inflating
	maxHeaderSize = 64 << 10
)

// NewTransport returns one with these limits, which uses the proxy of the environment. It trusts roots; nil means those of
// the system.
func NewTransport(roots *x509.CertPool) *Transport {
	t := &Transport{
		dialer: NewDialer(),
		base: &http.Transport{
			// Networks forget connections without telling. A new one costs little where requests are seconds apart.
			IdleConnTimeout:     5 * time.Second,
			MaxIdleConnsPerHost: 64, // as many callers may share it
		},
	}
	t.dialer.Install(t.base)
	if roots != nil {
		t.dialer.TLS = &tls.Config{RootCAs: roots}
		t.base.TLSClientConfig = t.dialer.TLS // behind a SOCKS proxy
	}
	return t
}

// RefuseRedirect has the redirect taken for the reply. Go sends a form, and the token in it, again to wherever a 307 or
// 308 points.
func RefuseRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// SmallReplies cuts off replies that no STS sends.
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

// Exchange sends a request, once, and reads the reply, of which it may take one byte more than is allowed. Its errors are fit
// to be shown.
func Exchange(ctx context.Context, client *http.Client, req *http.Request, secrets ...string) (*http.Response, []byte, error) {
	resp, err := client.Do(req)
	var body []byte
	if err == nil {
		defer resp.Body.Close()
		body, err = io.ReadAll(io.LimitReader(resp.Body, MaxReplySize+1))
	}
	if err != nil {
		client.CloseIdleConnections() // which may be as dead: the next attempt opens one
		return nil, nil, NetworkError(ctx, err, secrets...)
	}
	return resp, body, nil
}

// NetworkError names what went wrong on the way. Only errors that are known to tell of addresses, names and
// certificates are kept: others of net/http quote the peer's bytes, which may be keys or an echo of the token.
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
	if ctx.Err() != nil && !errors.Is(err, errAttemptTimeout) { // it was not given the time to answer
		return errtext.Chain(text, err)
	}
	return errtext.Chain(text, keys.ErrUnreachable, err)
}

// ClientFor copies a program's HTTP client, nil for one of our own that trusts roots, with redirects refused. done closes
// what was opened.
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
