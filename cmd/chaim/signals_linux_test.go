package main

import (
	"math/rand/v2"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/cmd/chaim/internal/proc"
)

// unignore has children of this test get signals that it was itself started to ignore, as in the background of a script.
func unignore(t *testing.T) {
	t.Helper()
	taken := make(chan os.Signal, 1)
	signal.Notify(taken, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(taken) })
}

// repeat calls f n times, a few at once.
func repeat(t *testing.T, n int, f func(t *testing.T, i int)) {
	t.Helper()
	const workers = 4
	t.Run("times", func(t *testing.T) {
		for w := range workers {
			t.Run(strconv.Itoa(w), func(t *testing.T) {
				t.Parallel()
				for i := w; i < n; i += workers {
					f(t, i)
				}
			})
		}
	})
}

// signalNames are those of signals for a shell.
var signalNames = map[syscall.Signal]string{
	syscall.SIGINT: "INT", syscall.SIGTERM: "TERM", syscall.SIGHUP: "HUP",
	syscall.SIGQUIT: "QUIT", syscall.SIGUSR1: "USR1", syscall.SIGUSR2: "USR2",
}

// waiting has a script wait for signals, of which a shell's read may miss one that comes just before it. It says so when
// what it waits for has become another program, which no key ends; until then a shell may lose a signal that is trapped.
const waiting = `
	sh -c 'echo ready; exec sleep 600' & while kill -0 $!; do wait $!; done`

func TestSignalsGoToTheProgram(t *testing.T) {
	unignore(t)
	srv := chaimtest.NewServer(t)
	for s, name := range signalNames {
		t.Run(name, func(t *testing.T) {
			repeat(t, rounds, func(t *testing.T, _ int) {
				r := begin(t, lending(srv, newHome(t), "echo ready; exec cat"))
				require.Equal(t, "ready", r.line(t))
				r.send(t, s)
				_, code := r.end(t)
				assert.Equal(t, proc.Signaled+int(s), code)
				assert.Empty(t, r.talk.String())
				isClean(t, r.home)
			})
		})
		t.Run(name+" caught", func(t *testing.T) {
			repeat(t, rounds, func(t *testing.T, _ int) {
				r := begin(t, lending(srv, newHome(t), `trap 'kill -KILL $!; echo got it; exit 3' `+name+waiting))
				require.Equal(t, "ready", r.line(t))
				r.send(t, s)
				rest, code := r.end(t)
				assert.Equal(t, "got it\n", rest)
				assert.Equal(t, 3, code)
				assert.Empty(t, r.talk.String())
				isClean(t, r.home)
			})
		})
	}
}

func TestSecondSignalGoesToTheProgramToo(t *testing.T) {
	unignore(t)
	script := `trap 'echo one' TERM; trap 'kill -KILL $!; echo two; exit 4' INT` + waiting
	r := begin(t, lending(chaimtest.NewServer(t), newHome(t), script))
	require.Equal(t, "ready", r.line(t))
	r.send(t, syscall.SIGTERM)
	require.Equal(t, "one", r.line(t))
	r.send(t, syscall.SIGINT)
	rest, code := r.end(t)
	assert.Equal(t, "two\n", rest)
	assert.Equal(t, 4, code)
	isClean(t, r.home)
}

func TestSignalBeforeTheProgram(t *testing.T) {
	unignore(t)
	srv := chaimtest.NewServer(t)
	asked := make(chan struct{})
	srv.Inject(-1, func(_ http.ResponseWriter, req *http.Request) {
		asked <- struct{}{}
		<-req.Context().Done()
	})
	for s := range signalNames {
		for _, form := range []string{"--env", "--process", "--terrible"} {
			r := begin(t, lending(srv, newHome(t), "echo began", form))
			<-asked
			r.send(t, s)
			_ = r.Process.Signal(s) // who is impatient; it may have ended
			rest, code := r.end(t)
			assert.Equal(t, proc.Signaled+int(s), code)
			assert.Empty(t, rest)
			assert.Contains(t, r.talk.String(), s.String())
			isClean(t, r.home)
		}
	}
}

// TestSignalsUntilTheEnd sends one after the other until chaim has gone. Those that come when it has cleaned up change nothing:
// the Go runtime would print its stacks at a SIGQUIT, and end with another exit code.
func TestSignalsUntilTheEnd(t *testing.T) {
	unignore(t)
	srv := chaimtest.NewServer(t)
	asked := make(chan struct{})
	srv.Inject(-1, func(_ http.ResponseWriter, req *http.Request) {
		asked <- struct{}{}
		<-req.Context().Done()
	})
	for range 4 * rounds {
		r := begin(t, lending(srv, newHome(t), "echo began"))
		<-asked
		ended := make(chan struct{})
		var sending sync.WaitGroup
		sending.Go(func() {
			for {
				select {
				case <-ended:
					return
				default:
					_ = r.Process.Signal(syscall.SIGQUIT)
				}
			}
		})
		_, code := r.end(t)
		close(ended)
		sending.Wait()
		assert.Equal(t, proc.Signaled+int(syscall.SIGQUIT), code)
		assert.False(t, strings.Contains(r.talk.String(), "goroutine"), "no stacks are printed")
		isClean(t, r.home)
	}
}

// TestSignalAtAnyMoment sends a signal around the start and the end of the program.
func TestSignalAtAnyMoment(t *testing.T) {
	unignore(t)
	// answered begins, and waits until the gateway answers.
	answered := func(t *testing.T, program string) *loan {
		srv := chaimtest.NewServer(t)
		answers := make(chan struct{})
		srv.Inject(1, chaimtest.Rewrite(func(body string) string { close(answers); return body }))
		r := begin(t, lending(srv, newHome(t), "echo began; exec "+program))
		<-answers
		return r
	}
	span := patience
	for range 4 {
		r := answered(t, "true")
		since := time.Now()
		_, code := r.end(t)
		require.Zero(t, code)
		span = min(span, 2*time.Since(since))
	}
	signals := []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}
	var early, late, missed atomic.Int32
	repeat(t, 4*rounds, func(t *testing.T, i int) {
		s := signals[i%len(signals)]
		program := []string{"true", "cat"}[i/len(signals)%2] // the one ends by itself
		r := answered(t, program)
		<-time.After(rand.N(span))
		_ = r.Process.Signal(s) // it may have ended
		rest, code := r.end(t)
		switch {
		case code == 0:
			missed.Add(1)
			assert.Equal(t, "true", program)
		case rest == "":
			early.Add(1)
		default:
			late.Add(1)
		}
		assert.Contains(t, []int{0, proc.Signaled + int(s)}, code)
		isClean(t, r.home)
	})
	t.Logf("within %s: %d before the program, %d in it, %d after it", span, early.Load(), late.Load(), missed.Load())
}

// TestIgnoredSignalsStayIgnored has nohup's way with SIGHUP.
func TestIgnoredSignalsStayIgnored(t *testing.T) {
	unignore(t)
	const script = `trap '' HUP INT; exec chaim exec sredev -- \
		sh -c 'echo ready; read line; kill -HUP $$; kill -INT $$; echo lives; exec cat'`
	r := begin(t, inHome(chaimtest.NewServer(t), newHome(t), "sh", "-c", script))
	require.Equal(t, "ready", r.line(t))
	r.send(t, syscall.SIGHUP)
	r.send(t, syscall.SIGINT)
	_, err := r.stdin.WriteString("\n")
	require.NoError(t, err)
	require.Equal(t, "lives", r.line(t))
	r.send(t, syscall.SIGTERM)
	_, code := r.end(t)
	assert.Equal(t, proc.Signaled+int(syscall.SIGTERM), code)
	isClean(t, r.home)
}
