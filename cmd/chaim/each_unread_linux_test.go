package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/cmd/chaim/internal/proc"
	"github.com/chaim-go/chaim/cmd/chaim/internal/term/termtest"
)

// unreadEach is a chaim each that writes to a full pipe, which the shell has as file descriptor 3.
type unreadEach struct {
	*loan
	pipe, full *os.File
}

func beginUnreadEach(t *testing.T, redirect, program string, flags ...string) *unreadEach {
	t.Helper()
	pipe, full := termtest.FullPipe(t)
	args := append([]string{"-c", `exec chaim "$@" ` + redirect + ` 3>&-`, "chaim", "each", "-p", "1", "--match", "sredev", "--match", "O*"}, flags...)
	cmd := inHome(chaimtest.NewServer(t), newHome(t), "sh", append(args, "--", "sh", "-c", program)...)
	cmd.ExtraFiles = []*os.File{full}
	return &unreadEach{begin(t, cmd), pipe, full}
}

// has reports whether an account's program has made its file.
func (u *unreadEach) has(id string) bool {
	_, err := os.Stat(filepath.Join(u.home, "ended-"+id))
	return err == nil
}

// TestKeysDoNotWaitForAReader has the output of a program read only after its end, and the removal of its keys.
func TestKeysDoNotWaitForAReader(t *testing.T) {
	const program = `printf "out\nlast out"; printf "err\nlast err" >&2; touch ended-$CHAIM_ACCOUNT_ID`
	out, err := "NAME | out\nNAME | last out\n", "NAME | err\nNAME | last err\n"
	for name, c := range map[string]struct {
		redirect, want string
		flags          []string
	}{
		"stdout":          {`1>&3`, out, nil},
		"stderr":          {`2>&3`, err, nil},
		"with all logged": {`1>&3 2>&1`, "", []string{"-vv"}},
		"json":            {`1>&3`, `{"account":"NAME",`, []string{"--json"}},
		"keys themselves": {`1>&3`, out, []string{"--env"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := beginUnreadEach(t, c.redirect, program, c.flags...)
			require.Eventually(t, func() bool { return u.has("111111111111") }, patience, time.Millisecond)
			require.Eventually(t, func() bool { return credentials(t, u.home) == foreign }, patience, time.Millisecond)
			assert.False(t, u.has("333333333333"), "the next program waits for the reader, without keys")

			require.NoError(t, u.full.Close())
			text, err := io.ReadAll(u.pipe)
			require.NoError(t, err)
			_, code := u.end(t)
			assert.Zero(t, code)
			assert.True(t, u.has("333333333333"))
			for _, account := range []string{"sredev", "O'Brien"} {
				assert.Contains(t, string(text), strings.ReplaceAll(c.want, "NAME", account))
			}
			isClean(t, u.home)
		})
	}
}

// TestSignalEndsProgramsWhoseOutputIsNotRead has a program that waits for a reader itself, and one that has ended.
func TestSignalEndsProgramsWhoseOutputIsNotRead(t *testing.T) {
	unignore(t)
	for name, program := range map[string]string{"runs": `exec yes`, "has ended": `echo; touch ended-$CHAIM_ACCOUNT_ID`} {
		for what, flags := range map[string][]string{"lines": nil, "json": {"--json"}} {
			if name == "runs" && what == "json" {
				continue // its output is kept in memory
			}
			t.Run(name+", "+what, func(t *testing.T) {
				t.Parallel()
				u := beginUnreadEach(t, `1>&3 2>&1`, program, flags...)
				u.waitsForAReader(t)
				u.send(t, syscall.SIGTERM)
				_, code := u.end(t)
				assert.Equal(t, proc.Signaled+int(syscall.SIGTERM), code)
				assert.False(t, u.has("333333333333"))
				isClean(t, u.home)
			})
		}
	}
}
