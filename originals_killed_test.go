package chaim_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// TestKilledScopeRenewedByTheOriginals has a scope be killed, and another tool rewrite its profile before or after that, as
// "cca renew" does: without the mark, or with the one of before. The sweep removes what is the scope's account's, and once.
func TestKilledScopeRenewedByTheOriginals(t *testing.T) {
	const keys = "aws_access_key_id = ASIATHEIRS0000000001\naws_secret_access_key = CANARY\naws_session_token = CANARY\n"
	const renewed = keys + "expires = 4102444800\nduration = 1\nrole = rro\naccountname = sredev\n"
	for name, tt := range map[string]struct {
		section string
		isGone  bool
	}{
		"renewed":                       {"[tempname]\n" + renewed, true},
		"renewed, fraction of a second": {"[tempname]\n" + strings.Replace(renewed, "4102444800", "4102444800.5", 1), true},
		"renewed, expired":              {"[tempname]\n" + strings.Replace(renewed, "4102444800", "1536139015", 1), true},
		"another account":               {"[tempname]\n" + strings.Replace(renewed, "sredev", "prod", 1), false},
		"another profile":               {"[other]\n" + renewed, false},
		"long-lived keys":               {"[tempname]\n" + strings.Replace(renewed, "ASIA", "AKIA", 1), false},
		"keys without an account":       {"[tempname]\n" + keys, false},
		"an account without keys":       {"[tempname]\naccountname = sredev\nrole = rro\n", false},
		"only settings of the user":     {"[tempname]\noutput = json\n", false},
	} {
		for _, form := range []chaim.ProfileForm{chaim.Keys, chaim.Process} {
			for _, hasMark := range []bool{false, true} {
				label := name + ", " + form.String()
				if hasMark {
					label += ", mark of before"
				}
				t.Run(label, func(t *testing.T) {
					path := scopeOfTheDead(t, form)
					section := tt.section
					if hasMark {
						section += strings.Replace(markLine.FindString(read(t, path)), "+", "", 1)
					}
					write(t, path, "[mine]\nregion = r\n\n"+section)
					swept, err := chaim.Sweep(t.Context(), filepath.Dir(path))
					require.NoError(t, err)
					assert.Empty(t, scopeFiles(t, path))
					if !tt.isGone {
						assert.NotContains(t, swept, chaim.Swept{Path: path, Profile: "tempname"})
						assert.Equal(t, "[mine]\nregion = r\n\n"+section, read(t, path))
						return
					}
					assert.Contains(t, swept, chaim.Swept{Path: path, Profile: "tempname"})
					assert.Equal(t, "[mine]\nregion = r\n", read(t, path))

					write(t, path, tt.section) // made by that tool from now on
					_, err = chaim.Sweep(t.Context(), filepath.Dir(path))
					require.NoError(t, err)
					assert.Equal(t, tt.section, read(t, path))
				})
			}
		}
	}
}

// TestSweepBesideALiveScope has the profile of a live scope renewed by another tool, while the lease of a dead one that had
// the same profile is still there: the sweep leaves it to the live one.
func TestSweepBesideALiveScope(t *testing.T) {
	path := scopeOfTheDead(t, chaim.Keys)
	dead := scopeFiles(t, path)
	require.Len(t, dead, 1)
	note, err := os.ReadFile(dead[0])
	require.NoError(t, err)
	live := strings.Replace(dead[0], filepath.Base(dead[0]), "credentials-ABCDEFGHIJKLMNOPQRSTUVWXYZ.lease", 1)
	write(t, live, string(note))
	lock, err := sharedfile.LockSide(live, os.O_RDWR, false)
	require.NoError(t, err)
	require.NotNil(t, lock)

	const section = "[tempname]\naws_access_key_id = ASIATHEIRS0000000001\naws_secret_access_key = CANARY\naccountname = sredev\n"
	write(t, path, section)
	_, err = chaim.Sweep(t.Context(), filepath.Dir(path))
	require.NoError(t, err)
	assert.Equal(t, section, read(t, path))
	assert.Equal(t, []string{live}, scopeFiles(t, path))

	require.NoError(t, lock.Close())
	_, err = chaim.Sweep(t.Context(), filepath.Dir(path))
	require.NoError(t, err)
	assert.Empty(t, read(t, path))
}
