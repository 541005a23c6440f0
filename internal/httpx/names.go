package httpx

import (
	"crypto/x509"
	"errors"
	"io/fs"
	"net"
	"net/url"
	"os"
	"strings"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/lazyregexp"
)

// NamesIn returns the harmless names in an error and its causes, such as paths and hosts. nameOf finds names in error types
// that this package does not know; it may be nil. Texts of chaim's own errors count as names, because they are redacted
// already.
func NamesIn(err error, nameOf func(error) string) []string {
	if err == nil {
		return nil
	}
	var names []string
	if _, isForeign := err.(*foreign); isForeign || errtext.IsMade(err) {
		names = append(names, errtext.Unprefixed(err))
	}
	if nameOf != nil {
		names = append(names, nameOf(err))
	}
	switch err := err.(type) {
	case *fs.PathError:
		names = append(names, err.Path)
	case *os.LinkError:
		names = append(names, err.Old, err.New)
	case *net.DNSError:
		names = append(names, err.Name, err.Server)
	case *net.OpError:
		if err.Addr != nil {
			names = append(names, err.Addr.String())
		}
	case *url.Error:
		names = append(names, addressIn(err.URL))
	case x509.HostnameError:
		names = append(names, err.Host)
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, cause := range many.Unwrap() {
			names = append(names, NamesIn(cause, nameOf)...)
		}
		return names
	}
	return append(names, NamesIn(errors.Unwrap(err), nameOf)...)
}

var plainPath = lazyregexp.New(`^[a-z0-9./_-]*/`)

// addressIn returns the scheme and host of a URL, with its path if that consists of plain words. The rest may be secret.
func addressIn(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil {
		return ""
	}
	path := plainPath().FindString(u.EscapedPath())
	for _, word := range strings.Split(path, "/") {
		if len(word) > 24 {
			path = ""
		}
	}
	return u.Scheme + "://" + u.Host + path
}
