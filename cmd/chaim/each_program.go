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

// groupPoll is how often is asked whether a group of processes is still there, as nothing tells when it goes.
const groupPoll = 20 * time.Millisecond

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

	mu      sync.Mutex                // guards what follows
	results map[chaim.Account]*result // of accounts that are not done
}

func (e *eachRun) options() chaim.EachOptions {
	opts := e.flags.options("")
	opts.Logger = slog.New(e.screen.logHandler(e.app.log.Handler()))
	opts.NoRenew, opts.NoProfile = e.flags.asEnv, e.flags.asEnv
	return chaim.EachOptions{Options: opts, Parallel: e.flags.parallel, Profiles: !e.flags.asEnv, Progress: e.progress}
}

// progress is called once for each account, by one goroutine at a time. The keys of the account are gone, so it waits for
// a reader of the output. No other account is begun in place of this one before it returns.
func (e *eachRun) progress(p chaim.EachProgress) {
	e.stopAfter(p.Err)
	e.screen.progress(p.Done)
	e.mu.Lock()
	r := cmp.Or(e.results[p.Account], &result{})
	delete(e.results, p.Account)
	e.mu.Unlock()
	r.waitWritten()
	if e.flags.asJSON {
		_, _ = e.screen.sink(e.app.out.file).Write(r.json(p.Account, p.Err)) // which ends it all where it fails
	}
}

// stopAfter ends all with --stop when err is that of an account.
func (e *eachRun) stopAfter(err error) {
	if err != nil && e.flags.stopOnError {
		e.end(errStopped)
	}
}

// isPassedOver reports whether err is that of an account for which the program was not begun because all had to end.
func (e *eachRun) isPassedOver(err error) bool {
	cause := context.Cause(e.ctx)
	return cause != nil && !errors.As(err, new(programError)) && (errors.Is(err, cause) || errors.Is(err, context.Canceled))
}

// run runs the program for an account. It does not wait for a reader of its output, as the keys are removed only then.
func (e *eachRun) run(_ context.Context, account chaim.Account, c *chaim.Client) (err error) {
	defer func() { e.stopAfter(err) }() // progress may wait for the output of other accounts
	args, err := expand(e.program, account)
	if err != nil {
		return err
	}
	r := &result{}
	e.mu.Lock()
	e.results[account] = r
	e.mu.Unlock()
	path, failure := findProgram(args[0])
	if failure != nil {
		return r.failed(failure.code, failure.text)
	}
	cmd := exec.Command(path, args[1:]...)
	cmd.Args[0] = args[0]
	cmd.Env = childEnvironment(append(c.ChildEnviron(nil),
		"CHAIM_ACCOUNT="+nameOf(account), "CHAIM_ACCOUNT_ID="+account.ID, "CHAIM_ROLE="+cmp.Or(e.flags.role, defaultRole)), e.flags.passGateway)
	finish, err := e.connect(cmd, account, r)
	if err != nil {
		return err
	}
	began := time.Now()
	err = r.runToEnd(e.ctx, cmd, grace)
	r.took = time.Since(began)
	return errors.Join(err, finish())
}

// connect decides where the output of a program goes. When it has been read, finish must be called.
func (e *eachRun) connect(cmd *exec.Cmd, account chaim.Account, r *result) (finish func() error, err error) {
	if e.dir != nil {
		return connectFiles(cmd, e.dir, fileName(account))
	}
	if e.flags.asJSON {
		cmd.Stdout, cmd.Stderr = &r.stdout, &r.stderr
	} else {
		prefix := []byte(e.labels[account] + " | ")
		cmd.Stdout = &lineWriter{w: e.screen.sink(e.app.out.file), prefix: prefix}
		cmd.Stderr = &lineWriter{w: e.screen.sink(e.app.err.file), prefix: prefix}
	}
	return func() error { return nil }, nil
}

// result is what came of the program for an account.
type result struct {
	code           *int // nil if it was not begun
	took           time.Duration
	stdout, stderr capture   // with --json
	outputs        []*output // that may still be written
}

// programError is how a program failed.
type programError struct {
	code int
	text string
}

func (e programError) Error() string { return "chaim: " + e.text }

func (r *result) failed(code int, text string) error {
	r.code = &code
	return programError{code, text}
}

// findProgram returns the path of a program, or why it cannot be run.
func findProgram(name string) (path string, failure *programError) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", failureToRun(name, err)
	}
	return path, nil
}

// parallelFor is how many accounts at a time need no more open files than that. Besides its lease a program has two for
// its output and one for the process. Before that and while it starts there are a connection, the null device, and both
// ends of pipes. The rest is for what all share.
func parallelFor(files uint64) int {
	const each, shared = 10, 32
	return int(max(1, min((max(files, shared)-shared)/each, maxParallel)))
}

// runToEnd runs a program, and returns when its output has been read. When ctx ends, it and what it has started get the
// signal that is the cause, or else SIGTERM, and are killed when they are still there after wait.
func (r *result) runToEnd(ctx context.Context, cmd *exec.Cmd, wait time.Duration) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	leadGroup(cmd)
	if err := r.start(cmd); err != nil {
		failure := failureToRun(cmd.Args[0], err)
		return r.failed(failure.code, failure.text)
	}
	wasTold := false
	told, ended := make(chan struct{}), make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		err := signalGroup(cmd.Process, endingSignal(ctx))
		wasTold = err == nil
		close(told)
		endGroup(cmd.Process, err, wait)
	})
	reap := awaitEnd(cmd)
	isRead := r.readOutput(wait + time.Second)
	isStopping := !stop()
	if isStopping {
		<-told // while the number of the group is its own
	}
	err := reap() // before the group can be empty
	if isStopping {
		<-ended
	}
	exit := (*exec.ExitError)(nil)
	switch {
	case errors.As(err, &exit) && exit.ExitCode() < 0:
		return r.failed(endOf(exit), exit.String())
	case errors.As(err, &exit):
		return r.failed(endOf(exit), fmt.Sprintf("exit code %d", endOf(exit)))
	case err != nil:
		return r.failed(0, err.Error())
	case !isRead:
		return r.failed(0, "it has ended, but left a process that keeps its output open")
	case wasTold:
		return r.failed(0, "ended early, with exit code 0")
	}
	r.code = new(int)
	return nil
}

// start starts the program, whose output is passed on from then on.
func (r *result) start(cmd *exec.Cmd) error {
	outputs, err := takeOutput(cmd)
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		closeAll(outputs)
		return err
	}
	r.outputs = outputs
	for _, o := range outputs {
		o.start()
	}
	return nil
}

// readOutput reads what a program that has ended wrote, and what others write there for no longer than wait. It reports
// whether it has read all.
func (r *result) readOutput(wait time.Duration) bool {
	isRead := true
	timeout := make(chan struct{})
	timer := time.AfterFunc(wait, func() { close(timeout) })
	defer timer.Stop()
	for _, o := range r.outputs {
		o.programEnded()
	}
	for _, o := range r.outputs {
		select {
		case <-o.read:
		case <-timeout:
			isRead = !o.cut() && isRead
			<-o.read
		}
	}
	return isRead
}

// waitWritten waits until the output that was read has been written, or could not be.
func (r *result) waitWritten() {
	for _, o := range r.outputs {
		<-o.written
	}
}

// endingSignal is the one that ended ctx, or else SIGTERM.
func endingSignal(ctx context.Context) os.Signal {
	if caught := (signalError{}); errors.As(context.Cause(ctx), &caught) {
		return caught.signal
	}
	return syscall.SIGTERM
}

// endGroup waits until a program and what it has started have ended, and kills what is still there after wait. err is what came
// of the signal that told them to end. The number of the group is its own until the leader is reaped, and then while there is
// another member: from one look to the next it cannot be that of another group.
func endGroup(leader *os.Process, err error, wait time.Duration) {
	for end := time.Now().Add(wait); !errors.Is(err, os.ErrProcessDone); err = signalGroup(leader, syscall.Signal(0)) {
		if !time.Now().Before(end) {
			_ = signalGroup(leader, os.Kill)
			break
		}
		<-time.After(groupPoll)
	}
}
