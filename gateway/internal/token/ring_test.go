package token

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"
)

func saved(t testing.TB) (path string, r *Ring) {
	t.Helper()
	path, r = filepath.Join(t.TempDir(), "ring.json"), newRing(t)
	require.NoError(t, r.Save(path))
	return path, r
}

func TestRingSurvivesItsFile(t *testing.T) {
	path, r := saved(t)
	secret, row := newToken(t, r)
	loaded, err := LoadRing(path)
	require.NoError(t, err)
	assert.True(t, loaded.Verify(row, secret))
	assert.Equal(t, r.String(), loaded.String())
	assert.Equal(t, "gw_test", loaded.GatewayID())
	if info, err := os.Stat(path); assert.NoError(t, err) && runtime.GOOS != "windows" {
		assert.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
	}
	assert.ErrorIs(t, newRing(t).Save(path), fs.ErrExist, "a ring is never overwritten")
}

func TestOpenRingIsRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the ACL decides, which mode bits do not show")
	}
	path, _ := saved(t)
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o620, 0o666} {
		require.NoError(t, os.Chmod(path, mode))
		_, err := LoadRing(path)
		assert.ErrorContains(t, err, "chmod 600")
		_, err = Update(path, func(r *Ring) (*Ring, error) { return r.RotatePepper(), nil })
		assert.ErrorContains(t, err, "chmod 600")
	}
	_, err := LoadRing(filepath.Dir(path))
	assert.ErrorContains(t, err, "not a regular file")
	_, err = LoadRing(path + "x")
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

func TestRotatedPepperStillVerifies(t *testing.T) {
	r := newRing(t)
	secret, row := newToken(t, r)
	rotated := r.RotatePepper()
	assert.NotEqual(t, r.PepperID(), rotated.PepperID())
	assert.True(t, rotated.Verify(row, secret))
	newSecret, newRow := newToken(t, rotated)
	assert.Equal(t, rotated.PepperID(), newRow.Seal.KeyID)
	assert.True(t, rotated.Verify(newRow, newSecret))
	assert.False(t, r.Verify(newRow, newSecret), "the ring before is unchanged")
}

func TestDeadPepperVerifiesNothing(t *testing.T) {
	r := newRing(t)
	secret, row := newToken(t, r)
	_, err := r.KillPepper("pep_other")
	assert.ErrorContains(t, err, "there is no key")

	killed, err := r.KillPepper(row.Seal.KeyID)
	require.NoError(t, err)
	assert.False(t, killed.Verify(row, secret), "at once")
	assert.True(t, killed.Knows(row.Seal.KeyID), "so that its rows do not look like those of a newer ring")
	assert.NotEqual(t, row.Seal.KeyID, killed.PepperID(), "there is a new active one")
	path := filepath.Join(t.TempDir(), "ring.json")
	require.NoError(t, killed.Save(path))
	loaded, err := LoadRing(path)
	require.NoError(t, err)
	assert.False(t, loaded.Verify(row, secret))

	rotated := r.RotatePepper()
	killed, err = rotated.KillPepper(r.PepperID())
	require.NoError(t, err)
	assert.Equal(t, rotated.PepperID(), killed.PepperID(), "the active one stays if an older one is killed")
}

func TestCheckpointsOfOldKeysVerify(t *testing.T) {
	r := newRing(t)
	old, err := note.Sign(&note.Note{Text: "checkpoint 1\n"}, r.Signer())
	require.NoError(t, err)
	rotated, err := r.RotateSigning()
	require.NoError(t, err)
	signed, err := note.Sign(&note.Note{Text: "checkpoint 2\n"}, rotated.Signer())
	require.NoError(t, err)
	for _, text := range [][]byte{old, signed} {
		_, err := note.Open(text, note.VerifierList(rotated.Verifiers()...))
		assert.NoError(t, err)
	}
	_, err = note.Open(signed, note.VerifierList(r.Verifiers()...))
	assert.Error(t, err)
	text, err := rotated.text()
	require.NoError(t, err)
	assert.NotContains(t, string(text), r.signings[0].private, "a retired private key is gone")
	assert.Len(t, rotated.PublicKeys(), 2)
	_, err = NewRing("a b")
	assert.Error(t, err)
}

func TestBrokenRingsAreRefused(t *testing.T) {
	r := newRing(t)
	text, err := r.text()
	require.NoError(t, err)
	good := string(text)
	for name, text := range map[string]string{
		"empty":             "",
		"cut":               good[:len(good)/2],
		"more after it":     good + "{}",
		"unknown field":     strings.Replace(good, `"gateway"`, `"CANARY": 1, "gateway"`, 1),
		"newer":             strings.Replace(good, `"version": 1`, `"version": 2`, 1),
		"no active pepper":  strings.Replace(good, `"active"`, `"verify"`, 1),
		"no active signing": good[:strings.LastIndex(good, `"active"`)] + `"verify"` + good[strings.LastIndex(good, `"active"`)+8:],
		"odd state":         strings.Replace(good, `"active"`, `"CANARY"`, 1),
		"short pepper":      strings.Replace(good, `"secret": "`, `"secret": "Q0FOQVJZ`, 1),
		"another gateway":   strings.Replace(good, `"gateway": "gw_test"`, `"gateway": "gw_other"`, 1),
		"broken private":    strings.Replace(good, "PRIVATE+KEY", "PRIVATE+CANARY", 1),
		"huge":              good + strings.Repeat(" ", maxRingSize),
	} {
		_, err := parseRing([]byte(text))
		assert.Error(t, err, name)
		if err != nil {
			assert.NotContains(t, err.Error(), "CANARY", name)
		}
	}
}

// TestUpdatesDoNotLoseOneAnother rotates the pepper in one file from many goroutines.
func TestUpdatesDoNotLoseOneAnother(t *testing.T) {
	path, _ := saved(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			_, err := Update(path, func(r *Ring) (*Ring, error) { return r.RotatePepper(), nil })
			assert.NoError(t, err)
		})
	}
	wg.Wait()
	r, err := LoadRing(path)
	require.NoError(t, err)
	assert.Len(t, r.peppers, 9)

	_, err = Update(path, func(r *Ring) (*Ring, error) { return r.KillPepper("pep_other") })
	assert.ErrorContains(t, err, "there is no key")
	leftovers, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".*"))
	require.NoError(t, err)
	assert.Empty(t, leftovers, "no temporary file stays")
}

func TestFileFollowsRotation(t *testing.T) {
	path, _ := saved(t)
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(reloadPause) // the fake clock
		f, err := OpenFile(path)
		require.NoError(t, err)
		before, err := LoadRing(path)
		require.NoError(t, err)
		changed := before.RotatePepper()
		secret, row := newToken(t, changed)
		text, err := changed.text()
		require.NoError(t, err)

		_, err = f.RingFor("pep_missing") // uses up this second's look
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, text, 0o600))
		r, err := f.RingFor(row.Seal.KeyID)
		require.NoError(t, err)
		assert.False(t, r.Verify(row, secret), "the file is read once a second at most")
		time.Sleep(reloadPause)
		r, err = f.RingFor(row.Seal.KeyID)
		require.NoError(t, err)
		assert.True(t, r.Verify(row, secret))

		require.NoError(t, os.WriteFile(path, text[:10], 0o600))
		assert.Error(t, f.Reload())
		assert.True(t, f.Ring().Verify(row, secret), "a broken file leaves the ring as it was")
	})
}

func TestRingOfAnotherGatewayIsNotTaken(t *testing.T) {
	path, _ := saved(t)
	f, err := OpenFile(path)
	require.NoError(t, err)
	other, err := NewRing("gw_other")
	require.NoError(t, err)
	text, err := other.text()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, text, 0o600))
	assert.ErrorContains(t, f.Reload(), "another gateway")
	assert.Equal(t, "gw_test", f.Ring().GatewayID())
}
