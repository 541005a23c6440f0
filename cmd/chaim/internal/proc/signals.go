package proc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
)

// SignalError is the error of a command that a signal has ended.
type SignalError struct{ Signal os.Signal }

func (e SignalError) Error() string { return fmt.Sprintf("chaim: ended by signal: %v", e.Signal) }

// Code is the exit code for that.
func (e SignalError) Code() int {
	if n, isNumbered := e.Signal.(syscall.Signal); isNumbered {
		return Signaled + int(n)
	}
	return 1
}

// Relay takes the signals of this process. While a program runs for the user it gets them; at other times they end the
// context of [RelaySignals]. Its methods may be called by any number of goroutines.
type Relay struct {
	signals chan os.Signal
	ignored chan os.Signal // is never read
	caught  []os.Signal
	end     context.CancelCauseFunc
	done    sync.WaitGroup

	mu      sync.Mutex // guards program
	program relayed
}

// relayed is the program that gets the signals.
type relayed struct {
	process       *os.Process // nil while none runs
	log           *slog.Logger
	isExpected    bool // a program is about to start
	isOver        bool // it has ended
	isInterrupted bool // Ctrl-C ended it, or this process in its place
}

// RelaySignals starts a Relay. A signal that was ignored when this process began, as by nohup, stays ignored. Close must be
// called.
func RelaySignals(ctx context.Context) (context.Context, *Relay) {
	ctx, end := context.WithCancelCause(ctx)
	r := &Relay{signals: make(chan os.Signal, 16), ignored: make(chan os.Signal, 1), end: end}
	for _, s := range endingSignals {
		if !signal.Ignored(s) {
			signal.Notify(r.signals, s)
			r.caught = append(r.caught, s)
		}
	}
	// SIGPIPE must not end the process before it has cleaned up. A program that it starts gets the default again.
	if len(outputSignals) > 0 {
		signal.Notify(r.ignored, outputSignals...)
	}
	r.done.Go(func() {
		for s := range r.signals {
			r.take(s)
		}
	})
	return ctx, r
}

// LeaveSignals is RelaySignals for a command that a signal may end at once. The Relay takes no signal.
func LeaveSignals(ctx context.Context) (context.Context, *Relay) {
	ctx, end := context.WithCancelCause(ctx)
	return ctx, &Relay{signals: make(chan os.Signal), end: end}
}

func (r *Relay) take(s os.Signal) {
	if log, err := r.pass(s); err != nil { // not under the lock, as a log may block
		log.Warn("chaim: cannot pass on a signal to the program", "signal", s.String(), "error", err)
	}
}

// pass gives a signal to the program, or ends the context if there is none.
func (r *Relay) pass(s os.Signal) (*slog.Logger, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := &r.program
	switch {
	case p.isOver:
	case p.process == nil:
		p.isInterrupted = p.isInterrupted || p.isExpected && s == os.Interrupt && isTyped(s)
		r.end(SignalError{s})
	case isTyped(s) && isBesideUs(p.process): // programs such as Terraform take a second one for impatience
	default:
		if err := p.process.Signal(s); !errors.Is(err, os.ErrProcessDone) {
			return p.log, err
		}
	}
	return nil, nil
}

// HasProgram reports whether a program runs. It then has the terminal.
func (r *Relay) HasProgram() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.program.process != nil
}

// Expect announces that this process is about to start a program: Ctrl-C then ends it as it would end the program.
func (r *Relay) Expect() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.program.isExpected = true
}

// Run runs a program that gets the signals. A signal that came before is the error. Otherwise it is an [*Error] if the
// program cannot be started, and an [Exit] if it fails.
func (r *Relay) Run(ctx context.Context, cmd *exec.Cmd, log *slog.Logger) error {
	if err := r.start(ctx, cmd, log); err != nil {
		return err
	}
	unfollow := followStops(cmd.Process)
	reap := awaitEnd(cmd)
	unfollow() // while the number of the program's group is its own
	err := reap()
	exit := (*exec.ExitError)(nil)
	isExit := errors.As(err, &exit)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.program.process, r.program.isOver = nil, true // what comes after it is short
	r.program.isInterrupted = isExit && isInterrupted(exit) && isTyped(os.Interrupt)
	if isExit {
		return Exit(EndOf(exit))
	}
	return err
}

func (r *Relay) start(ctx context.Context, cmd *exec.Cmd, log *slog.Logger) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := cmd.Start(); err != nil {
		return CannotStart(cmd.Args[0], err)
	}
	r.program.process, r.program.log = cmd.Process, log
	return nil
}

// Close ends the relay. If Ctrl-C has ended the program, it ends this process too: an exit code alone would not tell a shell
// script to end. https://www.cons.org/cracauer/sigint.html
//
// Signals that come later are ignored: the process has cleaned up and is about to exit.
func (r *Relay) Close() {
	for _, s := range r.caught {
		signal.Notify(r.ignored, s)
	}
	signal.Stop(r.signals)
	close(r.signals)
	r.done.Wait()
	r.end(nil)
	if r.program.isInterrupted {
		interruptUs()
	}
}
