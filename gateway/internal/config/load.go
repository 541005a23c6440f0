package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/chaim-go/chaim/internal/partition"
)

const (
	// prefix begins the names of the variables that come before the file.
	prefix = "CHAIM_GATEWAY_"
	// Variable names the path of the configuration file.
	Variable = prefix + "CONFIG"
)

// Default is where the configuration is without a flag and without [Variable].
const Default = "/etc/chaim-gateway/config.yaml"

// Settings tells where each value came from: FILE:LINE:COLUMN or the name of a variable, by the path of the setting. A
// setting that is not in there has its default.
type Settings map[string]string

// Load reads the file at path and the variables of the environment, each NAME=VALUE. The error joins all that is wrong. It
// names files, lines, variables and settings, but not the values of secrets.
func Load(path string, environ []string) (*Config, Settings, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the configuration: %w; 'chaim-gateway init' makes one, and --config or %s names another", err, Variable)
	}
	return parse(path, text, environ)
}

func parse(path string, text []byte, environ []string) (*Config, Settings, error) {
	values, problems := parseFile(path, text)
	given, more := fromEnviron(environ)
	problems = append(problems, more...)
	if values == nil {
		return nil, nil, errors.Join(problems...)
	}
	maps.Copy(values, given)

	c := defaults()
	from := Settings{}
	for _, k := range keys {
		v, isGiven := values[k.path]
		if !isGiven {
			continue
		}
		from[k.path] = v.from
		if err := k.set(c, v, filepath.Dir(path)); err != nil {
			problems = append(problems, &problem{v.from, k.path, err})
		}
	}
	if len(problems) == 0 {
		problems = append(problems, c.check(path, from)...)
	}
	if len(problems) > 0 {
		return nil, nil, errors.Join(problems...)
	}
	return c, from, nil
}

func defaults() *Config {
	return &Config{
		Server: Server{Listen: "127.0.0.1:8443", AdminListen: "127.0.0.1:9090"},
		AWS:    AWS{Regions: []string{partition.DefaultRegion}},
		Legacy: Legacy{MaxTokenLifetime: 6 * 24 * time.Hour, HideAccounts: true, ConsoleLinks: true},
		Audit:  Audit{Every: time.Minute},
		Rules:  Rules{Limits: Limits{TokensPerUser: 20}},
		SignIn: SignIn{
			Login:       Login{Max: 12 * time.Hour, WebMax: 8 * time.Hour, IdleWeb: time.Hour, Device: true},
			AdminGroups: []string{"admins"},
		},
	}
}

// fromEnviron returns the settings of the variables. An empty one is as good as none.
func fromEnviron(environ []string) (found map[string]value, problems []error) {
	found = map[string]value{}
	for _, variable := range environ {
		name, text, _ := strings.Cut(variable, "=")
		rest, isOurs := strings.CutPrefix(name, prefix)
		if !isOurs || text == "" || name == Variable || isServiceLink(rest) {
			continue
		}
		i := slices.IndexFunc(keys, func(k key) bool { return variableOf(k.path) == name })
		if i < 0 {
			problems = append(problems, &problem{from: name, why: errors.New("there is no such setting")})
			continue
		}
		v := value{from: name, texts: []string{text}}
		if slices.Contains(lists, keys[i].path) {
			v.isList, v.texts = true, strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
		}
		found[keys[i].path] = v
	}
	return found, problems
}

func variableOf(path string) string {
	return prefix + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}

// isServiceLink reports whether Kubernetes sets a variable for a service with the name chaim-gateway.
func isServiceLink(rest string) bool {
	return rest == "PORT" || strings.HasPrefix(rest, "PORT_") || strings.HasPrefix(rest, "SERVICE_")
}

// check finds what is wrong between settings, or missing.
func (c *Config) check(path string, from Settings) (problems []error) {
	fail := func(key, format string, args ...any) {
		problems = append(problems, &problem{cmp.Or(from[key], path), key, fmt.Errorf(format, args...)})
	}
	s := c.Server
	switch {
	case s.URL == nil:
		fail("url", "it is missing: the address that clients use, such as https://chaim.example.com")
	case s.URL.Scheme == "https" && s.TLSCert == "" && len(s.TrustedProxies) == 0:
		fail("url", "it is https, so give tls.cert and tls.key, or trusted_proxies if a proxy before the gateway ends TLS")
	case s.URL.Scheme == "http" && s.TLSCert != "":
		fail("url", "it is plain http, but there is a certificate: make it https")
	}
	if (s.TLSCert == "") != (s.TLSKey == "") {
		fail("tls.cert", "tls.cert and tls.key go together")
	}
	if s.Listen == "" {
		fail("listen", "it is missing: the address to listen at, such as :8443")
	}
	if s.AdminListen == "" {
		fail("admin_listen", "it is missing: the address of health and metrics, such as 127.0.0.1:9090")
	}
	if host := hostOf(s.Listen); s.TLSCert == "" && !isLoopback(host) && len(s.TrustedProxies) == 0 {
		fail("listen", "without tls.cert the gateway listens on a loopback address only, such as 127.0.0.1:8443, or behind trusted_proxies")
	}
	if !c.Database.IsSet() {
		fail("database.url", "it is missing: sqlite:PATH or postgres://…")
	}
	c.checkSignIn(from, fail)
	if c.KeyRing == "" {
		fail("keyring", "it is missing: the path of the key ring that 'chaim-gateway init' makes")
	}
	if c.Policy.File != "" && !c.IsSQLite() {
		fail("policy.file", "it is for SQLite only: several replicas could have several files; use 'chaim-gateway apply'")
	}
	return problems
}

func hostOf(address string) string {
	if i := strings.LastIndexByte(address, ':'); i >= 0 {
		return strings.Trim(address[:i], "[]")
	}
	return address
}

// IsSQLite reports whether the database is a file of this machine.
func (c *Config) IsSQLite() bool { return strings.HasPrefix(c.Database.Reveal(), "sqlite:") }

// deref returns the value of a setting that may be elsewhere: file:PATH or env:NAME. The last line break of a file does not
// count.
func deref(text, dir string) (string, error) {
	if path, isFile := strings.CutPrefix(text, "file:"); isFile {
		b, err := os.ReadFile(within(dir, path))
		if err != nil {
			return "", err
		}
		found := strings.TrimRight(string(b), "\r\n")
		if found == "" {
			return "", fmt.Errorf("the file %q is empty", path)
		}
		return found, nil
	}
	if name, isVariable := strings.CutPrefix(text, "env:"); isVariable {
		found := os.Getenv(name)
		if found == "" {
			return "", fmt.Errorf("the variable %q is not set", name)
		}
		return found, nil
	}
	return text, nil
}
