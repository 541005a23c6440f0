package server

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

type addressKey struct{}

// ClientAddr returns the address of the caller of a request to the public listener: the rightmost hop that is not a trusted
// proxy. isProven is false if the caller may be elsewhere, for instance because an untrusted peer sent a header that only a
// proxy may send: then it is the address of the peer, and no rule about addresses may hold.
func ClientAddr(r *http.Request) (addr netip.Addr, isProven bool) {
	c, _ := r.Context().Value(addressKey{}).(caller)
	return c.addr, c.isProven
}

// caller is from where a request comes.
type caller struct {
	addr     netip.Addr
	isProven bool
}

// proxies are the networks whose hosts may say from where a request comes.
type proxies []netip.Prefix

func (p proxies) trust(addr netip.Addr) bool {
	return addr.IsValid() && slices.ContainsFunc(p, func(net netip.Prefix) bool { return net.Contains(addr) })
}

// located finds out from where a request comes, for ClientAddr.
func (p proxies) located(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), addressKey{}, p.caller(r))))
	})
}

// onlyFromProxies refuses requests that came over the network without TLS, neither from a proxy that ended it nor from this
// machine.
func (p proxies) onlyFromProxies(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if peer := peerOf(r); !peer.IsLoopback() && !p.trust(peer) {
			writeMessage(w, http.StatusForbidden, "Forbidden: this listener has no TLS and serves trusted proxies only")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// forwardingHeaders tell from where a request comes. Only X-Forwarded-For is read.
var forwardingHeaders = []string{"X-Forwarded-For", "Forwarded", "X-Real-Ip"}

// caller returns the rightmost hop that is not trusted. Each proxy appends the address of its peer, so what stands left of
// that hop is only the caller's claim. It is the peer, and not proven, if the caller is not known: a peer that is no proxy sent
// such a header, a hop is no address, or all hops are proxies.
func (p proxies) caller(r *http.Request) caller {
	peer := peerOf(r)
	if !p.trust(peer) {
		isClaimed := slices.ContainsFunc(forwardingHeaders, func(name string) bool { return len(r.Header[name]) > 0 })
		return caller{peer, peer.IsValid() && !isClaimed}
	}
	hops := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
	for _, hop := range slices.Backward(hops) {
		addr := parseHop(strings.TrimSpace(hop))
		switch {
		case !addr.IsValid():
			return caller{peer, false}
		case !p.trust(addr):
			return caller{addr, true}
		}
	}
	return caller{peer, false}
}

// peerOf returns the address at the other end of the connection.
func peerOf(r *http.Request) netip.Addr { return parseHop(r.RemoteAddr) }

// parseHop reads an address with or without a port, also in brackets. IPv4 in IPv6 becomes IPv4. Other text gives the zero
// Addr.
func parseHop(text string) netip.Addr {
	addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"))
	if err != nil {
		withPort, _ := netip.ParseAddrPort(text) // the zero value if it is no address
		addr = withPort.Addr()
	}
	return addr.Unmap().WithZone("")
}
