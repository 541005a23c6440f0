package idp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/chaim-go/chaim/gateway/internal/store"
)

const (
	maxGroups     = 200
	maxGroupName  = 256 // bytes
	maxSubject    = 255 // bytes, by OpenID Connect
	claimEmail    = "email"
	claimVerified = "email_verified"
)

// claims are the statements of the provider about a person.
type claims map[string]json.RawMessage

// identified is an id token that is right.
type identified struct {
	token  *oidc.IDToken
	claims claims
}

// verified checks all of an id token. The library checks the signature; the rest is checked here, where each fault has its own
// words and nothing is excused.
func (p *Provider) verified(ctx context.Context, m *metadata, raw, nonce string) (identified, error) {
	verifier := m.provider.Verifier(&oidc.Config{
		SupportedSigningAlgs: m.Algorithms, SkipClientIDCheck: true, SkipExpiryCheck: true, SkipIssuerCheck: true,
	})
	token, err := verifier.Verify(ctx, raw)
	if err != nil {
		if isNetwork(ctx, err) {
			return identified{}, p.away(ctx, "reading its keys", err)
		}
		return identified{}, p.broken("its id token is malformed, or not signed by a key and an algorithm that it publishes")
	}
	id := identified{token: token}
	if err := token.Claims(&id.claims); err != nil {
		return identified{}, p.broken("its id token has no claims")
	}
	if fault := p.faultOf(id, nonce, time.Now()); fault != "" {
		return identified{}, p.broken(fault)
	}
	return id, nil
}

// faultOf says what is wrong with a signed id token, or nothing.
func (p *Provider) faultOf(id identified, nonce string, now time.Time) string {
	t := id.token
	azp, _ := id.claims.text("azp")
	hasAZP := id.claims.has("azp")
	notBefore, hasNotBefore := id.claims.time("nbf")
	switch {
	case t.Issuer != p.config.Issuer:
		return "its id token is from another issuer"
	case !slices.Contains(t.Audience, p.config.ClientID):
		return "its id token is for another client than oidc.client_id"
	case hasAZP && azp != p.config.ClientID, !hasAZP && len(t.Audience) > 1:
		return "its id token was made for another client (azp)"
	case t.Expiry.IsZero() || !now.Before(t.Expiry.Add(leeway)):
		return "its id token has expired: compare the clocks of the gateway and of the provider"
	case t.IssuedAt.IsZero() || now.Add(leeway).Before(t.IssuedAt), hasNotBefore && now.Add(leeway).Before(notBefore):
		return "its id token is from the future: compare the clocks of the gateway and of the provider"
	case nonce == "" || !isEqual(t.Nonce, nonce):
		return "its id token belongs to another sign-in (nonce)"
	case t.Subject == "" || len(t.Subject) > maxSubject || strings.ContainsFunc(t.Subject, unicode.IsControl):
		return "its id token does not say who the person is (sub)"
	}
	return ""
}

// person puts together who has signed in. What the id token does not say is looked for at the userinfo endpoint. With an error
// it still returns whose id token it is.
func (p *Provider) person(ctx context.Context, m *metadata, id identified, tokens *oauth2.Token) (Person, error) {
	who := Person{Issuer: p.config.Issuer, Subject: id.token.Subject, Name: p.name(id.claims)}
	if err := p.checkOverage(id.claims); err != nil {
		return who, err
	}
	var info claims
	if m.UserInfoURL != "" && !(id.claims.has(p.config.Groups) && who.Name != "") {
		var err error
		if info, err = p.userInfo(ctx, m, id.token.Subject, tokens); err != nil {
			return who, err
		}
	}
	who.Name = p.name(id.claims, info)
	var err error
	who.Groups, err = p.groups(id.claims, info)
	return who, err
}

// userInfo asks the userinfo endpoint, which must speak of the same person.
func (p *Provider) userInfo(ctx context.Context, m *metadata, subject string, tokens *oauth2.Token) (claims, error) {
	info, err := m.provider.UserInfo(p.with(ctx), oauth2.StaticTokenSource(tokens))
	switch {
	case err != nil && isNetwork(ctx, err):
		return nil, p.away(ctx, "asking its userinfo endpoint", err)
	case err != nil:
		return nil, p.broken("its userinfo endpoint gave no answer that can be used")
	case info.Subject != subject:
		return nil, p.broken("its userinfo endpoint speaks of another person than its id token (sub)")
	}
	var c claims
	if err := info.Claims(&c); err != nil {
		return nil, p.broken("its userinfo endpoint gave no answer that can be used")
	}
	return c, p.checkOverage(c)
}

// checkOverage refuses the sign-in of a person with so many groups that Entra names none of them. Without them a deny rule
// for one of them would not hold.
func (p *Provider) checkOverage(c claims) error {
	var elsewhere map[string]json.RawMessage
	_ = json.Unmarshal(c["_claim_names"], &elsewhere) // another form names nothing
	_, isElsewhere := elsewhere[p.config.Groups]
	has := strings.Trim(string(c["hasgroups"]), `"`)
	if isElsewhere || strings.EqualFold(has, "true") {
		return p.unfit("you are in too many groups for it to name them (groups overage). Its administrator must let it send only the " +
			"groups that are assigned to this application, or app roles in a claim that oidc.groups names")
	}
	return nil
}

// groups returns the groups of a person. A provider that says nothing about groups is an error, an empty list is none.
func (p *Provider) groups(sources ...claims) ([]string, error) {
	for _, c := range sources {
		if !c.has(p.config.Groups) {
			continue
		}
		list, err := c.list(p.config.Groups)
		switch {
		case err != nil:
			return nil, p.unfit(fmt.Sprintf("its claim %q is not a list of groups", p.config.Groups))
		case len(list) > maxGroups:
			return nil, p.unfit(fmt.Sprintf("you are in %d groups, and the gateway takes %d at most: its administrator must let it send "+
				"only the groups that matter to the gateway", len(list), maxGroups))
		}
		list = slices.DeleteFunc(list, func(name string) bool { return !isGroup(name) })
		slices.Sort(list)
		return slices.Compact(list), nil
	}
	return nil, p.unfit(fmt.Sprintf("it says nothing about your groups: neither its id token nor its userinfo endpoint has the claim %q. "+
		"Its administrator must add it, or oidc.groups must name the right one; oidc.scopes may lack one that it needs", p.config.Groups))
}

// isGroup reports whether a policy can name a group of the provider. What it cannot name changes no decision.
func isGroup(name string) bool {
	return name != "" && len(name) <= maxGroupName && strings.TrimSpace(name) == name &&
		!strings.ContainsFunc(name, func(r rune) bool { return r == '*' || unicode.IsControl(r) })
}

// name returns the name of a user for a person, or nothing: that of the first source that has one. An address of a domain that is
// not the company's stays whole, since another person may have the same name there. An email address must be verified.
func (p *Provider) name(sources ...claims) string {
	isEmail := p.config.Username == claimEmail
	if isEmail && slices.ContainsFunc(sources, func(c claims) bool { return c.isVerified("false") }) {
		return ""
	}
	for _, c := range sources {
		text, hasName := c.text(p.config.Username)
		if !hasName || isEmail && !c.isVerified("true") {
			continue
		}
		name := strings.ToLower(text)
		if local, domain, isAddress := strings.Cut(name, "@"); isAddress && slices.Contains(p.config.Domains, domain) {
			name = local
		}
		if store.IsUserName(name) {
			return name
		}
	}
	return ""
}

// isVerified reports whether the claim email_verified has a value, which some providers write as a text.
func (c claims) isVerified(value string) bool {
	return strings.Trim(string(c[claimVerified]), `"`) == value
}

// has reports whether a claim says something. Null says nothing.
func (c claims) has(name string) bool {
	raw, isThere := c[name]
	return isThere && string(raw) != "null"
}

func (c claims) text(name string) (string, bool) {
	if !c.has(name) {
		return "", false
	}
	var text string
	err := json.Unmarshal(c[name], &text)
	return text, err == nil
}

// list returns a claim that is a list of texts. Some providers write a list of one as a text.
func (c claims) list(name string) ([]string, error) {
	var one string
	if json.Unmarshal(c[name], &one) == nil {
		return []string{one}, nil
	}
	var list []*string
	if err := json.Unmarshal(c[name], &list); err != nil {
		return nil, err
	}
	texts := []string{}
	for _, text := range list {
		if text == nil {
			return nil, errors.New("null is no text")
		}
		texts = append(texts, *text)
	}
	return texts, nil
}

// time returns a claim that is a number of seconds. One that is not a number is far in the future.
func (c claims) time(name string) (time.Time, bool) {
	if !c.has(name) {
		return time.Time{}, false
	}
	var seconds float64
	if json.Unmarshal(c[name], &seconds) != nil || seconds > maxSeconds {
		return time.Unix(maxSeconds, 0), true
	}
	return time.Unix(int64(seconds), 0), true
}

// maxSeconds is in the year 9999.
const maxSeconds = 253402300799
