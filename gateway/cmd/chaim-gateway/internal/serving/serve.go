package serving

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/cli"
	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/rules"
	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/internal/server"
)

// flags are those of serve.
type flags struct {
	logFormat string
	verbose   bool
	fork      bool
	grace     time.Duration
}

// Command returns the command serve. version is that of the program.
func Command(a *cli.App, version string) *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use: "serve", Short: "Serve until a signal ends it", Args: cobra.NoArgs,
		Long: `serve lends keys to the users of the gateway. On SIGTERM and SIGINT it says at /readyz that it is going, takes requests for
the time of --grace, and waits for those that run, 30 seconds at most. On SIGHUP it reads the key ring and policy.file anew;
certificates are read anew by themselves.

It refuses to start on an audit log that is older than its last checkpoint, as after a wrong restore, or if the last checkpoint
cannot be read. With --accept-fork it goes on nevertheless, as 'chaim-gateway restore --accept-fork' does: all tokens end, and
nothing is lent until 'chaim-gateway apply' has run.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return serve(cmd.Context(), a, f, version) },
	}
	set := cmd.Flags()
	set.StringVar(&f.logFormat, "log-format", "text", "`FORMAT` of the log on stderr: text or json")
	set.BoolVarP(&f.verbose, "verbose", "v", false, "log in detail")
	set.BoolVar(&f.fork, "accept-fork", false, "go on with an audit log that is not that of its last checkpoint")
	set.DurationVar(&f.grace, "grace", 5*time.Second, "how long new requests are still taken at the end, as a `DURATION`")
	return cmd
}

// Log makes the log of a server. It goes to a file, and holds no secret.
func Log(to *os.File, format string, verbose bool) (*slog.Logger, error) {
	level := slog.LevelInfo
	if verbose {
		level = slog.LevelDebug
	}
	options := &slog.HandlerOptions{Level: level}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(to, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(to, options)), nil
	}
	return nil, cli.Usagef("--log-format is text or json, not %q", format)
}

func serve(ctx context.Context, a *cli.App, f flags, version string) error {
	log, err := Log(a.Err, f.logFormat, f.verbose)
	if err != nil {
		return err
	}
	c, _, err := a.Config()
	if err != nil {
		return err
	}
	if f.fork {
		if err := cli.AcceptFork(ctx, a, c); err != nil {
			return err
		}
	}
	sts, err := cli.Assumer(ctx, c, log)
	if err != nil {
		return err
	}
	o := Options{Config: c, STS: sts, Drain: Drain(f.grace), Log: log, Version: version}
	if c.Legacy.ConsoleLinks {
		o.Links = issue.FederationLinks(nil, log)
	}
	g, err := Open(ctx, o)
	if err != nil {
		return err
	}
	hangups := make(chan struct{}, 1)
	release := a.Signals.Take(func(s os.Signal) bool {
		if cli.IsHangup(s) {
			select {
			case hangups <- struct{}{}:
			default: // one is waiting
			}
			return true
		}
		return false
	})
	defer release()
	log.Info("serving", "url", c.Server.URL.String(), "listen", g.Addr().String(), "admin", g.AdminAddr().String(), "database", c.Where(), "version", version)
	return g.runWith(ctx, hangups)
}

// Drain is a drain with a grace, which may be zero.
func Drain(grace time.Duration) server.Drain {
	if grace <= 0 {
		grace = -1
	}
	return server.Drain{Grace: grace}
}

// runWith is Run, and reads files anew whenever hangups says so.
func (g *Gateway) runWith(ctx context.Context, hangups <-chan struct{}) error {
	over := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-hangups:
				g.reload(ctx)
			case <-over:
				return
			}
		}
	}()
	stop := func() {
		close(over)
		<-ended
	}
	return g.run(ctx, stop)
}

// reload reads the key ring and the policy anew.
func (g *Gateway) reload(ctx context.Context) {
	if err := g.ring.Reload(); err != nil {
		g.options.Log.Error("the key ring was not read anew", "error", err)
	}
	if err := g.applyFile(ctx); err != nil {
		g.options.Log.Error("the policy was not applied anew", "file", g.options.Config.Policy.File, "error", err)
	}
}

// applyFile applies the policy of policy.file, if there is one and it is new.
func (g *Gateway) applyFile(ctx context.Context) error {
	path := g.options.Config.Policy.File
	if path == "" {
		return nil
	}
	applied, err := rules.ApplyFile(ctx, g.session, path)
	if err == nil && applied.Seq > 0 {
		g.options.Log.Info("applied the policy", "file", path, "version", applied.Seq)
	}
	return err
}
