package httpx

import (
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
)

// CheckEndpoint refuses an endpoint to which keys and tokens would go in clear text. base is the endpoint that the SDK is
// configured to use for a service; nil means AWS.
func CheckEndpoint(service string, base *string, allowInsecure bool, log *slog.Logger) error {
	if base == nil {
		return nil
	}
	u, err := url.Parse(*base)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("chaim: endpoint of %s is not an https URL", service)
	case u.Scheme == "https" || IsLoopback(u):
	case allowInsecure:
		log.Warn("chaim: "+service+" is plain http, so anyone on the way can read the keys", "host", u.Host)
	default:
		return fmt.Errorf("chaim: endpoint of %s is plain http to %q: the keys would be readable on the way; use https, a loopback address such as 127.0.0.1, or AllowInsecure", service, u.Host)
	}
	return nil
}

// IsLoopback reports whether a URL has a literal loopback address. The name "localhost" may resolve to another address.
func IsLoopback(u *url.URL) bool {
	addr, err := netip.ParseAddr(u.Hostname())
	return err == nil && addr.IsLoopback()
}
