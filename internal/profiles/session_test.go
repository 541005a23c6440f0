package profiles

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAddSession(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config")
	t.Setenv("AWS_CONFIG_FILE", path)
	const before = "# mine\r\n[profile a]\r\n  output=json ; why\r\n"
	require.NoError(t, os.WriteFile(path, []byte(before), 0o600))
	for range 2 {
		_, err := AddSession(t.Context(), "corp", "https://corp.awsapps.com/start", "eu-central-1")
		require.NoError(t, err)
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, before+"\r\n[sso-session corp]\r\nsso_start_url = https://corp.awsapps.com/start\r\nsso_region = eu-central-1\r\nsso_registration_scopes = sso:account:access\r\n", string(text))
	}
	for name, want := range map[string]string{
		"corp": "it has another [sso-session corp] already", "a b": "is not 1 to 64 letters", "a]": "is not 1 to 64 letters", "": "is not 1 to 64 letters",
	} {
		_, err := AddSession(t.Context(), name, "https://other.awsapps.com/start", "eu-central-1")
		require.ErrorContains(t, err, want)
	}
	_, err := AddSession(t.Context(), "other", "https://other.awsapps.com/start;x", "eu-central-1")
	require.Error(t, err)
}
