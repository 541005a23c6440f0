package idcenter

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
	"strconv"
	"sync"
	"time"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/gate"
	"github.com/chaim-go/chaim/internal/keys"
)

// callbackPath is the only path that IAM Identity Center takes.
const callbackPath = "/oauth/callback"

// requestTime is how long the browser may take for its request.
const requestTime = 5 * time.Second

// redirectURI returns the address to which the browser returns. It is registered without a port.
func redirectURI(port string) string {
	if port != "" {
		port = ":" + port
	}
	return "http://127.0.0.1" + port + callbackPath
}

// callback is a server on this machine that waits for the browser to return once.
type callback struct {
	uri, state string
	server     *http.Server
	gate       *gate.Gate
	serving    sync.WaitGroup
	results    chan result
	isForeign  func(peer, here netip.AddrPort) bool
}

type result struct {
	code string
	err  error
}

// listen begins to wait. close must be called.
func listen(port int, isForeign func(peer, here netip.AddrPort) bool) (*callback, error) {
	l, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return nil, errtext.Wrap(err, "waiting for the browser")
	}
	_, own, _ := net.SplitHostPort(l.Addr().String())
	b := &callback{
		uri: redirectURI(own), state: rand.Text(), gate: &gate.Gate{Listener: l}, results: make(chan result, 1), isForeign: isForeign,
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+callbackPath, b.answer)
	b.server = &http.Server{
		Handler: mux, ErrorLog: log.New(io.Discard, "", 0), ReadTimeout: requestTime, WriteTimeout: requestTime, MaxHeaderBytes: 64 << 10,
		ConnState: b.gate.Note,
	}
	b.server.SetKeepAlivesEnabled(false)
	b.serving.Go(func() { _ = b.server.Serve(b.gate) })
	return b, nil
}

// close ends the server, when the browser has its answer or a second has passed.
func (b *callback) close() {
	ctx, stop := context.WithTimeout(context.Background(), time.Second)
	defer stop()
	_ = b.server.Shutdown(ctx)
	_ = b.server.Close()
	b.serving.Wait()
}

// wait returns the code that the browser brings.
func (b *callback) wait(ctx context.Context) (string, error) {
	select {
	case r := <-b.results:
		return r.code, r.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// answer takes the code from the browser. A request with another state comes from another page, and changes nothing.
func (b *callback) answer(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'")
	h.Set("Cache-Control", "no-store")
	query := r.URL.Query()
	if subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(b.state)) != 1 {
		writePage(w, http.StatusBadRequest, "This is not the sign-in that chaim waits for.")
		return
	}
	if b.isOfOther(r) { // last, because it is slow on a machine with many connections
		writePage(w, http.StatusForbidden, "This is another user's sign-in.")
		return
	}
	var found result
	switch code, refusal := query.Get("code"), query.Get("error"); {
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

// isOfOther reports whether a request comes from another user of this machine, whose sign-in it would bring.
func (b *callback) isOfOther(r *http.Request) bool {
	here, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if b.isForeign == nil || here == nil {
		return false
	}
	peer, _ := netip.ParseAddrPort(r.RemoteAddr)
	own, _ := netip.ParseAddrPort(here.String())
	return b.isForeign(peer, own)
}

func writePage(w http.ResponseWriter, status int, text string) {
	w.WriteHeader(status)
	_, _ = io.WriteString(w, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>chaim</title></head><body><main><h1>chaim</h1><p>"+text+"</p></main></body></html>\n")
}
