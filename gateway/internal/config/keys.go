package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/chaim-go/chaim/internal/partition"
)

// key is a setting: its path in the file, and how its value gets into a Config.
type key struct {
	path string
	set  func(c *Config, v value, dir string) error // paths are relative to the folder dir
}

// keys are all settings. The variable of "tls.cert" is CHAIM_GATEWAY_TLS_CERT.
var keys = []key{
	{"url", text(func(c *Config, s string) (err error) { c.Server.URL, err = publicURL(s); return err })},
	{"listen", text(func(c *Config, s string) error { c.Server.Listen = s; return checkAddress(s) })},
	{"admin_listen", text(func(c *Config, s string) error { c.Server.AdminListen = s; return checkAddress(s) })},
	{"tls.cert", path(func(c *Config) *string { return &c.Server.TLSCert })},
	{"tls.key", path(func(c *Config) *string { return &c.Server.TLSKey })},
	{"trusted_proxies", setProxies},
	{"database.url", setDatabase},
	{"keyring", path(func(c *Config) *string { return &c.KeyRing })},
	{"aws.identity", text(func(_ *Config, s string) error { return checkIdentity(s) })},
	{"aws.regions", setRegions},
	{"aws.external_id", secret(func(c *Config) *Secret { return &c.AWS.ExternalID })},
	{"legacy.max", span(15*time.Minute, 366*24*time.Hour, func(c *Config) *time.Duration { return &c.Legacy.MaxTokenLifetime })},
	{"legacy.hide_accounts", boolean(func(c *Config) *bool { return &c.Legacy.HideAccounts })},
	{"legacy.console_links", boolean(func(c *Config) *bool { return &c.Legacy.ConsoleLinks })},
	{"audit.checkpoints", path(func(c *Config) *string { return &c.Audit.Checkpoints })},
	{"audit.every", span(time.Second, 24*time.Hour, func(c *Config) *time.Duration { return &c.Audit.Every })},
	{"policy.file", path(func(c *Config) *string { return &c.Policy.File })},
	{"limits.tokens_per_user", count(func(c *Config) *int { return &c.Limits.TokensPerUser })},
	{"oidc.id", text(setProviderID)},
	{"oidc.issuer", text(setIssuer)},
	{"oidc.client_id", text(func(c *Config, s string) error { c.OIDC.ClientID = s; return checkWord(s) })},
	{"oidc.client_secret", secret(func(c *Config) *Secret { return &c.OIDC.ClientSecret })},
	{"oidc.username", text(func(c *Config, s string) error { c.OIDC.Username = s; return checkWord(s) })},
	{"oidc.domains", words(func(c *Config) *[]string { return &c.OIDC.Domains })},
	{"oidc.groups", text(func(c *Config, s string) error { c.OIDC.Groups = s; return checkWord(s) })},
	{"oidc.scopes", words(func(c *Config) *[]string { return &c.OIDC.Scopes })},
	{"admin_groups", words(func(c *Config) *[]string { return &c.AdminGroups })},
	{"login.max", span(time.Hour, 24*time.Hour, func(c *Config) *time.Duration { return &c.Login.Max })},
	{"login.web_max", span(15*time.Minute, 24*time.Hour, func(c *Config) *time.Duration { return &c.Login.WebMax })},
	{"login.idle_web", span(5*time.Minute, 24*time.Hour, func(c *Config) *time.Duration { return &c.Login.IdleWeb })},
	{"login.device", boolean(func(c *Config) *bool { return &c.Login.Device })},
}

// lists are the settings that take several values. A variable has them with commas or spaces between.
var lists = []string{"trusted_proxies", "aws.regions", "oidc.domains", "oidc.scopes", "admin_groups"}

// later are settings that other versions of the gateway will have.
var later = []string{
	"login.bind", "oidc.offline", "oidc.admin_groups", "root_key", "tls.acme", "slack", "scim", "notify", "workloads", "aws.organizations", "policy.managed",
	"legacy.tokens", "legacy.list", "legacy.console_url", "audit.anchors", "audit.stdout", "audit.max_unanchored", "database.max_conns",
}

var errLater = errors.New("it is not yet supported: leave it out")

func isLater(path string) bool { return slices.Contains(later, path) }

func byPath(path string) *key {
	if i := slices.IndexFunc(keys, func(k key) bool { return k.path == path }); i >= 0 {
		return &keys[i]
	}
	return nil
}

// isSection reports whether a path is one above settings.
func isSection(path string) bool {
	return slices.ContainsFunc(keys, func(k key) bool { return strings.HasPrefix(k.path, path+".") })
}

// unknown is the error for a setting that there is not. It names those beside it.
func unknown(path string) error {
	above, _, hasAbove := cutLast(path)
	var beside []string
	for _, k := range keys {
		if !hasAbove {
			first, _, _ := strings.Cut(k.path, ".")
			beside = append(beside, first)
		} else if rest, isBeside := strings.CutPrefix(k.path, above+"."); isBeside {
			beside = append(beside, rest)
		}
	}
	return fmt.Errorf("there is no such setting; there are %s", strings.Join(slices.Compact(beside), ", "))
}

func cutLast(path string) (before, after string, found bool) {
	if i := strings.LastIndexByte(path, '.'); i >= 0 {
		return path[:i], path[i+1:], true
	}
	return "", path, false
}

func text(set func(*Config, string) error) func(*Config, value, string) error {
	return func(c *Config, v value, _ string) error {
		s, err := v.one()
		if err != nil {
			return err
		}
		return set(c, s)
	}
}

// path sets a path of a file. One that is not absolute is taken from the folder of the configuration.
func path(field func(*Config) *string) func(*Config, value, string) error {
	return func(c *Config, v value, dir string) error {
		s, err := v.one()
		if err != nil {
			return err
		}
		*field(c) = within(dir, s)
		return nil
	}
}

func within(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

func secret(field func(*Config) *Secret) func(*Config, value, string) error {
	return func(c *Config, v value, dir string) error {
		s, err := v.one()
		if err != nil {
			return err
		}
		s, err = deref(s, dir)
		*field(c) = NewSecret(s)
		return err
	}
}

func boolean(field func(*Config) *bool) func(*Config, value, string) error {
	return text(func(c *Config, s string) error {
		switch s {
		case "true", "false":
			*field(c) = s == "true"
			return nil
		}
		return fmt.Errorf("it is true or false, not %q", s)
	})
}

func count(field func(*Config) *int) func(*Config, value, string) error {
	return text(func(c *Config, s string) error {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > 1_000_000 {
			return fmt.Errorf("it is a whole number from 1 to 1000000, not %q", s)
		}
		*field(c) = n
		return nil
	})
}

func span(least, most time.Duration, field func(*Config) *time.Duration) func(*Config, value, string) error {
	return text(func(c *Config, s string) error {
		d, err := time.ParseDuration(s)
		if err != nil || d < least || d > most {
			return fmt.Errorf("it is a time from %s to %s, such as 12h or 90s, not %q", least, most, s)
		}
		*field(c) = d
		return nil
	})
}

// publicURL reads the public address.
func publicURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("it is an address such as https://chaim.example.com")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, errors.New("it has no user, query or fragment")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return nil, errors.New("plain http is for loopback addresses only, such as http://127.0.0.1:8443: tokens and keys would be readable on the way")
	}
	return u, nil
}

// isLoopback reports whether a host is this machine.
func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

func checkAddress(s string) error {
	if s == "" {
		return nil
	}
	if _, _, err := net.SplitHostPort(s); err != nil {
		return fmt.Errorf("it is an address to listen at, such as 127.0.0.1:8443 or :8443, not %q", s)
	}
	return nil
}

func checkIdentity(s string) error {
	switch s {
	case "ambient":
		return nil
	case "oidc", "roles-anywhere", "user-keys":
		return fmt.Errorf("%q is not yet supported: it is ambient, the keys that the AWS SDK finds where the gateway runs", s)
	}
	return fmt.Errorf("it is ambient, not %q", s)
}

func setProxies(c *Config, v value, _ string) error {
	c.Server.TrustedProxies = nil
	for _, s := range v.texts {
		prefix, err := netip.ParsePrefix(s)
		if ip, ipErr := netip.ParseAddr(s); ipErr == nil {
			prefix, err = ip.Prefix(ip.BitLen())
		}
		if err != nil {
			return fmt.Errorf("%q is no range of addresses such as 10.0.0.0/8", s)
		}
		c.Server.TrustedProxies = append(c.Server.TrustedProxies, prefix.Masked())
	}
	return nil
}

func setRegions(c *Config, v value, _ string) error {
	c.AWS.Regions = nil
	for _, s := range v.texts {
		if err := partition.CheckRegion(s); err != nil {
			return fmt.Errorf("%q is no region of AWS, such as eu-west-1", s)
		}
		c.AWS.Regions = append(c.AWS.Regions, s)
	}
	if len(c.AWS.Regions) == 0 {
		return errors.New("it names at least one region, such as eu-west-1")
	}
	return nil
}

func setDatabase(c *Config, v value, dir string) error {
	s, err := v.one()
	if err != nil {
		return err
	}
	s, err = deref(s, dir)
	if err != nil {
		return err
	}
	file, isSQLite := strings.CutPrefix(s, "sqlite:")
	switch {
	case isSQLite && file != "":
		s = "sqlite:" + within(dir, file)
	case strings.HasPrefix(s, "postgres://"), strings.HasPrefix(s, "postgresql://"):
	default:
		return errors.New("it is sqlite:PATH or postgres://USER@HOST/NAME, or file:PATH or env:NAME of where that stands")
	}
	c.Database = NewSecret(s)
	return nil
}
