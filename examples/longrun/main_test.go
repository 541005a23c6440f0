//go:build interop

package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const python = "/usr/bin/python3" // with Debian's boto3

var shownKey = regexp.MustCompile(`key \.\.\.\w{4}\n`)

// newScratch makes the example use a new folder, in which it must leave nothing.
func newScratch(t *testing.T) {
	t.Helper()
	scratch := t.TempDir()
	t.Setenv("TMPDIR", scratch)
	t.Cleanup(func() {
		left, err := filepath.Glob(filepath.Join(scratch, "*"))
		assert.NoError(t, err)
		assert.Empty(t, left)
	})
}

// TestRun uses longer lifetimes than the example's own, so that a busy machine can renew in time.
func TestRun(t *testing.T) {
	newScratch(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var text strings.Builder
	err := run(ctx, &text, python, 8*time.Second)
	out := text.String()
	require.NoError(t, err, out)
	assert.NotContains(t, out, "CANARY")

	withKeys, withProcess, _ := strings.Cut(out, "Process:\n")
	assert.Len(t, shownKey.FindAllString(withKeys, -1), 1, out)
	assert.Regexp(t, `AWS refused call \d+: ExpiredToken\n$`, withKeys)

	end := regexp.MustCompile(`\d+ calls with (\d+) keys, all accepted\n$`).FindStringSubmatch(withProcess)
	require.Len(t, end, 2, out)
	used, err := strconv.Atoi(end[1])
	require.NoError(t, err)
	assert.GreaterOrEqual(t, used, wantKeys, out)
	assert.Len(t, shownKey.FindAllString(withProcess, -1), used, out)
}

// stopper ends a context after the Python program's first call.
type stopper struct {
	text bytes.Buffer
	stop func()
}

func (s *stopper) Write(p []byte) (int, error) {
	s.text.Write(p)
	if shownKey.Match(s.text.Bytes()) {
		s.stop()
	}
	return len(p), nil
}

func TestStopped(t *testing.T) {
	newScratch(t)
	reason := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	out := &stopper{stop: func() { cancel(reason) }}
	assert.ErrorIs(t, run(ctx, out, python, time.Minute), reason)
	assert.NotContains(t, out.text.String(), "Process")
}

func TestNoPython(t *testing.T) {
	newScratch(t)
	assert.ErrorIs(t, run(t.Context(), t.Output(), filepath.Join(t.TempDir(), "absent"), time.Minute), fs.ErrNotExist)
	assert.ErrorContains(t, run(t.Context(), t.Output(), "/bin/false", time.Minute), "exit status 1")
}
