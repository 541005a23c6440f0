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

// NamesIn walks through an error and its causes; what knows those of other packages, and may be nil. A text that chaim made
// counts as a name, as it is fit to be shown already: it says what the user typed, and what servers sent only after a
// Redaction.
func NamesIn(err error, what func(error) string) []string {
	if err == nil {
		return nil
	}
	var names []string
	if _, isForeign := err.(*foreign); isForeign || errtext.IsMade(err) {
		names = append(names, errtext.Unprefixed(err))
	}
	if what != nil {
		names = append(names, what(err))
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
			names = append(names, NamesIn(cause, what)...)
		}
		return names
	}
	return append(names, NamesIn(errors.Unwrap(err), what)...)
}

var plainPath = lazyregexp.New(`^[a-z0-9./_-]*/`)

// addressIn is the part of a URL that holds no secret: not the user, and of the path only words.
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
