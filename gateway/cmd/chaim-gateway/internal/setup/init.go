package setup

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/cli"
	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/people"
	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/config"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/token"
)

// Admins is the group of the first user.
const Admins = "admins"

//go:embed policy.yaml
var examplePolicy []byte

// Plan says what gateway to make.
type Plan struct {
	Dir      string // the folder, which may be there
	URL      string
	Database string // empty means SQLite in the folder
	User     string // the first user
	Region   string
	Listen   string // empty means the default
	// AdminListen is the address of health and metrics. Empty means the default.
	AdminListen string
	Environ     []string // variables that come before the configuration file, each NAME=VALUE
}

func initCommand(a *cli.App) *cobra.Command {
	var p Plan
	cmd := &cobra.Command{
		Use: "init DIR", Short: "Make a gateway: configuration, key ring, database, first user", Args: cobra.ExactArgs(1),
		Long: `init makes a gateway in the folder DIR: config.yaml, keyring.json, the database, the first user in the group "admins", and an
example of a policy. It overwrites nothing. It says what comes next.

The key ring protects the tokens and signs the checkpoints of the audit log. It is not in the database, and backups of the
two belong in different places.`,
		Example: `  chaim-gateway init ./gw
  chaim-gateway init /etc/chaim-gateway --url https://chaim.example.com --database env:CHAIM_DSN`,
		RunE: func(cmd *cobra.Command, args []string) error {
			p.Dir, p.Environ = args[0], os.Environ()
			if p.User == "" {
				p.User = OSUser()
			}
			c, err := Make(cmd.Context(), p)
			if err != nil {
				return err
			}
			return tellNext(a, p, c)
		},
	}
	f := cmd.Flags()
	f.StringVar(&p.URL, "url", "http://127.0.0.1:8443", "public `URL` of the gateway: https, or http on a loopback address")
	f.StringVar(&p.Database, "database", "", "`URL` of the database: sqlite:PATH or postgres://…, or env:NAME or file:PATH of where that stands (default sqlite:gateway.db in DIR)")
	f.StringVar(&p.User, "user", "", "`NAME` of the first user (default that of the operating system)")
	f.StringVar(&p.Region, "region", "eu-west-1", "AWS `REGION` whose STS is asked")
	return cmd
}

var notInName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[^a-z0-9._@-]+|^[^a-z0-9]+`) })

// OSUser is a name for a user after that of the operating system, or "you".
func OSUser() string {
	name, _, _ := strings.Cut(cli.LocalActor().Name, "@")
	if i := strings.LastIndexByte(name, '\\'); i >= 0 { // DOMAIN\NAME of Windows
		name = name[i+1:]
	}
	name = notInName().ReplaceAllString(strings.ToLower(name), "")
	if len(name) > 64 || people.CheckUserName(name) != nil {
		return "you"
	}
	return name
}

// Make makes a gateway: the folder, the configuration, the tables, the key ring, and the first user in the group of admins.
func Make(ctx context.Context, p Plan) (*config.Config, error) {
	if err := people.CheckUserName(p.User); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(p.Dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "config.yaml")
	if err := writeNew(path, []byte(p.text())); err != nil {
		return nil, err
	}
	c, _, err := config.Load(path, p.Environ)
	if err == nil {
		err = furnish(ctx, dir, p.User, c)
	}
	if err != nil {
		return nil, errors.Join(err, os.Remove(path)) // so that init can be tried again
	}
	return c, nil
}

// furnish makes all but the configuration.
func furnish(ctx context.Context, dir, user string, c *config.Config) (err error) {
	if err := store.Migrate(ctx, c.Database.Reveal()); err != nil {
		return err
	}
	s, err := cli.OpenWith(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	view, err := s.DB.View(ctx)
	if err != nil {
		return err
	}
	if len(view.Users) > 0 {
		return fmt.Errorf("the database %s has a gateway already, with %d users: give its configuration with --config", c.Where(), len(view.Users))
	}
	ring, err := ringOf(s)
	if err != nil {
		return err
	}
	if err := writeNew(filepath.Join(dir, "policy.yaml"), examplePolicy); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return s.Change(ctx, func(v *store.View) (store.Change, error) {
		at := s.Event(audit.GatewayCreated, "", "gateway", s.DB.ID(), "key", ring.PepperID())
		change := store.Change{
			Events:  []audit.Event{at, s.Event(audit.GroupAdded, "", "group", Admins)},
			Effects: []store.Effect{store.AddGroup(Admins, at.At)},
		}
		v.Groups = append(v.Groups, Admins)
		first, err := people.NewUser(s, v, user, []string{Admins})
		change.Events, change.Effects = append(change.Events, first.Events...), append(change.Effects, first.Effects...)
		return change, err
	})
}

// ringOf makes the key ring, unless an init that failed later has made it already.
func ringOf(s *cli.Session) (*token.Ring, error) {
	ring, err := s.Ring()
	if !errors.Is(err, fs.ErrNotExist) {
		return ring, err
	}
	if ring, err = token.NewRing(s.DB.ID()); err != nil {
		return nil, err
	}
	return ring, ring.Save(s.Config.KeyRing)
}

// writeNew writes a file that must not be there.
func writeNew(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already, and init overwrites nothing: %w", path, fs.ErrExist)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

// text is the text of the configuration.
func (p Plan) text() string {
	var b strings.Builder
	add := func(name, value, comment string) {
		fmt.Fprintf(&b, "# %s\n%s: %s\n\n", comment, name, value)
	}
	add("url", strconv.Quote(p.URL), "The address that clients use. Plain http works on a loopback address only.")
	if p.Listen != "" {
		add("listen", strconv.Quote(p.Listen), "Where the gateway listens for clients.")
	}
	if p.AdminListen != "" {
		add("admin_listen", strconv.Quote(p.AdminListen), "Where health and metrics are.")
	}
	db := p.Database
	if db == "" {
		db = "sqlite:gateway.db"
	}
	add("database", fmt.Sprintf("{url: %q}", db), "People, policy and the audit log. Several replicas need PostgreSQL.")
	add("keyring", "keyring.json", "The keys that protect tokens and sign checkpoints. Only the gateway may read them.")
	add("aws", fmt.Sprintf("{identity: ambient, regions: [%s]}", p.Region), "The gateway asks STS with the keys that the AWS SDK finds where it runs.")
	add("audit", "{checkpoints: checkpoints}", "Signed ends of the audit log. Copy them to where the database cannot reach.")
	if strings.HasPrefix(p.URL, "https:") {
		b.WriteString("# The certificate, or trusted_proxies: [10.0.0.0/8] for the proxies that end TLS before the gateway.\ntls: {cert: tls.crt, key: tls.key}\n")
	}
	return b.String()
}

func tellNext(a *cli.App, p Plan, c *config.Config) error {
	dir, err := filepath.Abs(p.Dir)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.Out, `The gateway is in %[1]s. Its first user is %[2]s. No one may use anything before there is a policy.

  export CHAIM_GATEWAY_CONFIG=%[3]s
  $EDITOR %[4]s                  # your accounts and roles
  chaim-gateway trust-policy rro           # what the roles in your accounts must trust
  chaim-gateway apply -f %[4]s
  chaim-gateway token create %[2]s         # prints an init string for 'chaim init'
  chaim-gateway serve                      # at %[5]s
`, dir, p.User, filepath.Join(dir, "config.yaml"), filepath.Join(dir, "policy.yaml"), c.Server.URL)
	return err
}
