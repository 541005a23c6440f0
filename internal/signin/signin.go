// Package signin makes links that sign in to the AWS console.
package signin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/httpx"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/lazyregexp"
	"github.com/chaim-go/chaim/internal/partition"
)

// Console is the AWS console of a region.
type Console struct {
	SignInHost                 string // exchanges keys for a sign-in token
	domain, host, home, region string
}

// ConsoleOf returns the console of a region.
func ConsoleOf(region string) Console {
	_, domain := partition.Domains(region)
	name := partition.Of(region)
	region = strings.TrimPrefix(region, "fips-") // SDKs accept such names, but the console does not
	c := Console{SignInHost: "signin." + domain, domain: domain, host: "console." + domain, home: "/console/home", region: region}
	if strings.HasSuffix(region, "-global") { // not a region either
		return c
	}
	c.home += "?region=" + region
	if name == "aws-eusc" { // the only partition without a sign-in page for all regions
		c.SignInHost = region + "." + c.SignInHost
	}
	if !strings.HasPrefix(name, "aws-iso") { // the console hosts of their regions are not known
		c.host = region + "." + c.host
	}
	return c
}

var subdomains = lazyregexp.New(`^(?:[a-z0-9-]+\.)*$`)

// isAt reports whether u is an https URL of host or of a subdomain.
func isAt(u *url.URL, host string) bool {
	below, ok := strings.CutSuffix(strings.ToLower(u.Host), host)
	return ok && subdomains().MatchString(below) && u.Scheme == "https" && u.User == nil
}

// Destination returns the URL of a console page. page is a URL, or a path and query; empty means the home page.
func (c Console) Destination(page string) (string, error) {
	switch {
	case page == "":
		page = "https://" + c.host + c.home
	case strings.HasPrefix(page, "/") && !strings.HasPrefix(page, "//"):
		page = "https://" + c.host + page
	}
	u, err := url.Parse(page)
	// Browsers read a backslash as a slash.
	isOdd := strings.ContainsFunc(page, func(r rune) bool { return r <= 0x20 || r > 0x7e || r == '\\' })
	if err != nil || isOdd || !isAt(u, "console."+c.domain) {
		return "", fmt.Errorf("chaim: destination is neither an https URL of console.%s or of a host below it, nor a path there that begins with one slash", c.domain)
	}
	return u.String(), nil
}

// Link returns the link that signs in with a token and opens the destination.
func (c Console) Link(token, destination string) string {
	query := url.Values{"Action": {"login"}, "Issuer": {"chaim"}, "Destination": {destination}, "SigninToken": {token}}
	return "https://" + c.SignInHost + "/federation?" + query.Encode()
}

// IsLink reports whether a link leads to the sign-in page of AWS, in any partition.
func IsLink(link string) bool {
	u, err := url.Parse(link)
	isOdd := strings.ContainsFunc(link, func(r rune) bool { return r <= 0x20 || r > 0x7e || r == '\\' })
	return err == nil && !isOdd && u.Path == "/federation" &&
		slices.ContainsFunc(partition.ConsoleDomains(), func(domain string) bool { return isAt(u, "signin."+domain) })
}

// Repoint returns a sign-in link with another destination.
func (c Console) Repoint(link, destination string) (string, error) {
	u, err := url.Parse(link)
	if err == nil && isAt(u, "signin."+c.domain) && u.Path == "/federation" {
		query, err := url.ParseQuery(u.RawQuery)
		if err == nil && query.Get("Action") == "login" {
			query.Set("Destination", destination)
			u.RawQuery = query.Encode()
			return u.String(), nil
		}
	}
	return "", fmt.Errorf("this link is not a login at signin.%s, so it cannot be pointed elsewhere; ask for one without a destination", c.domain)
}

var errNoToken = errors.New("these keys have no session token: only temporary keys, such as those of a role, open the console")

// SignIn asks AWS for a link that signs in with these keys and opens the destination. It repeats failures that may pass. The
// error wraps [keys.ErrNoURL] if there can be no link.
func (c Console) SignIn(ctx context.Context, client *http.Client, log *slog.Logger, creds aws.Credentials, destination string) (string, error) {
	if creds.SessionToken == "" {
		return "", errtext.Because(keys.ErrNoURL, errNoToken)
	}
	var token string
	err := httpx.Persist(ctx, log, c.SignInHost, func(ctx context.Context) (err error) {
		token, err = c.attempt(ctx, client, creds)
		return err
	})
	if err == nil {
		return c.Link(token, destination), nil
	}
	refusal := new(httpx.Refusal)
	isAnswer := errors.As(err, &refusal)
	if isAnswer {
		err = errors.New(refusal.Message) // refusal.Error() speaks of a gateway
	}
	err = errtext.Wrap(err, "asking %s for a console link", c.SignInHost)
	if isAnswer && refusal.Final && refusal.StatusCode >= 400 {
		err = errtext.Because(keys.ErrNoURL, err)
	}
	return "", err
}

func (c Console) attempt(ctx context.Context, client *http.Client, creds aws.Credentials) (string, error) {
	session, err := json.Marshal(struct {
		ID    string `json:"sessionId"`
		Key   string `json:"sessionKey"`
		Token string `json:"sessionToken"`
	}{creds.AccessKeyID, creds.SecretAccessKey, creds.SessionToken})
	if err != nil {
		return "", errors.New("these keys are not text") // not reached: strings can always be encoded
	}
	// A POST, because proxies log queries. Without SessionDuration the console session ends with the keys. AWS refuses
	// SessionDuration for keys from role chaining, and keys do not show whether they are such.
	form := url.Values{"Action": {"getSigninToken"}, "Session": {string(session)}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+c.SignInHost+"/federation", strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", httpx.UserAgent)
	resp, body, err := httpx.Exchange(ctx, client, req, creds.SecretAccessKey, creds.SessionToken)
	if err != nil {
		return "", err
	}
	return c.parseToken(resp, body)
}

func (c Console) parseToken(resp *http.Response, body []byte) (string, error) {
	refusal := &httpx.Refusal{StatusCode: resp.StatusCode, Final: httpx.IsFinalStatus(resp.StatusCode), Pause: httpx.PauseIn(resp.Header)}
	var reply struct{ SigninToken string }
	switch {
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		refusal.Message, refusal.Final = "it redirects elsewhere, which would take the keys there; is a proxy in between?", true
	case len(body) > httpx.MaxReplySize:
		refusal.Message, refusal.Final = fmt.Sprintf("reply is larger than %d bytes", httpx.MaxReplySize), true
	case refusal.Final:
		// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_sts-comparison.html
		refusal.Message = fmt.Sprintf("it answered %d: it takes valid keys of a role or of GetFederationToken, but none of GetSessionToken, from the partition of region %s", resp.StatusCode, c.region)
	case resp.StatusCode != http.StatusOK:
		refusal.Message = fmt.Sprintf("it answered %d", resp.StatusCode)
	case json.Unmarshal(body, &reply) != nil || reply.SigninToken == "":
		refusal.Message = "reply is no sign-in token but " + httpx.KindOfBody(resp, body)
	default:
		return reply.SigninToken, nil
	}
	return "", refusal
}
