//go:build interop

package interop

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
)

// boto3Script takes the URL of STS as an argument: Debian's AWS CLI and boto3 do not know AWS_ENDPOINT_URL_STS yet.
const boto3Script = `
import boto3, sys
profile = sys.argv[2] if len(sys.argv) > 2 else None
print(boto3.Session(profile_name=profile).client("sts", endpoint_url=sys.argv[1]).get_caller_identity()["Arn"])
`

// TestInterop has other programs use a profile, by name and through Client.Environ. They can while the scope lives, and not
// after it.
func TestInterop(t *testing.T) {
	for name, command := range map[string]func(url, profile string) []string{
		"AWS CLI": func(url, profile string) []string {
			args := []string{"/usr/bin/aws", "sts", "get-caller-identity", "--query", "Arn", "--output", "text", "--endpoint-url", url}
			if profile != "" {
				args = append(args, "--profile", profile)
			}
			return args
		},
		"boto3": func(url, profile string) []string {
			args := []string{"/usr/bin/python3", "-c", boto3Script, url}
			if profile != "" {
				args = append(args, profile)
			}
			return args
		},
	} {
		t.Run(name, func(t *testing.T) {
			srv := chaimtest.NewServer(t)
			home := srv.Setenv(t)
			mine := "# mine\n[prod]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = x\n"
			require.NoError(t, os.WriteFile(filepath.Join(home, "credentials"), []byte(mine), 0o600))
			// Without Environ, these would win over the profile.
			t.Setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "x")
			t.Setenv("AWS_DEFAULT_PROFILE", "prod")

			run := func(env []string, profile string) (string, error) {
				args := command(srv.STSURL(), profile)
				cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
				cmd.Env = append(os.Environ(), env...)
				out, err := cmd.CombinedOutput()
				return strings.TrimSpace(string(out)), err
			}

			const arn = "arn:aws:sts::111111111111:assumed-role/CrossAccountPowerUser/"
			var profile string
			var env []string
			err := chaim.WithContext(t.Context(), chaim.Options{Account: "sredev", Role: "mpu"}, func(_ context.Context, c *chaim.Client) error {
				profile, env = c.Profile(), c.Environ()
				out, err := run(nil, profile)
				assert.NoError(t, err, "%s", out)
				assert.Contains(t, out, arn)

				out, err = run(env, "")
				assert.NoError(t, err, "%s", out)
				assert.Contains(t, out, arn)
				return nil
			})
			require.NoError(t, err)

			out, err := run(nil, profile)
			assert.Error(t, err)
			assert.Contains(t, out, "could not be found")
			out, err = run(env, "")
			assert.Error(t, err)
			assert.Contains(t, out, "could not be found")
		})
	}
}
