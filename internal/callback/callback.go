// Package callback waits on this machine for the browser that brings the answer of a sign-in page.
package callback

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/gate"
	"github.com/chaim-go/chaim/internal/keys"
)

// requestTime is how long the browser may take for its request.
const requestTime = 5 * time.Second

// URI returns the address to which the browser returns. An empty port is for servers that accept any.
//
// https://www.rfc-editor.org/rfc/rfc8252#section-7.3
func URI(port, path string) string {
	if port != "" {
		port = ":" + port
	}
	return "http://127.0.0.1" + port + path
}

// Config says what a Server waits for.
type Config struct {
	// Path is the only path that the browser may bring its answer to.
	Path string
	// Port is that of this machine. Zero means any.
	Port int
	// Issuer is the server that must have given the answer, as its parameter iss says. Empty accepts an answer without it.
	Issuer string
	// IsForeign reports whether a connection comes from another user of this machine. Nil means never.
	IsForeign func(peer, here netip.AddrPort) bool
}

// Server waits for the browser to return once. Its State must be in the address of the sign-in page, and is a secret until
// then.
type Server struct {
	URI, State string

	config  Config
	server  *http.Server
	gate    *gate.Gate
	serving sync.WaitGroup
	results chan result
}

type result struct {
	code string
	err  error
}

// Listen begins to wait. Close must be called.
func Listen(c Config) (*Server, error) {
	l, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(c.Port)))
	if err != nil {
		return nil, errtext.Wrap(err, "waiting for the browser")
	}
	_, own, _ := net.SplitHostPort(l.Addr().String())
	b := &Server{URI: URI(own, c.Path), State: rand.Text(), config: c, gate: &gate.Gate{Listener: l}, results: make(chan result, 1)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+c.Path, b.answer)
	b.server = &http.Server{
		Handler: mux, ErrorLog: log.New(io.Discard, "", 0), ReadTimeout: requestTime, WriteTimeout: requestTime, MaxHeaderBytes: 64 << 10,
		ConnState: b.gate.Note,
	}
	b.server.SetKeepAlivesEnabled(false)
	b.serving.Go(func() { _ = b.server.Serve(b.gate) })
	return b, nil
}

// Close ends the server, when the browser has its answer or a second has passed.
func (b *Server) Close() {
	ctx, stop := context.WithTimeout(context.Background(), time.Second)
	defer stop()
	_ = b.server.Shutdown(ctx)
	_ = b.server.Close()
	b.serving.Wait()
}

// Wait returns the code that the browser brings.
func (b *Server) Wait(ctx context.Context) (string, error) {
	select {
	case r := <-b.results:
		return r.code, r.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// answer takes the code from the browser. A request with another state comes from another page, and changes nothing.
func (b *Server) answer(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'")
	h.Set("Cache-Control", "no-store")
	query := r.URL.Query()
	if subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(b.State)) != 1 {
		writePage(w, http.StatusBadRequest, "This is not the sign-in that chaim waits for.")
		return
	}
	if b.isOfOther(r) { // last, because it is slow on a machine with many connections
		writePage(w, http.StatusForbidden, "This is another user's sign-in.")
		return
	}
	var found result
	switch code, refusal := query.Get("code"), query.Get("error"); {
	case !b.isOfIssuer(query):
		found.err = fmt.Errorf("the answer that the browser brought is not one of %s", b.config.Issuer)
	case refusal != "":
		text := keys.Printable(refusal)
		if about := query.Get("error_description"); about != "" {
			text += ": " + keys.QuoteShort(about)
		}
		found.err = errtext.Because(keys.ErrDenied, fmt.Errorf("the sign-in page answered %s", text))
	case code == "":
		found.err = errors.New("the browser brought neither a code nor an error")
	default:
		found.code = code
	}
	select {
	case b.results <- found:
	default:
		writePage(w, http.StatusGone, "This sign-in is over.")
		return
	}
	if found.err != nil {
		writePage(w, http.StatusOK, "The sign-in has failed. The terminal says why. You can close this page.")
		return
	}
	writePage(w, http.StatusOK, "chaim has what it needs. You can close this page and go back to the terminal.")
}

// isOfIssuer reports whether the answer comes from the server that was asked. Otherwise another server could take its code.
//
// https://www.rfc-editor.org/rfc/rfc9207
func (b *Server) isOfIssuer(query url.Values) bool {
	return b.config.Issuer == "" || len(query["iss"]) == 1 && query.Get("iss") == b.config.Issuer
}

// isOfOther reports whether a request comes from another user of this machine, whose sign-in it would bring.
func (b *Server) isOfOther(r *http.Request) bool {
	here, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if b.config.IsForeign == nil || here == nil {
		return false
	}
	peer, _ := netip.ParseAddrPort(r.RemoteAddr)
	own, _ := netip.ParseAddrPort(here.String())
	return b.config.IsForeign(peer, own)
}

func writePage(w http.ResponseWriter, status int, text string) {
	w.WriteHeader(status)
	_, _ = io.WriteString(w, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>chaim</title></head><body><main><h1>chaim</h1><p>"+text+"</p></main></body></html>\n")
}
