// Package dev has the command that runs a gateway for a try: in a folder of its own, with a double of AWS behind it.
package dev

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/cli"
	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/people"
	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/rules"
	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/serving"
	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/setup"
	"github.com/chaim-go/chaim/gateway/internal/ambient"
	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/config"
	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/internal/store"
)

//go:embed policy.yaml
var policyText []byte

// flags are those of dev.
type flags struct {
	dir, policy    string
	double         string
	isAWS, verbose bool
}

// Command returns the command dev. version is that of the program.
func Command(a *cli.App, version string) *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use: "dev [flags] [-- CMD [ARG...]]", Short: "Run a gateway for a try, or CMD with one", Args: cobra.ArbitraryArgs,
		Long: `dev runs a gateway in a scratch folder, which it removes at the end: with SQLite, a user, four accounts that do not exist and
three roles. A double of AWS STS makes its keys, and they open nothing. It prints the address and an init string, and ends
with Ctrl-C.

With CMD it runs CMD with a HOME of its own, in which chaim and the AWS SDKs find the gateway and the double. It ends with CMD,
and its exit code is that of CMD.

With --aws the gateway asks the real AWS STS with your own keys, for the roles and accounts of --policy. --dir keeps the folder.

With --double it makes nothing: it serves the configuration of --config as serve does, but with the double of AWS of a test at
that address. So a test can run several replicas, and end them as it likes.`,
		Example: `  chaim-gateway dev
  chaim-gateway dev -- chaim exec sredev -- aws sts get-caller-identity
  chaim-gateway dev --aws --policy policy.yaml -- chaim listall`,
		RunE: func(cmd *cobra.Command, args []string) error {
			n := cmd.ArgsLenAtDash()
			switch {
			case len(args) > 0 && n < 0:
				return cli.Usagef("%q looks like a program: put -- before it, as in 'chaim-gateway dev -- %s'", args[0], strings.Join(args, " "))
			case n > 0:
				return cli.Usagef("%q stands before --; usage: chaim-gateway dev [flags] [-- CMD [ARG...]]", args[0])
			case f.isAWS && f.policy == "":
				return cli.Usagef("--aws needs --policy FILE: a policy with your own accounts and roles; 'chaim-gateway init' makes an example")
			}
			if f.double != "" {
				if len(args) > 0 {
					return cli.Usagef("--double serves only: it runs no program")
				}
				return serveReplica(cmd.Context(), a, f.double, version)
			}
			return run(cmd.Context(), a, f, args, version)
		},
	}
	set := cmd.Flags()
	set.StringVar(&f.dir, "dir", "", "work in this `FOLDER`, and keep it")
	set.StringVar(&f.policy, "policy", "", "the `FILE` of a policy (default one for accounts that do not exist)")
	set.StringVar(&f.double, "double", "", "serve the configuration with the double of AWS at this `URL`")
	set.BoolVar(&f.isAWS, "aws", false, "ask the real AWS STS with your own keys")
	set.BoolVarP(&f.verbose, "verbose", "v", false, "show the log of the gateway")
	cmd.MarkFlagsMutuallyExclusive("double", "aws")
	cmd.MarkFlagsMutuallyExclusive("double", "dir")
	cmd.MarkFlagsMutuallyExclusive("double", "policy")
	return cmd
}

// devGateway is a gateway in a folder.
type devGateway struct {
	dir    string
	config *config.Config
	user   string
	init   string // the init string of the user
	link   string // signs a browser in as the user once
}

func (d *devGateway) home() string       { return filepath.Join(d.dir, "home") }
func (d *devGateway) bin() string        { return filepath.Join(d.dir, "bin") }
func (d *devGateway) configPath() string { return filepath.Join(d.dir, "config.yaml") }

func run(ctx context.Context, a *cli.App, f flags, program []string, version string) (err error) {
	d := &devGateway{dir: f.dir, user: setup.OSUser()}
	if d.dir == "" {
		if d.dir, err = os.MkdirTemp("", "chaim-gateway-dev-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(d.dir)) }()
	} else if d.dir, err = filepath.Abs(d.dir); err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	if f.verbose {
		if log, err = serving.Log(a.Err, "text", true); err != nil {
			return err
		}
	}
	var double *chaimtest.Server
	if !f.isAWS {
		double = newDouble()
		defer double.Close()
	}
	environ := make(chan []string, 1)
	var work sync.WaitGroup
	defer work.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if len(program) > 0 {
		work.Go(func() { environ <- d.environ(ctx, double) }) // asks the command go, meanwhile
	}
	if err := d.open(ctx); err != nil {
		return err
	}
	sts, err := assumer(ctx, d.config, double, log)
	if err != nil {
		return err
	}
	o := serving.Options{Config: d.config, STS: sts, Drain: serving.Drain(0), Log: log, Version: version}
	if double == nil {
		o.Links = issue.FederationLinks(nil, log)
	} else {
		o.Links = issue.FederationLinks(double.HTTPClient(), log)
	}
	gateway, err := serving.Open(ctx, o) // no other dev has the folder now
	if err != nil {
		return err
	}
	if err := d.furnish(ctx, f); err != nil {
		return errors.Join(err, gateway.Close())
	}
	return d.serve(ctx, a, gateway, program, environ)
}

// serve serves until the program has ended or, without one, until ctx ends.
func (d *devGateway) serve(ctx context.Context, a *cli.App, gateway *serving.Gateway, program []string, environ <-chan []string) error {
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	served := make(chan error, 1)
	go func() { served <- gateway.Run(serving) }()
	var err error
	if len(program) == 0 {
		d.tell(a)
		select {
		case <-ctx.Done():
		case err = <-served: // it failed
			stop()
			return err
		}
	} else {
		err = runProgram(ctx, a, program, <-environ)
	}
	stop()
	return errors.Join(err, <-served)
}

func (d *devGateway) tell(a *cli.App) {
	fmt.Fprintf(a.Out, `gateway      %s
user         %s
init string  %s
sign in      %s
`, d.config.Server.URL, d.user, d.init, d.link)
	a.Say("the gateway serves until Ctrl-C. In another terminal: chaim init STRING, then chaim listall")
	a.Say("or chaim login %s, after you have signed in with the link above, which works once and for 15 minutes", d.config.Server.URL)
	a.Say("both store the settings in your credentials file. To leave your files alone: chaim-gateway dev -- chaim listall")
	a.Say("for its own commands: export CHAIM_GATEWAY_CONFIG=%s", d.configPath())
}

// newDouble returns a double of AWS with the accounts of the policy.
func newDouble() *chaimtest.Server {
	s := chaimtest.NewServer(nil) // it has 111111111111 sredev, 222222222222 Connected Homes and 333333333333 O'Brien
	s.AddAccount("444444444444", "sreprod")
	return s
}

// assumer asks the double, or AWS without one.
func assumer(ctx context.Context, c *config.Config, double *chaimtest.Server, log *slog.Logger) (*ambient.Assumer, error) {
	o := ambient.Options{Regions: c.AWS.Regions, ExternalID: c.AWS.ExternalID.Reveal(), Log: log}
	if double != nil {
		keys := double.AddKeys("999999999999", "chaim-gateway")
		o.Endpoint = double.STSURL()
		o.Credentials = credentials.NewStaticCredentialsProvider(keys.AccessKeyID, keys.SecretAccessKey, "")
	}
	return ambient.New(ctx, o)
}

// furnish gives the gateway its policy and a token, and makes the home of CMD.
func (d *devGateway) furnish(ctx context.Context, f flags) error {
	s, err := cli.OpenWith(ctx, d.config)
	if err != nil {
		return err
	}
	defer s.Close()
	path := f.policy
	if path == "" {
		path = filepath.Join(d.dir, "policy.yaml")
	}
	if _, err := rules.ApplyFile(ctx, s, path); err != nil {
		return err
	}
	if err := d.endTokens(ctx, s); err != nil {
		return err
	}
	token, err := people.NewToken(ctx, s, d.user, tokenLabel, d.config.Legacy.MaxTokenLifetime)
	if err != nil {
		return err
	}
	d.init = token.InitString
	if d.link, err = people.SignInLink(ctx, s, d.user); err != nil {
		return err
	}
	for _, dir := range []string{d.home(), d.bin()} {
		if err := os.RemoveAll(dir); err != nil { // of an earlier run
			return err
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	return errors.Join(d.settle(ctx), installSelf(d.bin()))
}

// tokenLabel tells the tokens of dev from others.
const tokenLabel = "dev"

// endTokens revokes what earlier runs have left, or the user would soon have too many.
func (d *devGateway) endTokens(ctx context.Context, s *cli.Session) error {
	return s.Change(ctx, func(v *store.View) (c store.Change, err error) {
		for _, id := range slices.Sorted(maps.Keys(v.Tokens)) {
			if t := v.Tokens[id]; t.User == d.user && t.Label == tokenLabel && t.Revoked.IsZero() {
				e := s.Event(audit.TokenRevoked, t.User, "token", id)
				c.Events, c.Effects = append(c.Events, e), append(c.Effects, store.RevokeToken(id, e.At))
			}
		}
		return c, nil
	})
}

// open makes the gateway in the folder, or reads the configuration of the one that is there.
func (d *devGateway) open(ctx context.Context) (err error) {
	_, err = os.Stat(d.configPath())
	if err == nil {
		d.config, _, err = config.Load(d.configPath(), nil)
		return err
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	address, err := freeAddress()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(d.dir, "policy.yaml"), policyText, 0o600); err != nil {
		return err
	}
	d.config, err = setup.Make(ctx, setup.Plan{
		Dir: d.dir, URL: "http://" + address, User: d.user, Region: "eu-west-1", Listen: address, AdminListen: "127.0.0.1:0",
	})
	return err
}

// freeAddress returns an address of this machine at which nothing listens.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// settle stores the settings of the gateway in the home of CMD, as 'chaim init' does.
func (d *devGateway) settle(ctx context.Context) error {
	dir := filepath.Join(d.home(), ".aws")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	settings, err := chaim.ParseInit(d.init)
	if err != nil {
		return err
	}
	return settings.Store(ctx, dir)
}
