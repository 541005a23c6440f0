package remote

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

const (
	connectTimeout = 3 * time.Second
	tlsTimeout     = 5 * time.Second

	maxReplySize  = 1 << 20 // after inflating
	maxHeaderSize = 64 << 10
)

// NewTransport returns one with these limits, which trusts AWS_CA_BUNDLE and uses the proxy of the environment.
func NewTransport() (*Transport, error) {
	t := &Transport{
		dialer: newDialer(),
		base: &http.Transport{
			// Networks forget connections without telling. A new one costs little where requests are seconds apart.
			IdleConnTimeout:     5 * time.Second,
			MaxIdleConnsPerHost: 64, // as many callers may share it
		},
	}
	t.dialer.install(t.base)
	if bundle := os.Getenv("AWS_CA_BUNDLE"); bundle != "" {
		roots, _, err := readBundle(bundle, "AWS_CA_BUNDLE")
		if err != nil {
			return nil, err
		}
		t.dialer.tls = &tls.Config{RootCAs: roots}
		t.base.TLSClientConfig = t.dialer.tls // behind a SOCKS proxy
	}
	return t, nil
}

// readBundle reads certificates from the file that a setting names.
func readBundle(path, setting string) (roots *x509.CertPool, pem []byte, err error) {
	ctx, stop := context.WithTimeout(context.Background(), STSTimeout)
	defer stop()
	if pem, _, err = sharedfile.ReadInput(ctx, path); err != nil {
		return nil, nil, errtext.Wrap(err, "reading %s", setting)
	}
	roots = x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, nil, fmt.Errorf("chaim: %s %s holds no PEM certificate", setting, path)
	}
	return roots, pem, nil
}

// RefuseRedirect has the redirect taken for the reply. Go sends a form, and the token in it, again to wherever a 307 or
// 308 points.
func RefuseRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// smallReplies cuts off replies that no STS sends.
type smallReplies struct{ next http.RoundTripper }

func (t smallReplies) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(req)
	if err == nil && resp.Body != nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, maxReplySize), resp.Body}
	}
	return resp, err
}

// exchange sends a request, once, and reads the reply, of which it may take one byte more than is allowed. Its errors are fit
// to be shown.
func exchange(ctx context.Context, client *http.Client, req *http.Request, secrets ...string) (*http.Response, []byte, error) {
	resp, err := client.Do(req)
	var body []byte
	if err == nil {
		defer resp.Body.Close()
		body, err = io.ReadAll(io.LimitReader(resp.Body, maxReplySize+1))
	}
	if err != nil {
		client.CloseIdleConnections() // which may be as dead: the next attempt opens one
		return nil, nil, networkError(ctx, err, secrets...)
	}
	return resp, body, nil
}

// networkError names what went wrong on the way. Only errors that are known to tell of addresses, names and
// certificates are kept: others of net/http quote the peer's bytes, which may be keys or an echo of the token.
func networkError(ctx context.Context, err error, secrets ...string) error {
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
		names = namesIn(untrusted)
		err = final{redaction{limit: maxText, secrets: secrets, local: names}.of(untrusted.Error())}
	case errors.As(err, &timeout) && timeout.Timeout():
		err = errors.New("no complete reply came back in time")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		err = errors.New("it closed the connection")
	default:
		err = errors.New("no HTTP reply came back, from it or from the proxy")
	}
	text := redaction{limit: maxText, secrets: secrets, local: append(names, namesIn(err)...)}.of(errtext.Unprefixed(err))
	if ctx.Err() != nil && !errors.Is(err, errAttemptTimeout) { // it was not given the time to answer
		return errtext.Chain(text, err)
	}
	return errtext.Chain(text, ErrUnreachable, err)
}

// IsAway reports whether that status is what something in between answers for a server that is not there.
func IsAway(status int) bool {
	return status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout
}

// ClientFor copies a program's HTTP client, nil for one of our own, with redirects refused. done closes what was opened.
func ClientFor(given *http.Client) (client *http.Client, done func(), err error) {
	var c http.Client
	if given != nil {
		c, done = *given, func() {}
		c.Transport = newUnshared(given.Transport)
	} else {
		transport, err := NewTransport()
		if err != nil {
			return nil, nil, err
		}
		c.Transport, done = transport, transport.CloseIdleConnections
	}
	c.CheckRedirect = RefuseRedirect
	return &c, done, nil
}
