package chaim

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const defaultRegion = "eu-west-1"

// Settings say where the chaim gateway is and who asks it. They come from [Options], the environment, the default
// section of the credentials file, or an init string (see [ParseInit]).
//
// The user token is a secret: a Settings prints and marshals without it.
type Settings struct {
	Endpoint     string    // URL of the gateway; empty means the API Gateway named by API, Stage and Region
	API          string    // API Gateway id
	Stage        string    // API Gateway stage
	Region       string    // region of the gateway and default region of its profiles; empty means "eu-west-1"
	Username     string    // chaim user name
	UserToken    string    `json:"-"` // the user's token, a secret
	TokenExpires time.Time // when the user token ends; zero means unknown
	SlackID      string    // Slack user id, optional
	WorkspaceID  string    // Slack workspace id, optional

	// Extra holds the pairs of an init string that have no field here, under their own names.
	Extra map[string]string `json:"-"`
}

// String describes the settings without the token.
func (s Settings) String() string {
	return fmt.Sprintf("chaim.Settings{Endpoint:%q API:%q Stage:%q Region:%q Username:%q UserToken:%s}",
		s.Endpoint, s.API, s.Stage, s.Region, s.Username, redacted(s.UserToken))
}

// Format prints what String returns, whatever the verb.
func (s Settings) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// LogValue keeps the token out of structured logs.
func (s Settings) LogValue() slog.Value { return slog.StringValue(s.String()) }

// redacted stands in for a secret: it tells only whether there is one.
func redacted(secret string) string {
	if secret == "" {
		return "none"
	}
	return "[secret]"
}

// The keys of the default section and of an init string, with the fields they fill.
func (s *Settings) field(key string) *string {
	switch key {
	case "endpoint":
		return &s.Endpoint
	case "api":
		return &s.API
	case "stage":
		return &s.Stage
	case "region":
		return &s.Region
	case "username":
		return &s.Username
	case "usertoken":
		return &s.UserToken
	case "slackid":
		return &s.SlackID
	case "workspaceid":
		return &s.WorkspaceID
	}
	return nil
}

// settingsFromPairs reads keys as they stand in the default section.
func settingsFromPairs(pairs map[string]string) Settings {
	var s Settings
	for key, value := range pairs {
		if f := s.field(key); f != nil {
			*f = value
		}
	}
	if unix, err := strconv.ParseInt(pairs["tokenexpires"], 10, 64); err == nil && unix > 0 {
		s.TokenExpires = time.Unix(unix, 0)
	}
	return s
}

// The environment variables that configure a gateway. One of them is enough to make the environment the only source:
// mixing it with the file could send one gateway's token to another.
var settingsEnv = map[string]string{
	"CHAIM_URL":         "endpoint",
	"CHAIM_API":         "api",
	"CHAIM_STAGE":       "stage",
	"CHAIM_REGION":      "region",
	"CHAIM_USER":        "username",
	"CHAIM_TOKEN":       "usertoken",
	"CHAIM_SLACKID":     "slackid",
	"CHAIM_WORKSPACEID": "workspaceid",
}

func settingsFromEnv() (s Settings, found bool) {
	pairs := map[string]string{}
	for name, key := range settingsEnv {
		if value := os.Getenv(name); value != "" {
			pairs[key] = value
		}
	}
	return settingsFromPairs(pairs), len(pairs) > 0
}

var (
	apiRule    = regexp.MustCompile(`^[A-Za-z0-9]{1,64}$`)
	stageRule  = regexp.MustCompile(`^[A-Za-z0-9_$-]{1,128}$`)
	regionRule = regexp.MustCompile(`^[a-z]{2,}(-[a-z0-9]+){1,4}$`)
)

// endpoint returns the gateway's URL, ending in a slash, once it is safe to send the token there. where names the
// source of the settings for the error.
func (s *Settings) endpoint(where string, allowInsecure bool) (string, error) {
	var missing []string
	for _, f := range []struct{ name, value string }{{"user name", s.Username}, {"user token", s.UserToken}} {
		if f.value == "" {
			missing = append(missing, f.name)
		}
		if strings.ContainsFunc(f.value, isControl) {
			return "", fmt.Errorf("chaim: %s in %s has control characters", f.name, where)
		}
	}
	if s.Endpoint == "" && (s.API == "" || s.Stage == "") {
		missing = append(missing, "gateway URL, or API and stage")
	}
	if len(missing) > 0 {
		return "", fmt.Errorf("%w: %s lack the %s", ErrNotConfigured, where, strings.Join(missing, " and the "))
	}
	region := cmp.Or(s.Region, defaultRegion)
	switch {
	case !regionRule.MatchString(region):
		return "", fmt.Errorf("chaim: region %q in %s is not an AWS region name", region, where)
	case s.Endpoint != "":
		return checkEndpoint(s.Endpoint, where, allowInsecure)
	case !apiRule.MatchString(s.API):
		return "", fmt.Errorf("chaim: API id %q in %s is not letters and digits", s.API, where)
	case !stageRule.MatchString(s.Stage):
		return "", fmt.Errorf("chaim: stage %q in %s is not an API Gateway stage name", s.Stage, where)
	}
	suffix := "amazonaws.com"
	if strings.HasPrefix(region, "cn-") {
		suffix = "amazonaws.com.cn"
	}
	return fmt.Sprintf("https://%s.execute-api.%s.%s/%s/", s.API, region, suffix, s.Stage), nil
}

// checkEndpoint refuses URLs that would carry the token in clear text. The URL itself may hold a password, so errors
// do not repeat it.
func checkEndpoint(endpoint, where string, allowInsecure bool) (string, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return "", fmt.Errorf("chaim: gateway URL in %s cannot be parsed", where)
	}
	switch {
	case u.Host == "" || (u.Scheme != "https" && u.Scheme != "http"):
		return "", fmt.Errorf("chaim: gateway URL in %s is not an https URL", where)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "", fmt.Errorf("chaim: gateway URL in %s has a user, query or fragment; leave them out", where)
	case u.Scheme == "http" && !isLoopback(u) && !allowInsecure:
		return "", fmt.Errorf("chaim: gateway URL in %s is plain http to %q: the user token would be readable on the way; use https, a loopback address such as 127.0.0.1, or AllowInsecure", where, u.Host)
	}
	return strings.TrimRight(u.String(), "/") + "/", nil
}

// isLoopback accepts only literal addresses: the name "localhost" can be made to resolve elsewhere.
func isLoopback(u *url.URL) bool {
	addr, err := netip.ParseAddr(u.Hostname())
	return err == nil && addr.IsLoopback()
}

func isControl(r rune) bool { return r < 0x20 || r == 0x7f }

// ParseInit reads the string that a gateway hands out to set up a client: base64url, padded or not, of
// key=value pairs joined by "&" and percent-encoded. It checks that the pairs name a gateway, a user and a token; pairs
// it does not know are kept in Extra. The error never holds a part of the string.
func ParseInit(init string) (Settings, error) {
	text, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(strings.TrimSpace(init), "="))
	if err != nil {
		return Settings{}, errors.New("chaim: init string is not base64url; copy it again in full")
	}
	pairs := map[string]string{}
	for pair := range strings.SplitSeq(string(text), "&") {
		key, value, ok := strings.Cut(pair, "=")
		// A plus is a plus here: the gateway percent-encodes spaces.
		value, err := url.PathUnescape(value)
		if !ok || key == "" || err != nil || strings.ContainsFunc(key+value, isControl) {
			return Settings{}, errors.New("chaim: init string does not hold key=value pairs; copy it again in full")
		}
		pairs[key] = value
	}
	if expires, ok := pairs["expires"]; ok {
		pairs["tokenexpires"] = expires
	}

	s := settingsFromPairs(pairs)
	for key, value := range pairs {
		if s.field(key) != nil || key == "expires" || key == "tokenexpires" {
			continue
		}
		if s.Extra == nil {
			s.Extra = map[string]string{}
		}
		s.Extra[key] = value
	}
	if _, err := s.endpoint("the init string", false); err != nil {
		return Settings{}, err
	}
	return s, nil
}
