package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/cmd/chaim/internal/proc"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// TestKilledChaim leaves a program and a profile behind.
func TestKilledChaim(t *testing.T) {
	srv := chaimtest.NewServer(t)
	for _, form := range []string{"--terrible", "--process"} {
		t.Run(form, func(t *testing.T) {
			repeat(t, rounds, func(t *testing.T, _ int) {
				home := newHome(t)
				r := begin(t, lending(srv, home, "echo ready; read line; echo lives $line", form))
				require.Equal(t, "ready", r.line(t))
				r.send(t, syscall.SIGKILL)
				_, err := r.Process.Wait() // and not for the program, as Cmd.Wait would
				require.NoError(t, err)
				require.Contains(t, credentials(t, home), "[tempname]\n")
				leases, err := filepath.Glob(filepath.Join(home, "chaim", "*.lease"))
				require.NoError(t, err)
				require.Len(t, leases, 1)
				lease, err := sharedfile.LockSide(leases[0], os.O_RDONLY, false)
				require.NoError(t, err)
				require.NotNil(t, lease, "its program holds the lease")
				require.NoError(t, lease.Close())

				next := begin(t, lending(srv, home, "echo $AWS_PROFILE"))
				rest, code := next.end(t)
				assert.Zero(t, code)
				assert.Equal(t, "tempname\n", rest, "the name is free again")
				assert.Empty(t, next.talk.String())
				isClean(t, home)

				_, err = r.stdin.WriteString("on\n")
				require.NoError(t, err)
				assert.Equal(t, "lives on", r.line(t))
			})
		})
	}
}

// TestProgramLosesItsReader has programs that write to a pipe, and chaim itself, lose their reader.
func TestProgramLosesItsReader(t *testing.T) {
	srv := chaimtest.NewServer(t)
	for name, tt := range map[string]struct {
		program string
		code    int
	}{
		"killed by it":   {"exec yes", proc.Signaled + int(syscall.SIGPIPE)},
		"gets along":     {"trap '' PIPE; yes 2>/dev/null; exit 6", 6},
		"does not write": {"read line; exit 5", 5},
	} {
		t.Run(name, func(t *testing.T) {
			const script = `chaim -vv exec sredev -- sh -c "$0" 2>&1; echo code $? >&2`
			r := begin(t, inHome(srv, newHome(t), "sh", "-c", script, "echo ready; "+tt.program))
			for r.line(t) != "ready" { // what chaim logs goes there too
			}
			require.NoError(t, r.out.Close())
			require.NoError(t, r.stdin.Close())
			require.NoError(t, r.Wait())
			assert.Equal(t, "code "+strconv.Itoa(tt.code)+"\n", r.talk.String())
			isClean(t, r.home)
		})
	}
}

// TestChaimLosesTheReaderOfItsLog has chaim itself write to a pipe that is not read, before the program begins.
func TestChaimLosesTheReaderOfItsLog(t *testing.T) {
	srv := chaimtest.NewServer(t)
	asked, isClosed := make(chan struct{}), make(chan struct{})
	srv.Inject(1, func(w http.ResponseWriter, req *http.Request) {
		close(asked)
		<-isClosed
		chaimtest.Status(http.StatusServiceUnavailable)(w, req) // which is logged
	})
	r := begin(t, inHome(srv, newHome(t), "sh", "-c", "chaim -v exec sredev -- touch began 2>&1; echo code $? >&2"))
	<-asked
	require.NoError(t, r.out.Close())
	close(isClosed)
	require.NoError(t, r.Wait())
	assert.Equal(t, "code 0\n", r.talk.String())
	assert.FileExists(t, filepath.Join(r.home, "began"))
	assert.Len(t, srv.Requests(), 2)
	isClean(t, r.home)
}
