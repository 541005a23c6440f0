package serving

import (
	"context"
	"time"

	"github.com/chaim-go/chaim/gateway/internal/audit"
)

const (
	loadPause     = time.Second
	identifyPause = 30 * time.Second
	intentsPause  = 15 * time.Second
	forgetPause   = time.Hour
	keepSignIns   = time.Hour // after they have expired, so that a code that comes twice is known
	lookTimeout   = 5 * time.Second
)

// each calls do at once and then after each pause, until it returns true or ctx ends.
func each(ctx context.Context, pause time.Duration, do func(context.Context) (isDone bool)) {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		if do(ctx) {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// load reads people, tokens and policy for the first time, and so makes the gateway ready.
func (g *Gateway) load(ctx context.Context) {
	each(ctx, loadPause, func(ctx context.Context) bool {
		err := g.issuer.Load(ctx)
		if err != nil && ctx.Err() == nil {
			g.options.Log.Error("the gateway is not ready", "error", err)
		}
		return err == nil
	})
}

// identify asks STS who the gateway is, until STS answers. The gateway serves meanwhile.
func (g *Gateway) identify(ctx context.Context) {
	each(ctx, identifyPause, func(ctx context.Context) bool {
		who, err := g.options.STS.Identify(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			g.options.Log.Error("AWS STS does not say who the gateway is", "error", err)
		case err == nil && who.Chained:
			g.options.Log.Warn("the gateway is a session of a role, so the keys that it lends last an hour at most", "identity", who.ARN)
		case err == nil:
			g.options.Log.Info("AWS STS knows the gateway", "identity", who.ARN)
		}
		if clock := who.ClockProblem(); clock != "" {
			g.options.Log.Error(clock)
		}
		return err == nil
	})
}

// countIntents keeps the metric of issues that have no end yet.
func (g *Gateway) countIntents(ctx context.Context) {
	each(ctx, intentsPause, func(ctx context.Context) bool {
		ctx, stop := context.WithTimeout(ctx, lookTimeout)
		defer stop()
		if open, err := g.session.DB.OldIntents(ctx, time.Now()); err == nil {
			var oldest time.Duration
			if len(open) > 0 {
				oldest = time.Since(open[0].At)
			}
			g.metrics.IntentsOpen(len(open), oldest)
		}
		if g.session.DB.Forked() != nil {
			g.metrics.Forked()
		}
		return false
	})
}

// forgetSignIns removes the rows of sign-ins that are over.
func (g *Gateway) forgetSignIns(ctx context.Context) {
	each(ctx, forgetPause, func(ctx context.Context) bool {
		ctx, stop := context.WithTimeout(ctx, lookTimeout)
		defer stop()
		if err := g.session.DB.ForgetFlows(ctx, time.Now().Add(-keepSignIns)); err != nil && ctx.Err() == nil {
			g.options.Log.Warn("old sign-ins could not be removed", "error", err)
		}
		return false
	})
}

// checkpoint signs the end of the log, again and again, and at the end of ctx.
func (g *Gateway) checkpoint(ctx context.Context) {
	path := g.options.Config.Audit.Checkpoints
	if path == "" {
		return
	}
	c := &audit.Checkpointer{
		GatewayID: g.session.DB.ID(), Head: g.session.DB.Head, Signer: g.ring.Ring().Signer(), File: audit.CheckpointFile{Path: path},
	}
	c.Run(ctx, g.options.Config.Audit.Every, func(err error) {
		if err != nil {
			g.metrics.CheckpointFailed()
			g.options.Log.Error("a checkpoint of the audit log could not be written", "error", err)
		}
	})
}
