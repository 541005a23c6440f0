package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/chaim-go/chaim"
)

// grace is how long programs have to end after they were told to.
const grace = 10 * time.Second

// eachRun is one run of a program for each account.
type eachRun struct {
	app     *app
	ctx     context.Context // of all programs; unlike that of an account it does not end with the keys
	end     context.CancelCauseFunc
	flags   eachFlags
	program []string
	labels  map[chaim.Account]string
	dir     *os.Root // nil without --out
	screen  *screen

	mu      sync.Mutex // guards what follows
	results map[chaim.Account]*result
}

func (e *eachRun) options() chaim.EachOptions {
	opts := e.flags.options("")
	opts.Logger = slog.New(e.screen.logHandler(e.app.log.Handler()))
	opts.NoRenew = e.flags.asEnv
	return chaim.EachOptions{Options: opts, Parallel: e.flags.parallel, Profiles: !e.flags.asEnv, Progress: e.progress}
}

// progress is called once for each account, by one goroutine at a time.
func (e *eachRun) progress(p chaim.EachProgress) {
	e.screen.progress(p.Done)
	if p.Err != nil && e.flags.stopOnError {
		e.end(errStopped)
	}
	if e.flags.asJSON {
		e.mu.Lock()
		r := cmp.Or(e.results[p.Account], &result{})
		delete(e.results, p.Account)
		e.mu.Unlock()
		_, _ = e.screen.sink(e.app.out).Write(r.json(p.Account, p.Err)) // which ends it all where it fails
	}
}

// isPassedOver reports whether err is that of an account for which the program was not begun because all had to end.
func (e *eachRun) isPassedOver(err error) bool {
	cause := context.Cause(e.ctx)
	return cause != nil && !errors.As(err, new(programError)) && (errors.Is(err, cause) || errors.Is(err, context.Canceled))
}

// run runs the program for an account.
func (e *eachRun) run(_ context.Context, account chaim.Account, c *chaim.Client) error {
	args, err := expand(e.program, account)
	if err != nil {
		return err
	}
	r := &result{}
	e.mu.Lock()
	e.results[account] = r
	e.mu.Unlock()
	path, err := exec.LookPath(args[0])
	if err != nil {
		return r.failed(cannotStart(err), fmt.Sprintf("cannot run %q: %v", args[0], errors.Unwrap(err)))
	}
	cmd := exec.CommandContext(e.ctx, path, args[1:]...)
	cmd.Args[0] = args[0]
	cmd.Env = childEnvironment(append(c.Environ(),
		"CHAIM_ACCOUNT="+nameOf(account), "CHAIM_ACCOUNT_ID="+account.ID, "CHAIM_ROLE="+cmp.Or(e.flags.role, "rro")))
	finish, err := e.connect(cmd, account, r)
	if err != nil {
		return err
	}
	began := time.Now()
	err = r.runToEnd(e.ctx, cmd, grace)
	r.took = time.Since(began)
	return errors.Join(err, finish())
}

// connect decides where the output of a program goes. When the program has ended, finish must be called.
func (e *eachRun) connect(cmd *exec.Cmd, account chaim.Account, r *result) (finish func() error, err error) {
	switch {
	case e.flags.asJSON:
		cmd.Stdout, cmd.Stderr = &r.stdout, &r.stderr
		return func() error { return nil }, nil
	case e.dir != nil:
		return connectFiles(cmd, e.dir, fileName(account))
	}
	prefix := []byte(e.labels[account] + " | ")
	stdout := &lineWriter{w: e.screen.sink(e.app.out), prefix: prefix}
	stderr := &lineWriter{w: e.screen.sink(e.app.err), prefix: prefix}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	return func() error { return errors.Join(stdout.flush(), stderr.flush()) }, nil
}

// result is what came of the program for an account.
type result struct {
	code           *int // nil if it was not begun
	took           time.Duration
	stdout, stderr capture
}

// programError is how a program failed.
type programError string

func (e programError) Error() string { return "chaim: " + string(e) }

func (r *result) failed(code int, text string) error {
	r.code = &code
	return programError(text)
}

// runToEnd runs a program. When ctx ends it gets the signal that is the cause, or else SIGTERM, and it is killed when it
// is still there after wait.
func (r *result) runToEnd(ctx context.Context, cmd *exec.Cmd, wait time.Duration) error {
	s := os.Signal(syscall.SIGTERM)
	var kill *time.Timer
	leadGroup(cmd)
	cmd.Cancel = func() error {
		if caught := (signalError{}); errors.As(context.Cause(ctx), &caught) {
			s = caught.signal
		}
		kill = time.AfterFunc(wait, func() { _ = signalGroup(cmd.Process, os.Kill) })
		return signalGroup(cmd.Process, s)
	}
	cmd.WaitDelay = wait + time.Second // also for the output of what the program leaves running
	if err := cmd.Start(); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return r.failed(cannotStart(err), "cannot run the program: "+err.Error())
	}
	err := cmd.Wait()
	if kill != nil {
		kill.Stop()
	}
	exit := (*exec.ExitError)(nil)
	switch {
	case errors.As(err, &exit) && exit.ExitCode() < 0:
		return r.failed(endOf(exit), exit.String())
	case errors.As(err, &exit):
		return r.failed(endOf(exit), fmt.Sprintf("exit code %d", endOf(exit)))
	case errors.Is(err, exec.ErrWaitDelay):
		return r.failed(0, "it has ended, but left a process that keeps its output open")
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return r.failed(0, "ended early, with exit code 0")
	case err != nil:
		return r.failed(0, err.Error())
	}
	r.code = new(int)
	return nil
}
