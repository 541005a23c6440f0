package main

import (
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/cmd/chaim/internal/proc"
)

// asFirst is chaim as the first process of a container, which lends credentials to a program.
func asFirst(srv *chaimtest.Server, home string, program ...string) *exec.Cmd {
	cmd := inHome(srv, home, "chaim", append([]string{"exec", "sredev", "--"}, program...)...)
	cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWPID
	return cmd
}

func TestFirstProcess(t *testing.T) {
	unignore(t)
	srv := chaimtest.NewServer(t)
	for name, tt := range map[string]struct {
		script, want string
		code         int
	}{
		"reaps orphans": {`sh -c 'true & echo $! >orphan'; read orphan <orphan
			for i in $(seq 600); do kill -0 $orphan || break; sleep 0.1; done 2>/dev/null; [ $i = 600 ] && echo zombie || echo reaped; exit 7`, "reaped", 7},
		"passes signals on":    {`trap 'echo got; exit 5' TERM; kill -TERM 1; while :; do sleep 0.01; done`, "got", 5},
		"ends by a signal":     {`echo begun; kill -TERM $$`, "begun", proc.Signaled + int(syscall.SIGTERM)},
		"ends by SIGINT":       {`echo begun; kill -INT 1; while :; do sleep 0.01; done`, "begun", proc.Signaled + int(syscall.SIGINT)},
		"is chaim's own child": {`[ $PPID = 1 ] && echo first || echo second; exit 0`, "second", 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := begin(t, asFirst(srv, newHome(t), "sh", "-c", tt.script))
			assert.Equal(t, tt.want, r.line(t))
			_, code := r.end(t)
			assert.Equal(t, tt.code, code, r.talk.String())
			assert.Empty(t, r.talk.String())
			isClean(t, r.home)
		})
	}
}

// TestFirstProcessOnTerminal has the keyboard reach the program once, and a shell keep its jobs.
func TestFirstProcessOnTerminal(t *testing.T) {
	unignore(t)
	srv := chaimtest.NewServer(t)
	t.Run("signals", func(t *testing.T) {
		x := onTerminal(t, asFirst(srv, newHome(t), "sh", "-c", `n=0; trap 'n=$((n+1)); echo got $n' INT; echo ready
			while :; do read line && echo $line $n && exit 3; done`))
		x.shows("ready\n")
		x.types("\x03")
		x.shows("got 1\n")
		x.types("counted\n")
		x.shows("counted 1\n")
		assert.Equal(t, 3, x.end().ExitStatus())
		isClean(t, x.home)
	})
	t.Run("Ctrl-C", func(t *testing.T) {
		x := onTerminal(t, asFirst(srv, newHome(t), "sh", "-c", "echo ready; exec cat"))
		x.shows("ready\n")
		x.types("\x03")
		assert.Equal(t, proc.Signaled+int(syscall.SIGINT), x.end().ExitStatus())
		isClean(t, x.home)
	})
	t.Run("jobs", func(t *testing.T) {
		cmd := asFirst(srv, newHome(t), "bash", "--norc", "--noprofile", "-i")
		cmd.Env = append(cmd.Env, "TERM=dumb")
		x := onTerminal(t, cmd)
		x.shows("> ")
		x.types("sh -c 'echo $((40+2)); exec cat'\n")
		x.shows("42\n")
		x.types("\x1a")
		x.shows("Stopped")
		x.shows("> ")
		x.types("fg\n")
		x.types("in the job\n")
		x.shows("in the job\n")
		x.types("\x04")
		x.shows("> ")
		x.types("exit 6\n")
		assert.Equal(t, 6, x.end().ExitStatus())
		isClean(t, x.home)
	})
}

func TestNotFirstProcess(t *testing.T) {
	_, isInit := proc.RunAsInit()
	require.False(t, isInit, os.Getpid())
}
