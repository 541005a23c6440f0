package console

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const secretLink = "https://signin.aws.amazon.com/federation?SigninToken=CANARYCANARY"

// clipboardOf makes a folder with tools the only one on PATH. Each tool writes its name, its arguments and its input to a file.
func clipboardOf(t *testing.T, script string, tools ...string) (written string) {
	t.Helper()
	dir := t.TempDir()
	written = filepath.Join(dir, "written")
	for _, tool := range tools {
		text := "#!/bin/sh\nexec >" + written + "\nprintf '%s ' \"${0##*/}\" \"$@\"\n/bin/cat\n" + script
		require.NoError(t, os.WriteFile(filepath.Join(dir, tool), []byte(text), 0o700))
	}
	t.Setenv("PATH", dir)
	return written
}

func TestClipboardTools(t *testing.T) {
	for _, tt := range []struct {
		display, tools, want string
	}{
		{"", "xclip", "xclip -in -selection clipboard"},
		{"", "xsel", "xsel --input --clipboard"},
		{"", "termux-clipboard-set", "termux-clipboard-set"},
		{"", "clip.exe", "clip.exe"},
		{"wayland-0", "wl-copy", "wl-copy"},
		{"wayland-0", "xclip wl-copy", "wl-copy"},
		{"wayland-0", "xsel", "xsel --input --clipboard"},
		{"", "wl-copy clip.exe xsel xclip", "xclip -in -selection clipboard"},
		{"", "clip.exe xsel", "xsel --input --clipboard"},
	} {
		t.Run(tt.display+" "+tt.tools, func(t *testing.T) {
			t.Setenv("WAYLAND_DISPLAY", tt.display)
			written := clipboardOf(t, "", strings.Fields(tt.tools)...)
			require.NoError(t, copyText(t.Context(), secretLink))
			text, err := os.ReadFile(written)
			require.NoError(t, err)
			assert.True(t, string(text) == tt.want+" "+secretLink, tt.want)
		})
	}
}

// TestClipboardToolStays copies with a tool that leaves a process behind, as xclip does, here until the test is over.
func TestClipboardToolStays(t *testing.T) {
	t.Setenv("WAYLAND_DISPLAY", "")
	dir := t.TempDir()
	clipboardOf(t, "exec >/dev/null; (while [ -d "+dir+" ]; do /bin/sleep 0.1; done) &\n", "xclip")
	require.NoError(t, copyText(t.Context(), secretLink))
}

func TestClipboardFails(t *testing.T) {
	t.Setenv("WAYLAND_DISPLAY", "")
	clipboardOf(t, "exit 3", "xclip", "xsel")
	err := copyText(t.Context(), secretLink)
	require.EqualError(t, err, "exit status 3")

	clipboardOf(t, "", "wl-copy")
	err = copyText(t.Context(), secretLink)
	require.ErrorContains(t, err, "xclip")
	assert.NotContains(t, err.Error(), "CANARY")

	clipboardOf(t, "exec /bin/sleep 600", "xclip")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.Error(t, copyText(ctx, secretLink))
}
