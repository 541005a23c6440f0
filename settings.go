package chaim

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/chaim-go/chaim/internal/partition"
)

const defaultRegion = partition.DefaultRegion

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
	UserToken    string    // the user's token, a secret
	TokenExpires time.Time // when the user token ends; zero means unknown
	SlackID      string    // Slack user id, optional
	WorkspaceID  string    // Slack workspace id, optional

	// Extra holds the pairs of an init string that have no field here, under their own names.
	Extra map[string]string
}

// String describes the settings without the token, and without a password in the URL.
func (s Settings) String() string {
	endpoint := "[unreadable]"
	if u, err := url.Parse(s.Endpoint); err == nil {
		u.RawQuery, u.Fragment = "", ""
		endpoint = u.Redacted()
	}
	return fmt.Sprintf("chaim.Settings{Endpoint:%q API:%q Stage:%q Region:%q Username:%q UserToken:%s}",
		endpoint, s.API, s.Stage, s.Region, s.Username, redacted(s.UserToken))
}

// Format prints what String returns, whatever the verb.
func (s Settings) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue keeps the token out of structured logs.
func (s Settings) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText returns what String returns, so that JSON and other encoders show no secret.
func (s Settings) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// redacted stands in for a secret: it tells only whether there is one.
func redacted(secret string) string {
	if secret == "" {
		return "none"
	}
	return "[secret]"
}

// settingsFields are the keys of the default section and of an init string, with the environment variables and the
// fields they stand for.
var settingsFields = []struct {
	key, env string
	field    func(*Settings) *string
}{
	{"endpoint", "CHAIM_URL", func(s *Settings) *string { return &s.Endpoint }},
	{"api", "CHAIM_API", func(s *Settings) *string { return &s.API }},
	{"stage", "CHAIM_STAGE", func(s *Settings) *string { return &s.Stage }},
	{"region", "CHAIM_REGION", func(s *Settings) *string { return &s.Region }},
	{"username", "CHAIM_USER", func(s *Settings) *string { return &s.Username }},
	{"usertoken", "CHAIM_TOKEN", func(s *Settings) *string { return &s.UserToken }},
	{"slackid", "CHAIM_SLACKID", func(s *Settings) *string { return &s.SlackID }},
	{"workspaceid", "CHAIM_WORKSPACEID", func(s *Settings) *string { return &s.WorkspaceID }},
}

// settingsFromPairs reads keys as they stand in the default section, and returns those it does not know.
func settingsFromPairs(pairs map[string]string) (s Settings, rest map[string]string) {
	rest = maps.Clone(pairs)
	for _, f := range settingsFields {
		*f.field(&s) = pairs[f.key]
		delete(rest, f.key)
	}
	if unix, err := strconv.ParseInt(pairs["tokenexpires"], 10, 64); err == nil && unix > 0 {
		s.TokenExpires = time.Unix(unix, 0)
		delete(rest, "tokenexpires")
	}
	return s, rest
}

// settingsFromEnv reads the environment. One variable makes it the only source: mixing it with the file could send one
// gateway's token to another.
func settingsFromEnv() (s Settings, found bool) {
	for _, f := range settingsFields {
		*f.field(&s) = os.Getenv(f.env)
		found = found || os.Getenv(f.env) != ""
	}
	return s, found
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
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
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
		delete(pairs, "expires")
	}
	s, rest := settingsFromPairs(pairs)
	if len(rest) > 0 {
		s.Extra = rest
	}
	if _, err := s.endpoint("the init string", false); err != nil {
		return Settings{}, err
	}
	return s, nil
}
