package profiles

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// loginText is the file of a sign-in whose keys end after left.
func loginText(left time.Duration, token string) string {
	return `{"accessToken":{"accessKeyId":"ASIA","expiresAt":"` + time.Now().Add(left).UTC().Format(time.RFC3339) + `"},"dpopKey":"key","idToken":"id","refreshToken":"` + token + `"}`
}

func writeLogin(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

// renewing is the SDK, which renews the copy.
func renewing(t *testing.T, token string) func(string) error {
	return func(copied string) error {
		writeLogin(t, copied, loginText(15*time.Minute, token))
		return nil
	}
}

func TestRenewLogin(t *testing.T) {
	path := filepath.Join(t.TempDir(), "login.json")
	writeLogin(t, path, loginText(4*time.Minute, "first"))
	require.NoError(t, AWSFiles{}.RenewLogin(t.Context(), path, renewing(t, "second")))
	assert.Contains(t, textOf(t, path), `"refreshToken":"second"`)
	assert.Contains(t, textOf(t, path), `"idToken":"id"`)
	require.NoError(t, AWSFiles{}.RenewLogin(t.Context(), path, func(string) error { return errors.New("not due") }))
}

// TestLoginThatChangesDuringItsRenewal has other programs end the sign-in, or begin a new one.
func TestLoginThatChangesDuringItsRenewal(t *testing.T) {
	for name, change := range map[string]func(path string) error{
		"ended":    os.Remove,
		"replaced": func(path string) error { return os.WriteFile(path, []byte("new"), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "login.json")
			writeLogin(t, path, loginText(4*time.Minute, "first"))
			err := AWSFiles{}.RenewLogin(t.Context(), path, func(copied string) error {
				require.NoError(t, change(path))
				return renewing(t, "second")(copied)
			})
			require.ErrorContains(t, err, "another program has changed the sign-in meanwhile")
			if name == "ended" {
				assert.NoFileExists(t, path)
			} else {
				assert.Equal(t, "new", textOf(t, path))
			}
			left, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*renewal*"))
			require.NoError(t, err)
			assert.Empty(t, left)
		})
	}
}

// TestLoginRenewalThatWasKilled has the copy of a chaim that was killed before it could store the keys.
func TestLoginRenewalThatWasKilled(t *testing.T) {
	for name, copied := range map[string]string{
		"renewed": loginText(15*time.Minute, "second"), "not renewed": loginText(-time.Hour, "first"),
		"of another sign-in": strings.Replace(loginText(15*time.Minute, "theirs"), `"key"`, `"other"`, 1), "torn": "{",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "login.json")
			before := loginText(10*time.Minute, "first")
			writeLogin(t, path, before)
			beside := path + ".chaim-renewal"
			writeLogin(t, beside, copied)
			old := time.Now().Add(-2 * time.Minute)
			require.NoError(t, os.Chtimes(beside, old, old))
			require.NoError(t, AWSFiles{}.RenewLogin(t.Context(), path, func(string) error { return errors.New("not due") }))
			assert.NoFileExists(t, beside)
			if name == "renewed" {
				assert.Contains(t, textOf(t, path), `"refreshToken":"second"`)
			} else {
				assert.Equal(t, before, textOf(t, path))
			}
		})
	}
}

func TestLoginThatAnotherProcessRenews(t *testing.T) {
	path := filepath.Join(t.TempDir(), "login.json")
	writeLogin(t, path, loginText(4*time.Minute, "first"))
	unlock, err := SignIn{path}.Lock(t.Context())
	require.NoError(t, err)
	defer unlock()
	began := time.Now()
	err = AWSFiles{}.RenewLogin(context.Background(), path, renewing(t, "second"))
	require.ErrorContains(t, err, "another process has it")
	assert.Less(t, time.Since(began), 10*time.Second)
}
