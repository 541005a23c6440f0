package chaim_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
)

func TestParseInit(t *testing.T) {
	const text = "api=8xxssu8fs7&slackid=S1&workspaceid=W1&username=chris%2Eallison&usertoken=ab==%20c+d&expires=1536139015&stage=prod&region=eu-west-1&colour=blue"
	want := chaim.Settings{
		API: "8xxssu8fs7", Stage: "prod", Region: "eu-west-1", Username: "chris.allison", UserToken: "ab== c+d",
		TokenExpires: time.Unix(1536139015, 0), SlackID: "S1", WorkspaceID: "W1", Extra: map[string]string{"colour": "blue"},
	}
	for _, encoding := range []*base64.Encoding{base64.URLEncoding, base64.RawURLEncoding} {
		got, err := chaim.ParseInit(encoding.EncodeToString([]byte(text)))
		require.NoError(t, err)
		assert.True(t, assert.ObjectsAreEqual(want, got))
	}
}

func TestParseInitRefusals(t *testing.T) {
	const rest = "&username=u&usertoken=CANARY&stage=prod"
	for name, text := range map[string]string{
		"nothing":       "",
		"no pairs":      "CANARY",
		"no token":      "api=a&username=u&stage=prod",
		"no gateway":    "username=u&usertoken=CANARY",
		"bad escape":    "api=%zz" + rest,
		"newline":       "api=a%0Ab" + rest,
		"newline raw":   "api=a\n" + rest,
		"bad API":       "api=evil.example/" + rest,
		"bad region":    "api=a&region=evil.example/" + rest,
		"plain http":    "endpoint=http%3A%2F%2Fevil.example" + rest,
		"empty key":     "=x&api=a" + rest,
		"repeated key":  "api=a&API=b" + rest,
		"bad end":       "api=a&expires=tomorrow" + rest,
		"without equal": "CANARY&api=a" + rest,
	} {
		got, err := chaim.ParseInit(base64.URLEncoding.EncodeToString([]byte(text)))
		if assert.Error(t, err, name) {
			assert.NotContains(t, err.Error(), "CANARY", name)
		}
		assert.Zero(t, got, name)
	}
	_, err := chaim.ParseInit("CANARY!")
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "CANARY")
}

// TestSecretsAreRedacted runs in a bubble, where no goroutine of the client changes what fmt reads.
func TestSecretsAreRedacted(t *testing.T) { synctest.Test(t, testSecretsAreRedacted) }

func testSecretsAreRedacted(t *testing.T) {
	settings := chaim.Settings{Username: "chris", UserToken: "CANARY-token"}
	creds := chaim.AwsCreds{
		Region: "eu-west-1", AccessKeyID: "ASIAEXAMPLE000009876", SecretAccessKey: "CANARY-secret", SessionToken: "CANARY-session",
		Expires: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC),
	}
	monitor, err := chaim.NewMonitor(t.Context(), creds, chaim.MonitorOptions{})
	require.NoError(t, err)
	defer monitor.Close()
	type nested struct {
		Settings  chaim.Settings
		Pointer   *chaim.AwsCreds
		Map       map[string]chaim.AwsCreds
		Interface any
	}
	sts := chaim.STS{
		RoleARN: testRole, ExternalID: "CANARY-external", Policy: `{"Sid":"CANARY"}`,
		Keys: credentials.NewStaticCredentialsProvider("AKIA", "CANARY", "CANARY"),
	}
	dir := t.TempDir()
	client, err := chaim.New(chaim.Options{Account: "sredev", Source: creds, Dir: dir})
	require.NoError(t, err)
	defer client.Close()
	_, err = client.RequestKeys(t.Context())
	require.NoError(t, err)
	require.NoError(t, (chaim.Settings{Endpoint: "https://a.example", Username: "chris", UserToken: "CANARY-token"}).Store(t.Context(), dir))
	section, err := client.DefaultSection(t.Context())
	require.NoError(t, err)
	require.Equal(t, "CANARY-token", section.Value("usertoken"))
	all := []any{
		settings, &settings, creds, &creds, sts, &sts,
		[]chaim.STS{sts},
		client,
		chaim.Options{Source: &sts},
		[]chaim.AwsCreds{creds},
		map[string]any{"c": creds, "s": &settings},
		chaim.Settings{Endpoint: "https://user:CANARY@gateway.example/"},
		chaim.Options{Settings: &settings, Source: creds},
		chaim.Options{Source: aws.CredentialsProvider(credentials.NewStaticCredentialsProvider("AKIA", "CANARY", "CANARY"))},
		monitor,
		nested{settings, &creds, map[string]chaim.AwsCreds{"a": creds}, creds},
		struct { // of which fmt calls no methods
			client  *chaim.Client
			monitor *chaim.Monitor
			section chaim.Section
		}{client, monitor, section},
		section,
		fmt.Errorf("wrapped: %v", creds),
	}
	synctest.Wait()
	var out bytes.Buffer
	for _, v := range all {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%T", "%20s", "%U", "%c", "%e"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			slog.New(h).Info("x", "v", v)
		}
		text, err := json.Marshal(v)
		require.NoError(t, err)
		out.Write(text)
	}
	func() {
		defer func() { fmt.Fprint(&out, recover()) }()
		panic(creds)
	}()
	assert.NotContains(t, out.String(), "CANARY")
	for _, secret := range []string{settings.UserToken, creds.SecretAccessKey, creds.SessionToken} {
		assert.NotContains(t, out.String(), fmt.Sprintf("%x", secret))
		assert.NotContains(t, out.String(), fmt.Sprintf("%X", secret))
		assert.NotContains(t, out.String(), base64.StdEncoding.EncodeToString([]byte(secret)))
	}
	assert.Contains(t, out.String(), "...9876")
	assert.NotContains(t, out.String(), "ASIAEXAMPLE000009876")
}

func TestGatewayURLs(t *testing.T) {
	for endpoint, ok := range map[string]bool{
		"https://gateway.example":               true,
		"https://gateway.example:8443/prod":     true,
		"https://10.0.0.1/":                     true,
		"http://127.0.0.1:8080/prod/":           true,
		"http://127.1.2.3/":                     true,
		"http://[::1]:8080/":                    true,
		"http://localhost:8080/":                false,
		"http://gateway.example/":               false,
		"http://127.0.0.1.example/":             false,
		"http://10.0.0.1/":                      false,
		"http://[::ffff:10.0.0.1]/":             false,
		"ftp://gateway.example/":                false,
		"gateway.example":                       false,
		"https:///prod":                         false,
		"https://user:CANARY@gateway.example/":  false,
		"https://gateway.example/?token=CANARY": false,
		"https://gateway.example/\x7fCANARY":    false,
	} {
		opts := chaim.Options{Account: "sredev", Dir: t.TempDir(), Settings: &chaim.Settings{Endpoint: endpoint, Username: "u", UserToken: "t"}}
		_, err := chaim.New(opts)
		assert.Equal(t, ok, err == nil, "%s: %v", endpoint, err)
		if err != nil {
			assert.NotContains(t, err.Error(), "CANARY")
		}
	}

	var log bytes.Buffer
	opts := chaim.Options{Account: "sredev", AllowInsecure: true, Dir: t.TempDir(), Logger: slog.New(slog.NewTextHandler(&log, nil))}
	opts.Settings = &chaim.Settings{Endpoint: "http://gateway.example/", Username: "u", UserToken: "t"}
	_, err := chaim.New(opts)
	assert.NoError(t, err)
	assert.Contains(t, log.String(), "level=WARN")
}

// refusingTransport notes where requests would go.
type refusingTransport struct {
	t    *testing.T
	urls []string
	form []string
}

func (r *refusingTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	require.NoError(r.t, err)
	r.urls, r.form = append(r.urls, req.URL.String()), append(r.form, string(body))
	return &http.Response{StatusCode: 403, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("{}")), Request: req}, nil
}

func TestSettingsSources(t *testing.T) {
	clear := func(t *testing.T) {
		for _, name := range []string{"URL", "API", "STAGE", "REGION", "USER", "TOKEN", "SLACKID", "WORKSPACEID"} {
			t.Setenv("CHAIM_"+name, "")
		}
	}
	const section = "[default]\napi = 8xxssu8fs7\nstage = prod\nregion = us-east-1\nusername = chris\nusertoken = t=1\nslackid = S1\nworkspaceid = W1\n"
	for _, tt := range []struct {
		name, file string
		env        map[string]string
		settings   *chaim.Settings
		url, form  string
	}{
		{name: "default section", file: section, url: "https://8xxssu8fs7.execute-api.us-east-1.amazonaws.com/prod/", form: "team_id=W1&text=sredev%2Crro%2C1&token=t%3D1&user_id=S1&user_name=chris"},
		{name: "China", file: strings.ReplaceAll(section, "us-east-1", "cn-north-1"), url: "https://8xxssu8fs7.execute-api.cn-north-1.amazonaws.com.cn/prod/"},
		{name: "endpoint wins over api", file: section + "endpoint = https://gateway.example/chaim\n", url: "https://gateway.example/chaim/"},
		{name: "environment wins over file", file: section, env: map[string]string{"CHAIM_URL": "https://env.example", "CHAIM_USER": "env", "CHAIM_TOKEN": "e", "CHAIM_SLACKID": "S2", "CHAIM_WORKSPACEID": "W2"}, url: "https://env.example/", form: "team_id=W2&text=sredev%2Crro%2C1&token=e&user_id=S2&user_name=env"},
		{name: "API in the environment", env: map[string]string{"CHAIM_API": "abc", "CHAIM_STAGE": "dev", "CHAIM_USER": "env", "CHAIM_TOKEN": "e"}, url: "https://abc.execute-api.eu-west-1.amazonaws.com/dev/"},
		{name: "options win over environment", env: map[string]string{"CHAIM_URL": "https://env.example"}, settings: &chaim.Settings{Endpoint: "https://opts.example", Username: "o", UserToken: "p"}, url: "https://opts.example/"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clear(t)
			for name, value := range tt.env {
				t.Setenv(name, value)
			}
			transport := &refusingTransport{t: t}
			opts := chaim.Options{Account: "sredev", Duration: time.Hour, Dir: t.TempDir(), Settings: tt.settings, HTTPClient: &http.Client{Transport: transport}}
			write(t, credentialsFile(opts), tt.file)
			err := chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error { return nil })
			require.ErrorAs(t, err, new(*chaim.GatewayError))
			assert.Equal(t, []string{tt.url}, transport.urls)
			form := strings.ReplaceAll(transport.form[0], "response_url=ignoreme&", "")
			form = strings.ReplaceAll(form, "&useragent=chaim-go+0.1.0", "")
			if tt.form != "" {
				assert.Equal(t, tt.form, form)
			}
		})
	}

	t.Run("environment is not mixed with the file", func(t *testing.T) {
		clear(t)
		t.Setenv("CHAIM_URL", "https://env.example")
		dir := t.TempDir()
		write(t, filepath.Join(dir, "credentials"), section)
		_, err := chaim.New(chaim.Options{Account: "sredev", Dir: dir})
		assert.ErrorIs(t, err, chaim.ErrNotConfigured)
		assert.ErrorContains(t, err, "user token")
	})
	for _, bad := range []string{"api = a.evil.example/", "stage = a/b", "region = eu/west"} {
		t.Run(bad, func(t *testing.T) {
			clear(t)
			dir := t.TempDir()
			key, _, _ := strings.Cut(bad, " ")
			var kept []string
			for line := range strings.Lines(section) {
				if !strings.HasPrefix(line, key+" ") {
					kept = append(kept, line)
				}
			}
			write(t, filepath.Join(dir, "credentials"), strings.Join(kept, "")+bad+"\n")
			_, err := chaim.New(chaim.Options{Account: "sredev", Dir: dir})
			assert.ErrorContains(t, err, key)
		})
	}
}

func TestSettingsOfClient(t *testing.T) {
	noSDKConfig(t)
	srv := chaimtest.NewServer(t)
	opts := optionsFor(t, srv)
	c, err := chaim.New(opts)
	require.NoError(t, err)
	given := *opts.Settings
	opts.Settings.Username = "somebody else"
	s, err := c.Settings(t.Context())
	require.NoError(t, err)
	assert.True(t, s.Username == given.Username && s.UserToken == given.UserToken && s.Endpoint == given.Endpoint, "as they were when it was made")
	require.NoError(t, c.Close())
	_, err = c.Settings(t.Context())
	assert.ErrorIs(t, err, chaim.ErrClosed)

	_, err = assertReads(t, chaim.Options{Dir: t.TempDir()}, (*chaim.Client).Settings)
	assert.ErrorIs(t, err, chaim.ErrNotConfigured)
}
