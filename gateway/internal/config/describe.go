package config

import (
	"cmp"
	"net/url"
	"strconv"
	"strings"
)

// Line is one setting as it was understood.
type Line struct {
	Name  string `json:"name"`
	Value string `json:"value"` // of a secret only whether it is set
	From  string `json:"from"`  // FILE:LINE:COLUMN, the name of a variable, or "default"
}

// Describe returns all settings as they were understood, without secrets.
func (c *Config) Describe(from Settings) []Line {
	var proxies []string
	for _, p := range c.Server.TrustedProxies {
		proxies = append(proxies, p.String())
	}
	values := map[string]string{
		"url": c.Server.URL.String(), "listen": c.Server.Listen, "admin_listen": c.Server.AdminListen, "tls.cert": c.Server.TLSCert,
		"tls.key": c.Server.TLSKey, "trusted_proxies": strings.Join(proxies, ", "), "database.url": c.Where(), "keyring": c.KeyRing,
		"aws.identity": "ambient", "aws.regions": strings.Join(c.AWS.Regions, ", "), "aws.external_id": c.AWS.ExternalID.String(),
		"legacy.max": c.Legacy.MaxTokenLifetime.String(), "legacy.hide_accounts": strconv.FormatBool(c.Legacy.HideAccounts),
		"legacy.console_links": strconv.FormatBool(c.Legacy.ConsoleLinks), "audit.checkpoints": c.Audit.Checkpoints, "audit.every": c.Audit.Every.String(),
		"policy.file":            c.Policy.File,
		"limits.tokens_per_user": strconv.Itoa(c.Limits.TokensPerUser),
		"oidc.id":                c.OIDC.ID, "oidc.issuer": c.OIDC.Issuer, "oidc.client_id": c.OIDC.ClientID,
		"oidc.client_secret": c.OIDC.ClientSecret.String(), "oidc.username": c.OIDC.Username, "oidc.groups": c.OIDC.Groups,
		"oidc.domains": strings.Join(c.OIDC.Domains, ", "),
		"oidc.scopes":  strings.Join(c.OIDC.Scopes, ", "), "admin_groups": strings.Join(c.AdminGroups, ", "),
		"login.max": c.Login.Max.String(), "login.web_max": c.Login.WebMax.String(), "login.idle_web": c.Login.IdleWeb.String(),
		"login.device": strconv.FormatBool(c.Login.Device),
	}
	var lines []Line
	for _, k := range keys {
		lines = append(lines, Line{k.path, cmp.Or(values[k.path], "-"), cmp.Or(from[k.path], "default")})
	}
	return lines
}

// Where says where the database is, without user and password.
func (c *Config) Where() string {
	text := c.Database.Reveal()
	if c.IsSQLite() {
		return text
	}
	u, err := url.Parse(text)
	if err != nil {
		return "postgres"
	}
	return "postgres://" + u.Host + u.Path
}
