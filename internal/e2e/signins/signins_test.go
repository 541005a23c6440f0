//go:build interop

package signins

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/internal/ssotoken"
)

const rounds = 50

// TestProgramsUseTheSignInOfChaim has chaim sign in, and the others get keys with that.
func TestProgramsUseTheSignInOfChaim(t *testing.T) {
	command := filepath.Join(t.TempDir(), "chaim") // built before the home of the Go command changes
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", command, "github.com/chaim-go/chaim/cmd/chaim").CombinedOutput()
	require.NoError(t, err, "%s", out)
	w := newWorld(t)
	self, err := os.Executable()
	require.NoError(t, err)
	login := exec.CommandContext(t.Context(), command, "login")
	login.Env = append(os.Environ(), "BROWSER="+self, asBrowser+"=1")
	out, err = login.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "signed in to "+w.srv.StartURL())
	before, err := os.ReadFile(w.file)
	require.NoError(t, err)
	w.srv.Reset()
	for name, get := range w.programs(t) {
		id, err := get(t.Context())
		assert.NoError(t, err, name)
		assert.Regexp(t, "^ASIA", id, name)
	}
	assert.Zero(t, w.renewals())
	after, err := os.ReadFile(w.file)
	require.NoError(t, err)
	assert.Equal(t, before, after)
}

// TestProgramsRenewTheSignInInTurnAndAtOnce begins with a file in the form of the AWS CLI.
func TestProgramsRenewTheSignInInTurnAndAtOnce(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, os.WriteFile(w.file, w.srv.SignIn(), 0o600))
	all := w.programs(t)
	names := []string{"chaim", "boto3", "JS", "Go"}
	failed := map[string]int{}
	for round := range rounds {
		w.age(t)
		w.renewals()
		name := names[round%len(names)]
		id, err := all[name](t.Context())
		require.NoError(t, err, "%s in round %d", name, round)
		require.Regexp(t, "^ASIA", id)
		require.Equal(t, 1, w.renewals(), name)
		for _, other := range names {
			_, err := all[other](t.Context())
			require.NoError(t, err, "%s after %s in round %d", other, name, round)
		}
		require.Zero(t, w.renewals(), "the others use what %s has written", name)

		w.age(t)
		var running sync.WaitGroup
		var mu sync.Mutex
		for _, name := range names {
			running.Go(func() {
				_, err := all[name](t.Context())
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					failed[name]++
				}
				if name == "chaim" {
					assert.NoError(t, err, "round %d", round)
				}
			})
		}
		running.Wait()
		w.change(t, func(pairs map[string]any) { pairs["round"] = round }) // which fails if the file is torn
	}
	t.Log("failed when all renewed at once:", failed)
	w.change(t, func(pairs map[string]any) { pairs["ours"] = "kept" })
	w.age(t)
	_, err := all["chaim"](t.Context())
	require.NoError(t, err)
	w.change(t, func(pairs map[string]any) { assert.Equal(t, "kept", pairs["ours"]) })
}

// TestChaimTearsNothing reads the file all the time while many chaims renew it.
func TestChaimTearsNothing(t *testing.T) {
	w := newWorld(t)
	w.srv.SetSignIn(time.Minute, 0) // so that each request renews it
	require.NoError(t, os.WriteFile(w.file, w.srv.SignIn(), 0o600))
	w.change(t, func(pairs map[string]any) { pairs["ours"] = "kept" })
	var running sync.WaitGroup
	for range 4 {
		running.Go(func() {
			for range rounds {
				_, err := byChaim(t.Context())
				assert.NoError(t, err)
			}
		})
	}
	var done atomic.Bool
	var reader sync.WaitGroup
	versions, reads := 0, 0
	reader.Go(func() {
		var last []byte
		for ; !done.Load(); reads++ {
			text, err := os.ReadFile(w.file)
			if !assert.NoError(t, err) {
				return
			}
			if !bytes.Equal(text, last) {
				versions++
				_, err := ssotoken.Parse(text)
				assert.NoError(t, err, "%d bytes", len(text))
			}
			last = text
		}
	})
	running.Wait()
	done.Store(true)
	reader.Wait()
	t.Logf("%d reads, %d versions", reads, versions)
	assert.Greater(t, versions, rounds)
	w.change(t, func(pairs map[string]any) { assert.Equal(t, "kept", pairs["ours"]) })
	left, err := filepath.Glob(filepath.Join(filepath.Dir(w.file), "*"))
	require.NoError(t, err)
	slices.Sort(left)
	assert.LessOrEqual(t, len(left), 3, "%q", left) // the file and chaim's locks
}

// TestChaimReadsOverTornWrites has another program write the file in place, in two steps with a pause between them.
func TestChaimReadsOverTornWrites(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, os.WriteFile(w.file, w.srv.SignIn(), 0o600))
	w.change(t, func(pairs map[string]any) { pairs["ours"] = "kept" })
	ctx, stop := context.WithCancel(t.Context())
	var writer sync.WaitGroup
	written := 0
	writer.Go(func() {
		for ; ctx.Err() == nil; written++ {
			text, err := os.ReadFile(w.file)
			var pairs map[string]any
			if !assert.NoError(t, err) || !assert.NoError(t, json.Unmarshal(text, &pairs)) {
				return
			}
			if written%3 == 0 { // the token must be renewed
				pairs["expiresAt"] = time.Now().Add(-time.Minute).UTC().Format(time.RFC3339)
				text, err = json.MarshalIndent(pairs, "", "  ")
				assert.NoError(t, err)
			}
			assert.NoError(t, writeInTwoSteps(w.file, text, 20*time.Millisecond))
			<-time.After(20 * time.Millisecond)
		}
	})
	for range 2 * rounds {
		_, err := byChaim(t.Context())
		assert.NoError(t, err)
	}
	stop()
	writer.Wait()
	t.Logf("%d torn writes, %d renewals", written, w.renewals())
	_, err := byChaim(t.Context())
	require.NoError(t, err)
	w.change(t, func(pairs map[string]any) { assert.Equal(t, "kept", pairs["ours"]) })
}

func writeInTwoSteps(path string, text []byte, pause time.Duration) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	half := rand.IntN(len(text))
	if _, err := f.Write(text[:half]); err != nil {
		return err
	}
	<-time.After(pause)
	_, err = f.Write(text[half:])
	return err
}
