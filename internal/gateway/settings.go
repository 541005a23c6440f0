package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/chaim-go/chaim/internal/humantime"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/lazyregexp"
	"github.com/chaim-go/chaim/internal/partition"
)

// Settings say where a gateway is and who asks it. The package chaim has the same type and describes its fields.
type Settings struct {
	Endpoint     string
	API          string
	Stage        string
	Region       string
	Username     string
	UserToken    string
	TokenExpires time.Time
	SlackID      string
	WorkspaceID  string
	Protocol     string

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
		endpoint, s.API, s.Stage, s.Region, s.Username, keys.Redacted(s.UserToken))
}

// settingsFields maps the keys of the default section and of an init string to environment variables and fields.
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
	{"protocol", "CHAIM_PROTOCOL", func(s *Settings) *string { return &s.Protocol }},
}

const tokenExpiresKey = "tokenexpires" // in Unix seconds

// V1 is the protocol of the JSON API. An empty protocol is that of the forms, which the original gateway takes.
const V1 = "v1"

// SettingsFromPairs reads the settings from the keys of the default section, and returns the unknown keys in rest.
func SettingsFromPairs(pairs map[string]string) (s Settings, rest map[string]string) {
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

// SettingsFromEnv reads the environment, and returns the names of the variables that are set. If one is set, all settings come
// from the environment: mixed with the file they could send one gateway's token to another.
func SettingsFromEnv() (s Settings, set []string) {
	for _, f := range settingsFields {
		*f.field(&s) = os.Getenv(f.env)
		if os.Getenv(f.env) != "" {
			set = append(set, f.env)
		}
	}
	return s, set
}

// URL returns the gateway's URL, ending in a slash, if it is safe to send the token there. where names the source of the
// settings in the error.
func (s Settings) URL(where string, allowInsecure bool) (string, error) {
	if err := s.checkProtocol(where); err != nil {
		return "", err
	}
	if s.Protocol == V1 && s.UserToken == "" && s.Username != "" { // as after a logout
		endpoint, err := CheckURL(s.Endpoint, where, allowInsecure)
		if err != nil {
			return "", err
		}
		return "", &SignedOutError{Endpoint: endpoint, Why: "there is no user token in " + where}
	}
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
		return "", fmt.Errorf("%w: %s lack the %s", keys.ErrNotConfigured, where, strings.Join(missing, " and the "))
	}
	if s.Endpoint != "" { // needs no region
		return CheckURL(s.Endpoint, where, allowInsecure)
	}
	region := cmp.Or(s.Region, partition.DefaultRegion)
	if err := partition.CheckRegionOf(where, region); err != nil {
		return "", err
	}
	return APIURL(s.API, s.Stage, region, where)
}

// checkProtocol refuses a protocol that chaim does not speak, or that the settings cannot have.
func (s Settings) checkProtocol(where string) error {
	switch {
	case s.Protocol != "" && s.Protocol != V1:
		return fmt.Errorf("chaim: protocol %s in %s is not one that this chaim speaks: leave it out for the original gateway, or use %s", keys.QuoteShort(s.Protocol), where, V1)
	case s.Protocol == V1 && s.Endpoint == "":
		return fmt.Errorf("%w: %s have protocol %s, which needs the gateway's URL as endpoint", keys.ErrNotConfigured, where, V1)
	}
	return nil
}

// Check refuses settings that cannot be used, or have a wrong region. where names their source in the error.
func (s Settings) Check(where string) error {
	if s.Region != "" {
		if err := partition.CheckRegionOf(where, s.Region); err != nil {
			return err
		}
	}
	_, err := s.URL(where, false)
	return err
}

func isControl(r rune) bool { return r < 0x20 || r == 0x7f }

// sdkKeys matches keys that mean something to an AWS SDK or to chaim in a section of the credentials file.
var sdkKeys = lazyregexp.New(`^(account|alias|api_|auth_|aws_|ca_bundle|chaim_|cli_|credential|defaults_|disable_|duration|ec2_|endpoint|expire|external_id|ignore_|login_|max_attempts|metadata_|mfa_|output|parameter_|region|request_|response_|retry_|role_|s3|sdk_|section|services|sigv4|source_|sso_|sts_|tcp_|use_|user_agent|web_identity_)`)

// Pairs returns the keys and values for the default section, without empty values, and with Extra under its own names. It
// refuses an Extra whose name means something to chaim or an AWS SDK.
func (s Settings) Pairs() ([][2]string, error) {
	own := map[string]bool{tokenExpiresKey: true}
	var pairs [][2]string
	add := func(key, value string) {
		if own[key] = true; value != "" {
			pairs = append(pairs, [2]string{key, value})
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
			return nil, fmt.Errorf("chaim: %s has a meaning of its own to chaim or an AWS SDK: leave it out of Settings.Extra", keys.QuoteShort(name))
		}
		if value := s.Extra[name]; value != "" {
			pairs = append(pairs, [2]string{key, value})
		}
	}
	return pairs, nil
}

// Misfits returns a function that reports whether a stored key, if it is empty in s, does not belong with s and must go.
func (s Settings) Misfits(stored map[string]string) func(key string) bool {
	return func(key string) bool {
		switch key {
		case "endpoint":
			return true // it would win over API and Stage
		case "protocol":
			return true // it is that of another gateway
		case "api", "stage": // or original programs would take the new token there
			return !s.isAt(stored)
		case "slackid", "workspaceid":
			return stored["username"] != "" && stored["username"] != s.Username
		case tokenExpiresKey:
			return stored["usertoken"] != s.UserToken
		}
		return false
	}
}

// IsSameURL reports whether two URLs of gateways are one but for slashes at the end.
func IsSameURL(a, b string) bool { return strings.TrimRight(a, "/") == strings.TrimRight(b, "/") }

// isAt reports whether stored settings are those of the same gateway: by its URL, or by the API and the stage.
func (s Settings) isAt(stored map[string]string) bool {
	if s.Endpoint == "" || IsSameURL(s.Endpoint, stored["endpoint"]) {
		return true // without an endpoint s has an API and a stage of its own
	}
	api, stage := cmp.Or(s.API, stored["api"]), cmp.Or(s.Stage, stored["stage"])
	own, err := APIURL(api, stage, cmp.Or(s.Region, stored["region"], partition.DefaultRegion), "the settings")
	return err == nil && IsSameURL(s.Endpoint, own)
}

// settingsFromInit turns the pairs of an init string into settings, and checks them.
func settingsFromInit(pairs map[string]string) (Settings, error) {
	pairs = maps.Clone(pairs)
	if expires, ok := pairs["expires"]; ok {
		pairs[tokenExpiresKey] = expires
		delete(pairs, "expires")
	}
	s, rest := SettingsFromPairs(pairs)
	if rest[tokenExpiresKey] != "" {
		return Settings{}, errors.New("chaim: expires in the init string is not a time in Unix seconds; copy it again in full")
	}
	if len(rest) > 0 {
		s.Extra = rest
	}
	return s, s.Check("the init string")
}
