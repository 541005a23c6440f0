package awsenv

import (
	"fmt"
	"os/user"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCredentialsPath(t *testing.T) {
	t.Setenv("HOME", "/home/u")
	t.Setenv("USERPROFILE", "/home/u")
	for _, tt := range []struct{ dir, env, want string }{
		{"", "", "/home/u/.aws/credentials"},
		{"", "/x/y", "/x/y"},
		{"", "~/cr", "/home/u/cr"},
		{"", "x~/cr$", mustAbs(t, "x~/cr$")},
		{"/dir", "/x/y", "/dir/credentials"},
		{"dir", "", mustAbs(t, "dir/credentials")},
	} {
		t.Setenv("AWS_SHARED_CREDENTIALS_FILE", tt.env)
		got, err := CredentialsPath(tt.dir)
		require.NoError(t, err)
		assert.Equal(t, filepath.FromSlash(tt.want), got)
	}
}

// TestUnexpandedPath: programs differ in whether they expand variables and the homes of other users.
func TestUnexpandedPath(t *testing.T) {
	for path, part := range map[string]string{
		"$HOME/cr": "$HOME", "/home/${USER}/cr": "${USER}", "~other/cr": "~other", `~other\cr`: "~other", "~other": "~other",
		"~/$a/cr": "$a", `~\$a`: "$a", "~$a/cr": "~$a", "/x$$/${}/$b": "$b",
	} {
		t.Setenv("AWS_SHARED_CREDENTIALS_FILE", path)
		t.Setenv("AWS_CONFIG_FILE", path)
		_, err := CredentialsPath("")
		assert.ErrorContains(t, err, fmt.Sprintf("AWS_SHARED_CREDENTIALS_FILE is %q, in which boto3 expands %q", path, part))
		_, err = ConfigPath()
		assert.ErrorContains(t, err, fmt.Sprintf("AWS_CONFIG_FILE is %q", path))
	}
}

// TestHomeOfTheUserDatabase: services and containers may set no HOME.
func TestHomeOfTheUserDatabase(t *testing.T) {
	u, err := user.Current()
	require.NoError(t, err)
	t.Setenv("HOME", "")
	t.Setenv("USERPROFILE", "")
	got, err := CredentialsPath("")
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(u.HomeDir, ".aws", "credentials"), got)
}

func mustAbs(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	require.NoError(t, err)
	return abs
}
