package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/chaimtest"
)

// nobody is a user without rights.
const nobody = 65534

const aScope = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

// traps put something under the name of a file of chaim's. precious is a file of the user's elsewhere, and missing is none.
func traps() map[string]func(path, precious, missing string) error {
	all := map[string]func(path, precious, missing string) error{
		"named pipe":    func(path, _, _ string) error { return syscall.Mkfifo(path, 0o600) },
		"link":          func(path, precious, _ string) error { return os.Symlink(precious, path) },
		"dangling link": func(path, _, missing string) error { return os.Symlink(missing, path) },
		"hard link":     func(path, precious, _ string) error { return os.Link(precious, path) },
		"folder":        func(path, _, _ string) error { return os.MkdirAll(filepath.Join(path, "full"), 0o700) },
		"open to all": func(path, _, _ string) error {
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				return err
			}
			return os.Chmod(path, 0o666)
		},
		"sparse": func(path, _, _ string) error {
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				return err
			}
			return os.Truncate(path, 1500<<20)
		},
	}
	if os.Geteuid() == 0 {
		all["of another user"] = func(path, _, _ string) error {
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				return err
			}
			return os.Chown(path, nobody, nobody)
		}
		all["device"] = func(path, _, _ string) error { return syscall.Mknod(path, syscall.S_IFCHR|0o600, 1<<8|5) } // /dev/zero
	}
	return all
}

// trapped are the files of chaim's, and the commands that cannot do without. A command that can is to do nothing elsewhere.
var trapped = map[string]struct {
	file     string
	commands []string
	except   []string // traps that are none there
}{
	"lock":          {"credentials.lock", editing, nil},
	"backup":        {"credentials.chaim-backup", editing, nil},
	"lease":         {"chaim/credentials-" + aScope + ".lease", editing, nil},
	"parked lock":   {"chaim-parked.lock", editing, nil},
	"parked backup": {"chaim-parked.chaim-backup", editing, nil},
	"cache folder":  {"chaim/process", []string{"credential-process", "sweep"}, []string{"folder"}},
	// A link that the user has made of it is followed, as one of the credentials file is.
	"parked":         {"chaim-parked", []string{"park"}, []string{"link", "dangling link"}},
	"process file":   {"chaim/credentials-" + aScope + ".json", nil, nil},
	"temporary file": {".chaim-tmp-credentials-1", nil, nil},
}

var editing = []string{"list", "exec", "account", "park", "sweep"}

// TestTraps has every command end at once where something else stands under the name of a file of chaim's, with an error
// that names it, and without touching anything elsewhere.
func TestTraps(t *testing.T) {
	for what, target := range trapped {
		for name, set := range traps() {
			if slices.Contains(target.except, name) {
				continue
			}
			t.Run(what+"/"+name, func(t *testing.T) {
				t.Parallel()
				srv := chaimtest.NewServer(t)
				for _, command := range append([]string{"sweep", "credential-process"}, target.commands...) {
					home, elsewhere := newHome(t), t.TempDir()
					precious, missing := filepath.Join(elsewhere, "precious"), filepath.Join(elsewhere, "missing")
					require.NoError(t, os.WriteFile(precious, []byte("mine\n"), 0o600))
					require.NoError(t, os.Chmod(precious, 0o640))
					path := filepath.Join(home, target.file)
					require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
					require.NoError(t, set(path, precious, missing))

					said, code := runTrapped(t, srv, home, command)
					switch {
					case slices.Contains(target.commands, command):
						assert.NotZero(t, code, command)
						assert.Contains(t, said, path, command)
					case command == "credential-process":
						assert.Zero(t, code, said)
					}
					text, err := os.ReadFile(precious)
					require.NoError(t, err)
					assert.Equal(t, "mine\n", string(text), command)
					info, err := os.Stat(precious)
					require.NoError(t, err)
					assert.Equal(t, os.FileMode(0o640), info.Mode().Perm(), command)
					assert.NoFileExists(t, missing, command)
				}
			})
		}
	}
}

// runTrapped runs a command, which is to end before the time-out of the lock and to use little memory.
func runTrapped(t *testing.T, srv *chaimtest.Server, home, command string) (said string, code int) {
	t.Helper()
	args := map[string][]string{
		"list":               {"list"},
		"exec":               {"exec", "sredev", "--", "true"},
		"account":            {"account", "sredev", "--alias", "kept"},
		"park":               {"park", "kept"},
		"sweep":              {"sweep"},
		"credential-process": {"credential-process", "sredev"},
	}[command]
	cmd := inHome(srv, home, "chaim", args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-ended:
	case <-time.After(9 * time.Second): // less than the time-out of the lock
		_ = cmd.Process.Kill()
		<-ended
		t.Errorf("%s hangs", command)
	}
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	assert.Less(t, usage.Maxrss, int64(200<<10), "%s: kilobytes of memory", command)
	return out.String(), cmd.ProcessState.ExitCode()
}
