package setup

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/cli"
	"github.com/chaim-go/chaim/gateway/internal/config"
	"github.com/chaim-go/chaim/gateway/internal/idp"
	"github.com/chaim-go/chaim/gateway/internal/session"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/token"
	"github.com/chaim-go/chaim/internal/errtext"
)

// state says how good something is.
type state string

const (
	good    state = "ok"
	warning state = "warning"
	failed  state = "failed"
)

// result is one thing that check has looked at.
type result struct {
	What  string `json:"what"`
	State state  `json:"state"`
	Text  string `json:"text"`
}

// report is what check prints.
type report struct {
	Settings []config.Line `json:"settings"`
	Results  []result      `json:"results"`
}

func (r *report) add(what string, s state, format string, args ...any) {
	r.Results = append(r.Results, result{what, s, fmt.Sprintf(format, args...)})
}

// note adds a result for an error, or a good one.
func (r *report) note(what string, err error, format string, args ...any) {
	if err != nil {
		r.add(what, failed, "%s", errtext.Unprefixed(err))
		return
	}
	r.add(what, good, format, args...)
}

func checkCommand(a *cli.App) *cobra.Command {
	var asJSON, isOffline bool
	cmd := &cobra.Command{
		Use: "check", Short: "Show what was understood of the configuration, and try what it names", Args: cobra.NoArgs,
		Long: `check shows each setting with its source, without secrets. Then it looks at the certificate, the database, the key ring and the
policy, asks the identity provider for its discovery document, and asks STS who the gateway is. It changes nothing. Its exit code is 1 if something keeps the gateway from working.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, from, err := a.Config()
			if err != nil {
				return err
			}
			r := &report{Settings: c.Describe(from)}
			r.checkServer(c)
			r.checkDatabase(cmd.Context(), c)
			if !isOffline {
				r.checkProvider(cmd.Context(), c)
				r.checkSTS(cmd.Context(), a, c)
			}
			return r.show(a, asJSON)
		},
	}
	cmd.Flags().BoolVar(&isOffline, "offline", false, "ask neither AWS nor the identity provider")
	cli.AddJSONFlag(cmd, &asJSON)
	return cmd
}

func (r *report) show(a *cli.App, asJSON bool) error {
	bad := 0
	settings, results := [][]string{{"SETTING", "VALUE", "FROM"}}, [][]string{{"CHECKED", "RESULT", "DETAILS"}}
	for _, s := range r.Settings {
		settings = append(settings, []string{s.Name, s.Value, s.From})
	}
	for _, one := range r.Results {
		results = append(results, []string{one.What, string(one.State), one.Text})
		if one.State == failed {
			bad++
		}
	}
	if asJSON {
		if err := a.JSON(r); err != nil {
			return err
		}
	} else {
		if err := a.Table(settings); err != nil {
			return err
		}
		fmt.Fprintln(a.Out)
		if err := a.Table(results); err != nil {
			return err
		}
	}
	if bad > 0 {
		return &cli.Exit{Code: cli.ExitFailed, Text: fmt.Sprintf("%d of %d checks failed", bad, len(r.Results))}
	}
	return nil
}

// soon is how long before its end a certificate is a warning.
const soon = 14 * 24 * time.Hour

func (r *report) checkServer(c *config.Config) {
	if c.Server.TLSCert != "" {
		r.checkCertificate(c)
	}
	if len(c.Server.TrustedProxies) == 0 {
		r.add("addresses", good, "the address of a client is that of its connection; a request with X-Forwarded-For meets no cidr condition")
	} else {
		r.add("addresses", good, "the address of a client is the last one in X-Forwarded-For that is not a trusted proxy")
	}
	if c.Audit.Checkpoints == "" {
		r.add("checkpoints", warning, "audit.checkpoints is not set: a cut end of the audit log cannot be noticed")
	}
}

func (r *report) checkCertificate(c *config.Config) {
	pair, err := tls.LoadX509KeyPair(c.Server.TLSCert, c.Server.TLSKey)
	if err != nil {
		r.note("certificate", err, "")
		return
	}
	leaf := pair.Leaf
	if leaf == nil {
		leaf, err = x509.ParseCertificate(pair.Certificate[0])
		if err != nil {
			r.note("certificate", err, "")
			return
		}
	}
	left := time.Until(leaf.NotAfter)
	err = leaf.VerifyHostname(c.Server.URL.Hostname())
	switch {
	case err != nil:
		r.note("certificate", err, "")
	case left <= 0:
		r.add("certificate", failed, "it ended %s", leaf.NotAfter.UTC().Format(time.DateTime))
	case left < soon:
		r.add("certificate", warning, "it ends %s", leaf.NotAfter.UTC().Format(time.DateTime))
	default:
		r.add("certificate", good, "until %s", leaf.NotAfter.UTC().Format(time.DateTime))
	}
}

func (r *report) checkDatabase(ctx context.Context, c *config.Config) {
	s, err := cli.OpenWith(ctx, c)
	if err != nil {
		r.note("database", err, "")
		return
	}
	defer s.Close()
	problems, err := s.DB.Check(ctx)
	head, headErr := s.DB.Head(ctx)
	r.note("database", errors.Join(err, headErr), "gateway %s, audit log up to batch %d", s.DB.ID(), head.Seq)
	for _, p := range problems {
		level := failed
		if p.IsWarning {
			level = warning
		}
		r.add("database", level, "%s", p.Text)
	}
	ring, err := s.Ring()
	if err != nil {
		r.note("key ring", err, "")
	} else {
		r.add("key ring", good, "makes tokens with %s", ring.PepperID())
		r.checkCheckpoints(ctx, s, ring)
	}
	view, err := s.DB.View(ctx)
	if err != nil {
		r.note("people", err, "")
		return
	}
	r.checkAdmins(view, c)
	r.add("people", good, "%d users, %d groups, %d tokens", len(view.Users), len(view.Groups), len(view.Tokens))
	engine, err := cli.Engine(view)
	switch {
	case errors.Is(err, cli.ErrNoPolicy):
		r.add("policy", warning, "%v", err)
	case err != nil:
		r.note("policy", err, "")
	default:
		r.add("policy", good, "version %d: %d accounts, %d roles", view.Policy.Seq, len(engine.AllAccounts()), len(engine.Roles()))
	}
	if view.Frozen != "" {
		r.add("issuing", warning, "no keys are lent: %s", view.Frozen)
	}
}

// checkCheckpoints looks whether the gateway would serve with its checkpoints.
func (r *report) checkCheckpoints(ctx context.Context, s *cli.Session, ring *token.Ring) {
	points, _, err := cli.Checkpoints(s, ring)
	if err == nil {
		err = cli.CompareWithCheckpoints(ctx, s, ring)
	}
	switch {
	case s.Config.Audit.Checkpoints == "": // which is a warning of its own
	case err == nil && len(points) == 0:
		r.add("checkpoints", good, "there is none yet: serve writes the first")
	default:
		r.note("checkpoints", err, "the audit log holds the last of %d", len(points))
	}
}

// checkAdmins looks for groups of administrators in which no person can be.
func (r *report) checkAdmins(view *store.View, c *config.Config) {
	for _, group := range c.AdminGroups {
		prefix := c.OIDC.GroupPrefix()
		if !slices.Contains(view.Groups, group) && (prefix == "" || !strings.HasPrefix(group, prefix)) {
			r.add("people", warning, "admin_groups names %q, and there is no such group", group)
		}
	}
}

func (r *report) checkProvider(ctx context.Context, c *config.Config) {
	if !c.OIDC.IsSet() {
		return
	}
	callback := c.Server.URL.JoinPath(session.CallbackPath(c.OIDC.ID)).String()
	err := idp.New(c.OIDC, callback, idp.Options{}).Check(ctx)
	r.note("identity provider", err, "%s; it must know the redirect address %s", c.OIDC.Issuer, callback)
}

func (r *report) checkSTS(ctx context.Context, a *cli.App, c *config.Config) {
	ctx, stop := context.WithTimeout(ctx, 15*time.Second)
	defer stop()
	assumer, err := cli.Assumer(ctx, c, a.WarnLog())
	if err != nil {
		r.note("AWS", err, "")
		return
	}
	who, err := assumer.Identify(ctx)
	r.note("AWS", err, "the gateway is %s", who.ARN)
	if err == nil && who.Chained {
		r.add("AWS", warning, "it is a session of a role, so the keys that it lends last an hour at most (role chaining)")
	}
	if clock := who.ClockProblem(); clock != "" {
		r.add("clock", warning, "%s", clock)
	}
	for _, name := range []string{"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS"} {
		if os.Getenv(name) != "" {
			r.add("AWS", warning, "%s is set; the gateway does not use it", name)
		}
	}
}
