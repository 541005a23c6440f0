// Package browse opens addresses in the user's browser.
package browse

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cli/browser"

	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/loopback"
	"github.com/chaim-go/chaim/internal/errtext"
)

// Open opens a secret link in the user's browser. Every user of the machine can read command lines, so the browser gets the
// address of a page that leads to the link once. instead says where else the user finds the link.
func Open(ctx context.Context, a *cli.App, link, instead string) error {
	slow := a.Waits.Again()
	defer slow.Close()
	defer slow.Begin("a browser to ask for the page; BROWSER may name the command of one, and " + instead)()
	return openOnce(ctx, a.Log, link, instead, time.Minute, browse)
}

// openOnce is Open with a limit, and with a function that makes a browser open an address, now or soon.
func openOnce(ctx context.Context, log *slog.Logger, link, instead string, limit time.Duration, browse func(string) error) error {
	page, err := newOncePage(log, link)
	if err != nil {
		return err
	}
	defer page.close()
	late := fmt.Errorf("chaim: no browser asked for the page within %s: "+
		"is there one on this machine? %s", limit, instead)
	ctx, stop := context.WithTimeoutCause(ctx, limit, late)
	defer stop()
	failed := make(chan error, 1)
	go func() {
		if err := browse(page.address()); err != nil {
			failed <- err
		}
	}()
	select {
	case <-page.taken:
	case err := <-failed:
		if !page.isTaken.Load() {
			return errtext.Wrap(err, "no browser could be started; BROWSER may name one, and %s", instead)
		}
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// browse runs the first command of BROWSER that works. Without BROWSER it opens the browser of the desktop.
func browse(address string) error {
	commands := filepath.SplitList(os.Getenv("BROWSER"))
	if len(commands) == 0 {
		browser.Stdout, browser.Stderr = nil, nil
		return browser.OpenURL(address)
	}
	err := errors.New("BROWSER names no command")
	for _, command := range commands {
		if !strings.Contains(command, "%s") {
			command += " %s"
		}
		args := strings.Fields(strings.ReplaceAll(command, "%s", address))
		if args[0] == address {
			continue
		}
		if err = exec.Command(args[0], args[1:]...).Run(); err == nil {
			return nil
		}
	}
	return err
}

// oncePage leads the first browser that asks for it to a link.
type oncePage struct {
	link, host, path string
	log              *slog.Logger
	isForeign        func(peer, here netip.AddrPort) bool
	isTaken          atomic.Bool
	taken            chan struct{} // closed when isTaken is set
	close            func()        // ends the page after the answers that are under way
}

func newOncePage(logger *slog.Logger, link string) (*oncePage, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, errtext.Wrap(err, "making a page for the browser")
	}
	p := &oncePage{
		link: link, host: listener.Addr().String(), path: "/" + rand.Text(),
		log: logger, isForeign: loopback.IsForeign, taken: make(chan struct{}),
	}
	server := &http.Server{
		Handler: p, ReadHeaderTimeout: 5 * time.Second, MaxHeaderBytes: 16 << 10, ErrorLog: log.New(io.Discard, "", 0),
	}
	server.SetKeepAlivesEnabled(false)
	p.close = func() {
		ctx, stop := context.WithTimeout(context.Background(), 5*time.Second)
		defer stop()
		_ = listener.Close() // the server may not have begun
		if server.Shutdown(ctx) != nil {
			_ = server.Close()
		}
	}
	go func() { _ = server.Serve(listener) }()
	return p, nil
}

func (p *oncePage) address() string { return "http://" + p.host + p.path }

// ServeHTTP answers only the address itself. Any page in a browser can send requests to a port, and could read the answers
// under a name that resolves to 127.0.0.1.
func (p *oncePage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	refuse := func(status int, why string) {
		p.log.Debug("chaim: page for the browser was not given", "to", r.RemoteAddr, "status", status)
		http.Error(w, why, status)
	}
	peer, _ := netip.ParseAddrPort(r.RemoteAddr)
	here, _ := netip.ParseAddrPort(p.host)
	switch {
	case r.Host != p.host:
		refuse(http.StatusMisdirectedRequest, "wrong host")
	case subtle.ConstantTimeCompare([]byte(r.RequestURI), []byte(p.path)) == 0:
		refuse(http.StatusNotFound, "not found")
	case r.Method != http.MethodGet:
		w.Header().Set("Allow", http.MethodGet)
		refuse(http.StatusMethodNotAllowed, "only GET")
	case p.isForeign(peer, here):
		p.log.Warn("chaim: another user of this machine asked for the page that is for your browser, and did not get it")
		refuse(http.StatusForbidden, "not yours")
	case p.isTaken.Swap(true):
		refuse(http.StatusGone, "this page has been opened before; run the command again")
	default:
		w.Header().Set("Location", p.link)
		w.WriteHeader(http.StatusFound)
		close(p.taken)
	}
}
