package chaim

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/chaim-go/chaim/internal/humantime"
	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/lazyregexp"
	"github.com/chaim-go/chaim/internal/partition"
	"github.com/chaim-go/chaim/internal/remote"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

const defaultRegion = partition.DefaultRegion

// Settings say where the chaim gateway is and who asks it. They come from [Options], the environment, the default
// section of the credentials file, or an init string (see [ParseInit]).
//
// The user token is a secret: a Settings prints and marshals without it.
type Settings struct {
	// Endpoint is the URL of the gateway. Empty means the API Gateway named by API, Stage and Region.
	Endpoint string
	// API is the id of the API Gateway. It is not needed with an Endpoint.
	API string
	// Stage is the stage of the API Gateway. It is not needed with an Endpoint.
	Stage string
	// Region is the AWS region of the gateway, and a default for that of its profiles. Empty means "eu-west-1".
	Region string
	// Username is the chaim user name. It must be given.
	Username string
	// UserToken is the user's token, a secret. It must be given.
	UserToken string
	// TokenExpires is when the user token ends. Zero means unknown.
	TokenExpires time.Time
	// SlackID is the Slack user id. Empty means none.
	SlackID string
	// WorkspaceID is the Slack workspace id. Empty means none.
	WorkspaceID string

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

const tokenExpiresKey = "tokenexpires" // in Unix seconds

// settingsFromPairs reads keys as they stand in the default section, and returns those it does not know.
func settingsFromPairs(pairs map[string]string) (s Settings, rest map[string]string) {
	rest = maps.Clone(pairs)
	for _, f := range settingsFields {
		*f.field(&s) = pairs[f.key]
		delete(rest, f.key)
	}
	if end, isTime := humantime.Instant(pairs[tokenExpiresKey]); isTime {
		s.TokenExpires = end
		delete(rest, tokenExpiresKey)
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
	if s.Endpoint != "" { // whose region, if it is wrong, matters only to a client that takes it for its own
		return remote.CheckGatewayURL(s.Endpoint, where, allowInsecure)
	}
	region := cmp.Or(s.Region, defaultRegion)
	if err := checkRegion(region, where); err != nil {
		return "", err
	}
	return remote.APIGatewayURL(s.API, s.Stage, region, where)
}

// check refuses settings that cannot be used, or have a wrong region. where names their source for the error.
func (s *Settings) check(where string) error {
	if s.Region != "" {
		if err := checkRegion(s.Region, where); err != nil {
			return err
		}
	}
	_, err := s.endpoint(where, false)
	return err
}

func isControl(r rune) bool { return r < 0x20 || r == 0x7f }

// sdkKeys begin the keys that mean something to an AWS SDK, or to chaim, in a section that belongs to the user.
var sdkKeys = lazyregexp.New(`^(account|alias|api_|auth_|aws_|ca_bundle|chaim_|cli_|credential|defaults_|disable_|duration|ec2_|endpoint|expire|external_id|ignore_|login_|max_attempts|metadata_|mfa_|output|parameter_|region|request_|response_|retry_|role_|s3|sdk_|section|services|sigv4|source_|sso_|sts_|tcp_|use_|user_agent|web_identity_)`)

// Store writes the settings into the section [default] of the credentials file, where each client finds them that is given
// no others, with Extra under its own names. dir is as in [Options].Dir. Settings that are empty in s stay as they are
// there, unless they would not fit the others: an endpoint, where s has API and Stage; the Slack ids of another user; when
// another token ends. Every other byte stays.
//
// Settings that cannot be used, and an Extra that an AWS SDK would take for its own, are refused before the file is touched.
// Otherwise errors are those of [Client.RequestKeys] that concern the file. Any number of goroutines and processes may call
// it at once.
func (s Settings) Store(ctx context.Context, dir string) error {
	if err := s.check("the settings"); err != nil {
		return err
	}
	own := map[string]bool{tokenExpiresKey: true}
	var pairs []inifile.Pair
	add := func(key, value string) {
		if own[key] = true; value != "" {
			pairs = append(pairs, inifile.Pair{Key: key, Value: value})
		}
	}
	for _, f := range settingsFields {
		add(f.key, *f.field(&s))
	}
	if !s.TokenExpires.IsZero() {
		add(tokenExpiresKey, strconv.FormatInt(s.TokenExpires.Unix(), 10))
	}
	for _, name := range slices.Sorted(maps.Keys(s.Extra)) {
		key := strings.ToLower(name)
		if own[key] || sdkKeys().MatchString(key) {
			return fmt.Errorf("chaim: %s would mean something else to chaim or an AWS SDK: leave it out of Settings.Extra", quoteShort(name))
		}
		if value := s.Extra[name]; value != "" {
			pairs = append(pairs, inifile.Pair{Key: key, Value: value})
		}
	}
	if _, err := inifile.SetKeys(nil, inifile.DefaultSection, pairs, s.misfits(nil)); err != nil {
		return err
	}
	path, err := sharedfile.CredentialsPath(dir)
	if err != nil {
		return err
	}
	return sharedfile.File{Path: path}.Edit(ctx, func(doc []byte) ([]byte, error) {
		before, _, err := inifile.ReadAll(doc, inifile.DefaultSection)
		if err != nil {
			return nil, err
		}
		return inifile.SetKeys(doc, inifile.DefaultSection, pairs, s.misfits(before))
	})
}

// misfits tells which of the settings that are stored and empty in s do not go with those of s.
func (s Settings) misfits(stored map[string]string) func(key string) bool {
	return func(key string) bool {
		switch key {
		case "endpoint":
			return true // it would win over API and Stage
		case "slackid", "workspaceid":
			return stored["username"] != "" && stored["username"] != s.Username
		case tokenExpiresKey:
			return stored["usertoken"] != s.UserToken
		}
		return false
	}
}
