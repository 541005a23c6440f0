//go:build faults && linux

package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
)

// folder is a folder with the credentials file of a user.
type folder struct {
	dir    string
	before string // the user's text of the file; empty for no file
}

func newFolder(t *testing.T, dir string) folder {
	t.Helper()
	f := folder{dir: dir, before: "# keys of the company\n"}
	for i := range 30 {
		f.before += fmt.Sprintf("\n[user-%d]\naws_access_key_id=AKIAIOSFODNN7EXAMPLE\n aws_secret_access_key  = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY ; mine\n\n# region = %d\n", i, i)
	}
	f.before = strings.TrimSuffix(f.before, "\n") // as some editors leave it
	f.write(t, f.before)
	return f
}

func (f folder) file() string { return filepath.Join(f.dir, "credentials") }

func (f folder) write(t *testing.T, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(f.file(), []byte(text), 0o600))
}

func (f folder) text(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(f.file())
	if f.before != "" || !os.IsNotExist(err) {
		require.NoError(t, err)
	}
	return string(text)
}

// added is the text of the file after the user's own, without its random parts.
func (f folder) added(t *testing.T) string {
	t.Helper()
	rest, isWhole := strings.CutPrefix(f.text(t), f.before)
	require.True(t, isWhole, "the user's text has changed")
	rest = strings.ReplaceAll(rest, f.dir+"/", "")
	return random.ReplaceAllString(rest, "RANDOM")
}

// random is the id of a scope, and the hashes behind it.
var random = regexp.MustCompile(`\b[A-Z2-7]{26}(-[0-9a-f]{16}){0,2}\b`)

// section is the text that a scope adds to the file.
func section(t *testing.T, form chaim.ProfileForm, isFirst bool) string {
	t.Helper()
	f := folder{dir: t.TempDir()}
	if !isFirst {
		f = newFolder(t, f.dir)
	}
	var added string
	require.NoError(t, chaim.WithContext(t.Context(), options(f.dir, form), func(context.Context, *chaim.Client) error {
		added = f.added(t)
		return nil
	}))
	require.Contains(t, added, "accountname = sredev\n")
	require.Contains(t, added, "chaim_scope = RANDOM")
	return added
}

// others lists the files in the folder, except the credentials file, its lock, and the empty folder for leases.
func (f folder) others(t *testing.T) []string {
	t.Helper()
	var found []string
	require.NoError(t, filepath.WalkDir(f.dir, func(path string, _ fs.DirEntry, err error) error {
		name, _ := filepath.Rel(f.dir, path)
		if !slices.Contains([]string{".", "credentials", "credentials.lock", "chaim", "lost+found"}, name) {
			found = append(found, name)
		}
		return err
	}))
	return found
}

// untouched checks that the file has only the user's text, and that no other file of chaim is left.
func (f folder) untouched(t *testing.T) {
	t.Helper()
	require.Equal(t, f.before, f.text(t))
	require.Empty(t, f.others(t))
}

// swept checks that a sweep removes everything of chaim.
func (f folder) swept(t *testing.T) {
	t.Helper()
	_, err := chaim.Sweep(t.Context(), f.dir)
	require.NoError(t, err)
	f.untouched(t)
}

// refused checks that a scope has failed and left nothing, and that its error says why and where.
func (f folder) refused(t *testing.T, o outcome, cause string) {
	t.Helper()
	assert.False(t, o.Called)
	assert.Contains(t, o.Is, cause, o.Err)
	assert.Contains(t, o.Err, f.dir)
	f.untouched(t)
}

// command runs this test binary as a child, by way of other programs such as strace.
func command(mode, dir string, wrapper ...string) *exec.Cmd {
	args := append(slices.Clone(wrapper), os.Args[0], mode, dir)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), childVariable+"=1")
	return cmd
}

// run returns the outcome that a child prints.
func run(t *testing.T, mode, dir string, wrapper ...string) (o outcome) {
	t.Helper()
	var stderr strings.Builder
	cmd := command(mode, dir, wrapper...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	require.NoError(t, json.Unmarshal(out, &o), stderr.String())
	return o
}

// start starts a child, and returns the first lines that it prints.
func start(t *testing.T, lines int, mode, dir string) (cmd *exec.Cmd, said []string) {
	t.Helper()
	cmd = command(mode, dir)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { end(cmd) })
	said = make([]string, lines)
	for i := range said {
		_, err := fmt.Fscanln(out, &said[i])
		require.NoError(t, err)
	}
	return cmd, said
}

// end kills a child, which may have ended, and waits for it.
func end(cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// tool runs a tool of the system.
func tool(t *testing.T, name string, args ...string) {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	require.NoError(t, err, "%s %s: %s", name, args, out)
}

// mount mounts something until the test ends or umount is called.
func mount(t *testing.T, on string, args ...string) (umount func()) {
	t.Helper()
	tool(t, "mount", append(args, on)...)
	umount = sync.OnceFunc(func() { tool(t, "umount", on) })
	t.Cleanup(umount)
	return umount
}

// newImage makes a file system in a file.
func newImage(t *testing.T, kind string) string {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image")
	require.NoError(t, os.WriteFile(image, nil, 0o600))
	require.NoError(t, os.Truncate(image, 320<<20)) // mkfs.xfs demands 300 MB, but uses little
	tool(t, "mkfs."+kind, "-q", image)
	return image
}
