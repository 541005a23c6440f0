//go:build faults && linux

package faults

import (
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
)

// disk is a file system whose power can be cut.
type disk struct {
	image, on, options string
	umount             func()
}

func newDisk(t *testing.T, kind, options string) *disk {
	t.Helper()
	d := &disk{image: newImage(t, kind), on: t.TempDir(), options: options}
	d.start(t)
	return d
}

func (d *disk) start(t *testing.T) {
	t.Helper()
	d.umount = mount(t, d.on, "-o", d.options, d.image)
}

// cut cuts the power: text that is not forced to the disk is lost. With keepLog, the log of the file system stays.
func (d *disk) cut(t *testing.T, keepLog bool) {
	t.Helper()
	how := "shutdown"
	if keepLog {
		how += " -f"
	}
	tool(t, "xfs_io", "-x", "-c", how, d.on)
}

func (d *disk) restart(t *testing.T) {
	t.Helper()
	d.umount()
	d.start(t)
}

func TestPowerCut(t *testing.T) {
	for kind, options := range map[string]string{"ext4": "loop,noauto_da_alloc", "xfs": "loop"} {
		t.Run(kind, func(t *testing.T) {
			added := section(t, chaim.Keys, false)
			d := newDisk(t, kind, options)
			f := newFolder(t, d.on)
			tool(t, "sync", "--file-system", d.on)
			found := map[string]int{}
			for i := range pick(40, 400) {
				allowed := []string{"", added}
				switch i % 3 {
				case 0: // in a scope
					cmd, _ := start(t, 1, "SIGKILL", f.dir)
					d.cut(t, i%2 == 0)
					end(cmd)
					allowed = []string{added}
				case 1: // after a scope
					require.Equal(t, outcome{Called: true}, run(t, "once", f.dir))
					d.cut(t, i%2 == 0)
					allowed = []string{""}
				case 2: // at any time
					cmd, _ := start(t, 1, "loop", f.dir)
					<-time.After(rand.N(20 * time.Millisecond))
					d.cut(t, i%2 == 0)
					end(cmd)
				}
				d.restart(t)
				state := f.added(t)
				assert.Contains(t, allowed, state, "cut %d", i)
				found[state]++
				f.swept(t)
			}
			t.Logf("old %d times, new %d times", found[""], found[added])
		})
	}
}

// TestPowerCutLosesCarelessWrites shows that the test above could fail.
func TestPowerCutLosesCarelessWrites(t *testing.T) {
	for kind, options := range map[string]string{"ext4": "loop,noauto_da_alloc", "xfs": "loop"} {
		t.Run(kind, func(t *testing.T) {
			d := newDisk(t, kind, options)
			f := newFolder(t, d.on)
			tool(t, "sync", "--file-system", d.on)
			require.NoError(t, os.WriteFile(f.file()+".new", []byte(f.before+"[new]\n"), 0o600))
			require.NoError(t, os.Rename(f.file()+".new", f.file()))
			d.cut(t, true)
			d.restart(t)
			assert.Empty(t, f.text(t), "neither old nor new")
		})
	}
}
