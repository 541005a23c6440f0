//go:build services && linux

package services

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
)

// Keys from the documentation of AWS.
const (
	userKey    = "AKIAIOSFODNN7EXAMPLE"
	userSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

func motoSource(url string) *chaim.STS {
	keys := credentials.NewStaticCredentialsProvider(userKey, userSecret, "")
	return &chaim.STS{Keys: keys, RoleARN: roleARN("reader"), Endpoint: url}
}

// checkIdentity asks moto for the identity of a profile, and demands that it is the role.
func checkIdentity(t *testing.T, path, profile, role string) (arn string) {
	t.Helper()
	client := sts.NewFromConfig(loadProfile(t, path, profile), func(o *sts.Options) { o.BaseEndpoint = &moto.url })
	out, err := client.GetCallerIdentity(t.Context(), nil)
	require.NoError(t, err)
	require.Regexp(t, `^arn:aws:sts::123456789012:assumed-role/`+role+`/asia-release-[\w+=,.@-]+$`, *out.Arn)
	return *out.Arn
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	opts := chaim.Options{Source: motoSource(moto.url)}
	lend(t, opts, func(_ context.Context, first *chaim.Client, firstPath string) {
		lend(t, opts, func(_ context.Context, second *chaim.Client, secondPath string) {
			arn := checkIdentity(t, secondPath, second.Profile(), "reader")
			assert.NotEqual(t, arn, checkIdentity(t, firstPath, first.Profile(), "reader"))
			for program := range programs {
				out, err := use(t, program, second.Environ(), moto.url, "sts", "get-caller-identity", "{}")
				assert.NoError(t, err, out)
				assert.Contains(t, out, arn, program)
			}
		})
	})
}

var expirationRule = regexp.MustCompile(`<Expiration>(.*)</Expiration>`)

// TestFractionOfSecond is about expirations that are not whole seconds.
func TestFractionOfSecond(t *testing.T) {
	t.Parallel()
	tp := newTap(t, moto.url)
	creds, err := motoSource(tp.url).Retrieve(t.Context())
	require.NoError(t, err)
	_, replies := tp.seen()
	require.Len(t, replies, 1)
	match := expirationRule.FindStringSubmatch(replies[0])
	require.Len(t, match, 2)
	require.Regexp(t, `:\d\d\.\d+Z$`, match[1])
	end, err := time.Parse(time.RFC3339, match[1])
	require.NoError(t, err)
	assert.True(t, creds.CanExpire)
	assert.WithinRange(t, creds.Expires, end.Add(-time.Second), end)
}

const userConfig = `
[profile base]
role_arn = arn:aws:iam::123456789012:role/base
source_profile = user

[profile further]
role_arn = arn:aws:iam::123456789012:role/further
source_profile = base
`

// pointSDKAt sets the environment of the SDK: files with a user's profiles, moto behind a tap, and env. It returns the
// tap and the path of the credentials file.
func pointSDKAt(t *testing.T, env map[string]string) (*tap, string) {
	t.Helper()
	tp := newTap(t, moto.url)
	t.Setenv("AWS_ENDPOINT_URL_STS", tp.url)
	for name, value := range env {
		t.Setenv(name, value)
	}
	dir := t.TempDir()
	add := func(variable, text string) string {
		path := filepath.Join(dir, variable)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		t.Setenv(variable, path)
		return path
	}
	add("AWS_CONFIG_FILE", userConfig)
	if env["AWS_ROLE_ARN"] != "" {
		add("AWS_WEB_IDENTITY_TOKEN_FILE", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJqb2IifQ.")
	}
	text := "[user]\naws_access_key_id = " + userKey + "\naws_secret_access_key = " + userSecret + "\n"
	path := add("AWS_SHARED_CREDENTIALS_FILE", text)
	t.Cleanup(func() {
		left, err := os.ReadFile(path)
		assert.NoError(t, err)
		assert.True(t, text == string(left), "the user's file has changed")
	})
	return tp, path
}

// TestSourceKeys checks that the keys that sign the request come from the places where the SDK looks.
func TestSourceKeys(t *testing.T) {
	for name, test := range map[string]struct {
		env   map[string]string
		keys  aws.CredentialsProvider
		asked []string
	}{
		"environment": {
			env:   map[string]string{"AWS_ACCESS_KEY_ID": userKey, "AWS_SECRET_ACCESS_KEY": userSecret},
			asked: []string{"AssumeRole reader AKIA"},
		},
		"profile with a role": {
			env:   map[string]string{"AWS_PROFILE": "base"},
			asked: []string{"AssumeRole base AKIA", "AssumeRole reader ASIA"},
		},
		"profile with a role of a role": {
			env:   map[string]string{"AWS_PROFILE": "further"},
			asked: []string{"AssumeRole base AKIA", "AssumeRole further ASIA", "AssumeRole reader ASIA"},
		},
		"web identity": {
			env:   map[string]string{"AWS_ROLE_ARN": roleARN("base")},
			asked: []string{"AssumeRoleWithWebIdentity base", "AssumeRole reader ASIA"},
		},
		"another STS": {
			env:   map[string]string{"AWS_PROFILE": "user"},
			keys:  &chaim.STS{RoleARN: roleARN("base")},
			asked: []string{"AssumeRole base AKIA", "AssumeRole reader ASIA"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			tp, path := pointSDKAt(t, test.env)
			opts := chaim.Options{Account: "sredev", Source: &chaim.STS{Keys: test.keys, RoleARN: roleARN("reader")}}
			err := chaim.WithContext(t.Context(), opts, func(_ context.Context, c *chaim.Client) error {
				asked, _ := tp.seen()
				assert.Equal(t, test.asked, asked)
				checkIdentity(t, path, c.Profile(), "reader")
				return nil
			})
			require.NoError(t, err)
		})
	}
}

// TestWith uses neither a gateway nor a Source.
func TestWith(t *testing.T) {
	for role, name := range map[string]string{"reader": "reader", "mpu": "CrossAccountPowerUser", roleARN("admin"): "admin"} {
		t.Run(name, func(t *testing.T) {
			tp, path := pointSDKAt(t, map[string]string{"AWS_PROFILE": "user"})
			err := chaim.With("123456789012", role, 1, func(profile string) error {
				asked, _ := tp.seen()
				assert.Equal(t, []string{"AssumeRole " + name + " AKIA"}, asked)
				checkIdentity(t, path, profile, name)
				return nil
			})
			require.NoError(t, err)
		})
	}
}
