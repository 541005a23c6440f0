package server

import (
	"net/http"
	"net/netip"
	"net/url"
)

// contentPolicy lets a page load what the gateway itself serves, and nothing else. No other site can frame it. The directive
// base-uri and form-action do not follow from default-src.
const contentPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'; form-action 'self'"

// Pages returns a handler for pages of people: with headers that keep other sites away, for the host of the gateway's public
// address only, and without requests that another site has caused. public is that address.
func Pages(public *url.URL, next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	next = protection.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		setSafeHeaders(w.Header(), public.Scheme == "https")
		if r.Host != public.Host {
			// The name of the host is the caller's word: a page for another one could share its cookies with that.
			http.Error(w, "The address of this gateway is "+public.String()+". If that is the one that you have opened, the proxy before the "+
				"gateway must pass the header Host on.", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func setSafeHeaders(h http.Header, isTLS bool) {
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	// With "no-referrer" the gateway's own forms would come from the origin "null".
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	h.Set("Cache-Control", "no-store")
	if isTLS {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// AllowForm lets a form of this page lead to a program on this machine: Chromium holds form-action against the redirects that
// follow too. The address must be http at a loopback address, or nothing changes.
func AllowForm(w http.ResponseWriter, origin string) {
	redirect, err := url.Parse(origin)
	if err != nil {
		return
	}
	addr, err := netip.ParseAddrPort(redirect.Host)
	if err != nil || redirect.Scheme != "http" || !addr.Addr().IsLoopback() || addr.Addr().Zone() != "" {
		return
	}
	w.Header().Set("Content-Security-Policy", contentPolicy+" http://"+addr.String())
}
