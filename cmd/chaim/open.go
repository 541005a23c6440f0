package main

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

	"github.com/chaim-go/chaim/cmd/chaim/internal/loopback"
	"github.com/chaim-go/chaim/internal/awsenv"
	"github.com/chaim-go/chaim/internal/errtext"
)

// openLimit is how long a browser has to start and ask for the page.
const openLimit = time.Minute

// open opens a secret link in the user's browser. A command line would show the link to every user of the machine, so the
// browser is given the address of a page that leads there once.
func (a *app) open(ctx context.Context, link string) error {
	if err := os.Unsetenv(awsenv.GatewayToken); err != nil { // a browser may keep its environment for days
		return fmt.Errorf("chaim: %w", err)
	}
	slow := &waits{patience: waitPatience, tell: a.waits.tell} // of its own, as what was waited for before may have been told
	defer slow.close()
	defer slow.begin("a browser to ask for the page; BROWSER may name the command of one, and 'chaim url' prints the link")()
	return openOnce(ctx, a.log, link, openLimit, browse)
}

// openOnce does so with a function that has a browser open an address, and may return before or after the browser asks for it.
func openOnce(ctx context.Context, log *slog.Logger, link string, limit time.Duration, browse func(address string) error) error {
	page, err := newOncePage(log, link)
	if err != nil {
		return err
	}
	defer page.close()
	late := fmt.Errorf("chaim: no browser asked for the page within %s: is there one on this machine? 'chaim url' prints the link", limit)
	ctx, stop := context.WithTimeoutCause(ctx, limit, late)
	defer stop()
	started := make(chan error, 1)
	go func() { started <- browse(page.address()) }()
	for {
		select {
		case <-page.taken:
			return nil
		case err := <-started:
			if err != nil && !page.isTaken.Load() {
				return errtext.Wrap(err, "no browser could be started; BROWSER may name one, and 'chaim url' prints the link")
			}
			started = nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// browse runs the first command of BROWSER that works, or without one what opens addresses on this system.
func browse(address string) error {
	commands := filepath.SplitList(os.Getenv("BROWSER"))
	if len(commands) == 0 {
		browser.Stdout, browser.Stderr = nil, nil
		return browser.OpenURL(address)
	}
	err := errors.New("BROWSER names no command")
	for _, command := range commands {
		args := strings.Fields(command)
		if len(args) == 0 {
			continue
		}
		if !strings.Contains(command, "%s") {
			args = append(args, "%s")
		}
		for i := range args[1:] {
			args[1+i] = strings.ReplaceAll(args[1+i], "%s", address)
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
	listener         net.Listener
	server           *http.Server
	isForeign        func(peer, here netip.AddrPort) bool
	isTaken          atomic.Bool
	taken            chan struct{} // closed with it
}

func newOncePage(logger *slog.Logger, link string) (*oncePage, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, errtext.Wrap(err, "making a page for the browser")
	}
	p := &oncePage{
		link: link, host: listener.Addr().String(), path: "/" + rand.Text(),
		log: logger, listener: listener, isForeign: loopback.IsForeign, taken: make(chan struct{}),
	}
	p.server = &http.Server{
		Handler: p, ReadHeaderTimeout: 5 * time.Second, MaxHeaderBytes: 16 << 10, ErrorLog: log.New(io.Discard, "", 0),
	}
	p.server.SetKeepAlivesEnabled(false)
	go func() { _ = p.server.Serve(listener) }()
	return p, nil
}

func (p *oncePage) address() string { return "http://" + p.host + p.path }

// close ends the page after the answers that are under way.
func (p *oncePage) close() {
	ctx, stop := context.WithTimeout(context.Background(), 5*time.Second)
	defer stop()
	_ = p.listener.Close() // the server may not have begun
	if p.server.Shutdown(ctx) != nil {
		_ = p.server.Close()
	}
}

// ServeHTTP answers only the address itself: any page in a browser can send requests to a port, and a name that resolves to
// 127.0.0.1 would let it read the answers.
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
		p.log.Warn("chaim: another user of this machine has asked for the page that is for your browser, and did not get it")
		refuse(http.StatusForbidden, "not yours")
	case p.isTaken.Swap(true):
		refuse(http.StatusGone, "this page has been opened before; run the command again")
	default:
		w.Header().Set("Location", p.link)
		w.WriteHeader(http.StatusFound)
		close(p.taken)
	}
}
