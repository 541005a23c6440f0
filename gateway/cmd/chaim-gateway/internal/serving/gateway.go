// Package serving puts the parts of a gateway together, and serves until it is told to end. serve and dev use it.
package serving

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/cli"
	"github.com/chaim-go/chaim/gateway/internal/ambient"
	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/config"
	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/internal/journal"
	"github.com/chaim-go/chaim/gateway/internal/server"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/token"
)

// Options say what to serve, and how.
type Options struct {
	Config  *config.Config
	STS     *ambient.Assumer
	Links   issue.Linker // nil means no console links
	Drain   server.Drain
	Log     *slog.Logger
	Version string
}

// Gateway is a gateway whose listeners are open. Run serves. Make one with [Open].
type Gateway struct {
	options Options
	session *cli.Session
	lock    io.Closer // of the database
	ring    *token.File
	journal *journal.Journal
	issuer  *issue.Issuer
	metrics *server.Metrics
	limits  *server.Limits
	server  *server.Server
}

// Open opens the database and the listeners of a gateway, and records its start. The gateway then must Run or Close.
func Open(ctx context.Context, o Options) (_ *Gateway, err error) {
	g := &Gateway{options: o, metrics: server.NewMetrics(), limits: &server.Limits{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, g.Close())
		}
	}()
	if g.session, err = cli.OpenWith(ctx, o.Config); err != nil {
		return nil, err
	}
	g.session.Actor = audit.Actor{Kind: "gateway", Name: replica()}
	g.session.Writer = replica()
	if g.lock, err = g.session.DB.LockServe(); err != nil {
		return nil, err
	}
	if err := g.openRing(ctx); err != nil {
		return nil, err
	}
	if err := g.applyFile(ctx); err != nil {
		return nil, err
	}
	g.journal = journal.New(g.session.DB, journal.Options{Writer: replica(), Observe: func(events int, took time.Duration, err error) {
		if err == nil {
			g.metrics.Appended(events, took)
		} else {
			o.Log.Error("the audit log could not be written", "events", events, "error", err)
		}
	}})
	g.issuer = issue.New(g.deps())
	if err := g.listen(); err != nil {
		return nil, err
	}
	started := g.session.Event(audit.GatewayStarted, "", "version", o.Version, "url", o.Config.Server.URL.String())
	return g, g.session.Append(ctx, store.Change{Events: []audit.Event{started}})
}

// replica is the name of this process in the log.
func replica() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s/%d", host, os.Getpid())
}

// openRing opens the key ring, and compares the audit log with its last checkpoint.
func (g *Gateway) openRing(ctx context.Context) error {
	ring, err := g.session.RingFile()
	if err != nil {
		return err
	}
	g.ring = ring
	return cli.CompareWithCheckpoints(ctx, g.session, ring.Ring())
}

func (g *Gateway) deps() issue.Deps {
	o := g.options
	return issue.Deps{
		Store: g.session.DB, Journal: g.journal, Ring: g.ring, STS: o.STS, Links: o.Links, Log: o.Log,
		Options: issue.Options{Replica: replica(), HideAccounts: o.Config.Legacy.HideAccounts, Admit: g.limits.Users.Admit},
		Hooks: issue.Hooks{
			Ended: g.metrics.Ended,
			STS:   func(took time.Duration, _ issue.Cause) { g.metrics.Stage("sts", took) },
			Appended: func(took time.Duration, isFirst bool) {
				stage := map[bool]string{true: "allow", false: "finish"}[isFirst]
				g.metrics.Stage(stage, took)
			},
		},
	}
}

func (g *Gateway) listen() (err error) {
	c := g.options.Config.Server
	g.server, err = server.New(server.Config{
		Listen: c.Listen, AdminListen: c.AdminListen, CertFile: c.TLSCert, KeyFile: c.TLSKey, TrustedProxies: c.TrustedProxies,
		Drain: g.options.Drain, Log: g.options.Log,
	}, g.public(), g.ready, g.metrics)
	return err
}

// ready says why the process cannot work on requests. It speaks of the process alone: [Open] has read the key ring and has
// checked the schema, and what comes and goes, as the database and STS do, does not count.
func (g *Gateway) ready() error { return cmp.Or(g.session.DB.Forked(), g.issuer.Ready()) }

// Addr is the address of the listener for clients.
func (g *Gateway) Addr() net.Addr { return g.server.Addr() }

// AdminAddr is the address of the listener for operators.
func (g *Gateway) AdminAddr() net.Addr { return g.server.AdminAddr() }

// Run serves until ctx ends and all requests have their answers. Then it closes the gateway.
func (g *Gateway) Run(ctx context.Context) error { return g.run(ctx, func() {}) }

// run is Run, and calls atEnd before it closes the gateway.
func (g *Gateway) run(ctx context.Context, atEnd func()) error {
	after := context.WithoutCancel(ctx) // the work goes on while the server drains
	end := inBackground(after, g.checkpoint)
	stop := inBackground(after, g.issuer.Run, g.load, g.identify, g.countIntents, g.forgetSignIns)
	err := g.server.Run(ctx)
	g.server = nil // its listeners are closed
	stop()
	atEnd()
	stopped := g.session.Event(audit.GatewayStopped, "", "version", g.options.Version)
	err = errors.Join(err, g.session.Append(after, store.Change{Events: []audit.Event{stopped}}))
	end() // with a last checkpoint
	return errors.Join(err, g.Close())
}

// inBackground starts functions. stop ends their context and waits for them.
func inBackground(ctx context.Context, work ...func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	for _, do := range work {
		running.Go(func() { do(ctx) })
	}
	return func() {
		cancel()
		running.Wait()
	}
}

// Close closes what Open has opened. Run does it by itself.
func (g *Gateway) Close() (err error) {
	if g.server != nil {
		err = errors.Join(err, g.server.Close())
	}
	if g.journal != nil {
		err = errors.Join(err, g.journal.Close())
	}
	if g.lock != nil {
		err = errors.Join(err, g.lock.Close())
	}
	if g.session != nil {
		err = errors.Join(err, g.session.Close())
	}
	return err
}
