package chaim_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
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

func TestSecretsAreRedacted(t *testing.T) {
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
	all := []any{
		settings, &settings, creds, &creds,
		[]chaim.AwsCreds{creds},
		map[string]any{"c": creds, "s": &settings},
		chaim.Settings{Endpoint: "https://user:CANARY@gateway.example/"},
		chaim.Options{Settings: &settings, Source: creds},
		chaim.Options{Source: aws.CredentialsProvider(credentials.NewStaticCredentialsProvider("AKIA", "CANARY", "CANARY"))},
		monitor,
		nested{settings, &creds, map[string]chaim.AwsCreds{"a": creds}, creds},
		fmt.Errorf("wrapped: %v", creds),
	}
	var out bytes.Buffer
	for _, v := range all {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%T", "%20s"} {
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
