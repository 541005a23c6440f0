package chaim_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
)

// misleading are variables that lead some SDK to other keys than lent ones, or to another account.
var misleading = []string{
	"AWS_PROFILE=prod", "AWS_ACCESS_KEY_ID=AKIAWRONG", "AWS_SECRET_ACCESS_KEY=x", "AWS_SESSION_TOKEN=x", "AWS_SECURITY_TOKEN=x",
	"AWS_ACCOUNT_ID=999999999999", "AMAZON_ACCESS_KEY_ID=AKIAWRONG", "AMAZON_SECRET_ACCESS_KEY=x", "EC2_ACCESS_KEY=AKIAWRONG",
	"AWS_WEB_IDENTITY_TOKEN_FILE=/token", "AWS_ROLE_ARN=arn:aws:iam::999999999999:role/R", "AWS_BEARER_TOKEN_BEDROCK=x",
	"AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1/x", "AWS_SHARED_CREDENTIALS_FILE=/other", "AWS_CREDENTIAL_FILE=/other",
	"CHAIM_TOKEN=a-user-token",
}

// environment is what a program sees of variables: of those with one name the last.
func environment(variables []string) map[string]string {
	env := map[string]string{}
	for _, variable := range variables {
		name, value, _ := strings.Cut(variable, "=")
		env[name] = value
	}
	return env
}

func TestChildEnviron(t *testing.T) {
	environ := append([]string{"HOME=/home/u", "AWS_CONFIG_FILE=/config"}, misleading...)
	for _, isInMemory := range []bool{false, true} {
		opts := optionsFor(t, chaimtest.NewServer(t))
		opts.NoProfile = isInMemory
		err := chaim.WithContext(t.Context(), opts, func(_ context.Context, c *chaim.Client) error {
			given := slices.Clone(environ)
			env := environment(c.ChildEnviron(given))
			assert.Equal(t, environ, given)
			assert.Equal(t, "/home/u", env["HOME"])
			creds := c.Creds()
			want := map[string]string{"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1"}
			if isInMemory {
				want["AWS_ACCESS_KEY_ID"], want["AWS_SECRET_ACCESS_KEY"] = creds.AccessKeyID, creds.SecretAccessKey
				want["AWS_SESSION_TOKEN"], want["AWS_ACCOUNT_ID"] = creds.SessionToken, "111111111111"
			} else {
				want["AWS_PROFILE"], want["AWS_SHARED_CREDENTIALS_FILE"] = c.Profile(), credentialsFile(opts)
				want["AWS_SDK_LOAD_CONFIG"] = "1" // as the file is not in its usual place
			}
			for name, value := range want {
				assert.Equal(t, value, env[name], name)
			}
			for _, variable := range misleading {
				name, wrong, _ := strings.Cut(variable, "=")
				value, isSet := env[name]
				assert.NotEqual(t, wrong, value, name)
				assert.Equal(t, want[name] != "", isSet, "%s: some SDKs heed empty values", name)
			}
			return nil
		})
		require.NoError(t, err)
	}
}

// TestEnvironWins has what is appended to a misleading environment win over it.
func TestEnvironWins(t *testing.T) {
	for _, variable := range misleading {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
	for _, isInMemory := range []bool{false, true} {
		opts := optionsFor(t, chaimtest.NewServer(t))
		opts.NoProfile = isInMemory
		err := chaim.WithContext(t.Context(), opts, func(_ context.Context, c *chaim.Client) error {
			env := environment(append(os.Environ(), c.Environ()...))
			for _, name := range []string{"AWS_SECURITY_TOKEN", "AMAZON_ACCESS_KEY_ID", "EC2_ACCESS_KEY", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_BEARER_TOKEN_BEDROCK"} {
				assert.Empty(t, env[name], name)
			}
			if !isInMemory {
				assert.Equal(t, c.Profile(), env["AWS_PROFILE"])
				assert.Empty(t, env["AWS_ACCESS_KEY_ID"])
				assert.Empty(t, env["AWS_ACCOUNT_ID"])
				return nil
			}
			assert.Equal(t, c.Creds().AccessKeyID, env["AWS_ACCESS_KEY_ID"])
			assert.Equal(t, "111111111111", env["AWS_ACCOUNT_ID"])
			assert.Empty(t, env["AWS_PROFILE"], "the SDK for JavaScript prefers it")
			assert.Equal(t, "prod", env["AWS_DEFAULT_PROFILE"], "botocore fails without a name")
			return nil
		})
		require.NoError(t, err)
	}
}

// TestEnvironWithoutKeys has a child find no credentials, rather than those of another account.
func TestEnvironWithoutKeys(t *testing.T) {
	opts := optionsFor(t, chaimtest.NewServer(t))
	for _, opts.NoProfile = range []bool{false, true} {
		c := clientFor(t, opts)
		for _, variables := range [][]string{c.Environ(), c.ChildEnviron(misleading)} {
			env := environment(variables)
			assert.Equal(t, "no-profile-of-chaim", env["AWS_PROFILE"])
			assert.Equal(t, "no-profile-of-chaim", env["AWS_DEFAULT_PROFILE"])
		}
	}
}
