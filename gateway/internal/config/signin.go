package config

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

const (
	defaultUsername = "preferred_username"
	defaultGroups   = "groups"
	openID          = "openid"
)

var providerRule = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

func setProviderID(c *Config, s string) error {
	if !providerRule.MatchString(s) {
		return errors.New("it has 1 to 32 lower-case letters, digits, and - after the first, such as corp")
	}
	c.OIDC.ID = s
	return nil
}

func setIssuer(c *Config, s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return errors.New("it is an address such as https://idp.example.com")
	case u.User != nil || strings.ContainsAny(s, "?#"):
		return errors.New("it has no user, query or fragment")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return errors.New("plain http is for loopback addresses only: anyone on the way could sign in as anyone")
	}
	c.OIDC.Issuer = s
	return nil
}

// checkWord refuses what cannot be one word of a request.
func checkWord(s string) error {
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }) {
		return errors.New("it is one word without spaces")
	}
	return nil
}

// words sets a list that has at least one word.
func words(field func(*Config) *[]string) func(*Config, value, string) error {
	return func(c *Config, v value, _ string) error {
		if len(v.texts) == 0 {
			return errors.New("it names at least one")
		}
		for _, s := range v.texts {
			if err := checkWord(s); err != nil {
				return fmt.Errorf("%q: %w", s, err)
			}
		}
		*field(c) = v.texts
		return nil
	}
}

// checkSignIn finds what is wrong between the settings of the provider, or missing.
func (c *Config) checkSignIn(from Settings, fail func(key, format string, args ...any)) {
	hasOIDC := slices.ContainsFunc(keys, func(k key) bool { return strings.HasPrefix(k.path, "oidc.") && from[k.path] != "" })
	if !hasOIDC {
		return
	}
	o := &c.OIDC
	for _, must := range []struct {
		key, what string
		isSet     bool
	}{
		{"oidc.id", "the name of the provider in the gateway, such as corp", o.ID != ""},
		{"oidc.issuer", "the address of the provider, such as https://idp.example.com", o.Issuer != ""},
		{"oidc.client_id", "the id of the gateway at the provider", o.ClientID != ""},
		{"oidc.client_secret", "the secret of the gateway at the provider, best as file:PATH or env:NAME", o.ClientSecret.IsSet()},
	} {
		if !must.isSet {
			fail(must.key, "it is missing: %s", must.what)
		}
	}
	o.Username, o.Groups = cmp.Or(o.Username, defaultUsername), cmp.Or(o.Groups, defaultGroups)
	if o.Scopes == nil {
		o.Scopes = []string{openID, "profile"}
	}
	for i, domain := range o.Domains {
		if o.Domains[i] = strings.ToLower(domain); strings.Contains(domain, "@") {
			fail("oidc.domains", "%q is not a domain such as example.com", domain)
		}
	}
	if !slices.Contains(o.Scopes, openID) {
		fail("oidc.scopes", "openid is not among them: without it a provider does not say who a person is")
	}
	if u := c.Server.URL; u != nil && strings.Trim(u.Path, "/") != "" {
		fail("url", "with oidc it has no path: cookies belong to a whole host, so give the gateway a host of its own")
	}
}
