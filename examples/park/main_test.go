package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestMain lets the test binary be the program.
func TestMain(m *testing.M) {
	if os.Getenv("CHAIM_PARK_CHILD") == "" {
		os.Exit(m.Run())
	}
	main()
}

func TestPark(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	home := t.TempDir()
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), "CHAIM_PARK_CHILD=1", "HOME="+home, "TMPDIR="+t.TempDir(),
		"AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(home, "credentials"), "AWS_CONFIG_FILE="+filepath.Join(home, "config"))
	text, err := cmd.CombinedOutput()
	out := string(text)
	require.NoError(t, err, out)
	for _, line := range []string{
		"kept      credentials: dev, homes; chaim-parked: none",
		"parked    credentials: dev; chaim-parked: homes",
		"renewed   credentials: dev; chaim-parked: homes",
		"back      credentials: dev, homes; chaim-parked: none",
		"deleted   credentials: homes; chaim-parked: none",
	} {
		assert.Contains(t, out, line+"\n")
	}
	assert.Equal(t, 2, strings.Count(out, `new keys  chaim.AwsCreds{Region:"eu-west-1" AccessKeyID:"...`), out)
	assert.NotContains(t, out, "CANARY")
	entries, err := os.ReadDir(home)
	require.NoError(t, err)
	assert.Empty(t, entries, "the user's home is not touched")
	_, scratch, _ := strings.Cut(out, "folder    ")
	scratch, _, _ = strings.Cut(scratch, " ")
	require.NotEmpty(t, scratch)
	assert.NoDirExists(t, scratch)
}
