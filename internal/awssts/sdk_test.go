package awssts

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/internal/profiles"
)

// TestConfigBesideACopy: [default] holds a copy that chaim made, and the SDK must find other keys.
func TestConfigBesideACopy(t *testing.T) {
	sum := sha256.Sum256([]byte("\nASIALENT00000000\n"))
	mark := "chaim_copy = " + hex.EncodeToString(sum[:8]) + "\n" // marks a copy
	const keys = "aws_secret_access_key = s\naws_session_token = t\nalias = dev\nsection = sredev\n"
	copied := "[default]\nregion = us-west-2\naws_access_key_id = ASIALENT00000000\n" + keys + mark
	mine := "[base]\naws_access_key_id = AKIABASE00000000\naws_secret_access_key = s\n"
	for name, tt := range map[string]struct {
		credentials, config string
		env                 map[string]string
		key                 string // empty for none
	}{
		"own keys":              {credentials: "[default]\naws_access_key_id = AKIAMINE00000000\n" + keys, key: "AKIAMINE00000000"},
		"own temporary keys":    {credentials: "[default]\naws_access_key_id = ASIAMINE00000000\n" + keys, key: "ASIAMINE00000000"},
		"own over a copy":       {credentials: "[default]\naws_access_key_id = AKIAMINE00000000\n" + keys + mark, key: "AKIAMINE00000000"},
		"a copy":                {credentials: copied},
		"of another tool":       {credentials: "[default]\naws_access_key_id = ASIALENT00000000\n" + keys + "[dev]\naccountname = sredev\naws_access_key_id = ASIALENT00000000\n"},
		"a copy, environment":   {credentials: copied, env: map[string]string{"AWS_ACCESS_KEY_ID": "AKIAENV000000000", "AWS_SECRET_ACCESS_KEY": "s"}, key: "AKIAENV000000000"},
		"a copy, by name":       {credentials: copied, env: map[string]string{"AWS_PROFILE": "default", "AWS_ACCESS_KEY_ID": "AKIAENV000000000", "AWS_SECRET_ACCESS_KEY": "s"}, key: "AKIAENV000000000"},
		"a copy, other profile": {credentials: copied + mine, env: map[string]string{"AWS_PROFILE": "base"}, key: "AKIABASE00000000"},
		"a copy, process":       {credentials: copied, config: "[default]\ncredential_process = echo '{\"Version\": 1, \"AccessKeyId\": \"AKIAPROCESS00000\", \"SecretAccessKey\": \"s\"}'\n", key: "AKIAPROCESS00000"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, name := range []string{"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION"} {
				t.Setenv(name, tt.env[name])
			}
			t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
			for variable, text := range map[string]string{"AWS_SHARED_CREDENTIALS_FILE": tt.credentials, "AWS_CONFIG_FILE": tt.config} {
				path := filepath.Join(dir, variable)
				require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
				t.Setenv(variable, path)
			}
			cfg, err := Config(t.Context(), Options{Files: profiles.AWSFiles{}})
			require.NoError(t, err)
			if name == "a copy" || name == "a copy, environment" {
				assert.Equal(t, "us-west-2", cfg.Region)
			}
			found, err := cfg.Credentials.Retrieve(t.Context())
			assert.Equal(t, tt.key == "", err != nil)
			assert.Equal(t, tt.key, found.AccessKeyID)
		})
	}
}
