package main

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

// signalError is what a command ends with that a signal has ended.
type signalError struct{ signal os.Signal }

func (e signalError) Error() string { return fmt.Sprintf("chaim: ended by signal: %v", e.signal) }

func (e signalError) exitCode() int {
	if n, isNumbered := e.signal.(syscall.Signal); isNumbered {
		return exitSignal + int(n)
	}
	return exitFailed
}

// relay takes the signals of this process: they end its context or, while a program runs for the user, go to that.
type relay struct {
	signals chan os.Signal
	ignored chan os.Signal // is never read
	caught  []os.Signal
	end     context.CancelCauseFunc
	done    sync.WaitGroup

	mu            sync.Mutex // guards what follows
	process       *os.Process
	log           *slog.Logger
	standsIn      bool // for a program that is to be started
	isOver        bool // the program has ended
	isInterrupted bool // by Ctrl-C, while it stood in for a program or ran it
}

// relaySignals begins to. A signal that was ignored when this process began, as by nohup, stays so.
func relaySignals(ctx context.Context) (context.Context, *relay) {
	ctx, end := context.WithCancelCause(ctx)
	r := &relay{signals: make(chan os.Signal, 16), ignored: make(chan os.Signal, 1), end: end}
	for _, s := range endingSignals {
		if !signal.Ignored(s) {
			signal.Notify(r.signals, s)
			r.caught = append(r.caught, s)
		}
	}
	// A reader of our output that goes away must not end the process before it has cleaned up. A child gets the default.
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

func (r *relay) take(s os.Signal) {
	if err := r.pass(s); err != nil {
		r.log.Warn("chaim: cannot pass on a signal to the program", "signal", s.String(), "error", err)
	}
}

// pass gives a signal to the program or, where there is none, ends the context.
func (r *relay) pass(s os.Signal) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.isOver:
	case r.process == nil:
		r.isInterrupted = r.isInterrupted || r.standsIn && s == os.Interrupt && isTyped(s)
		r.end(signalError{s})
	case isTyped(s) && isBesideUs(r.process): // programs such as Terraform take a second one for impatience
	default:
		if err := r.process.Signal(s); !errors.Is(err, os.ErrProcessDone) {
			return err
		}
	}
	return nil
}

// standForProgram has Ctrl-C end this process as it would end the program that this is about to start.
func (r *relay) standForProgram() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.standsIn = true
}

// start starts a program, to which signals go until it has ended. A signal that came before is the error.
func (r *relay) start(ctx context.Context, cmd *exec.Cmd, log *slog.Logger) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	r.process, r.log = cmd.Process, log
	return nil
}

// wait waits for the program to be reaped. What comes after it is short, and signals no longer interrupt it.
func (r *relay) wait(reap func() error) error {
	err := reap()
	exit := (*exec.ExitError)(nil)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.process, r.isOver = nil, true
	r.isInterrupted = errors.As(err, &exit) && isInterrupted(exit) && isTyped(os.Interrupt)
	return err
}

// close ends the relay and, where Ctrl-C has ended a program or what stood in for it, this process: by an exit code alone a
// shell script could not tell that it is to end too. https://www.cons.org/cracauer/sigint.html
//
// Signals that come later are ignored: the process has cleaned up and is about to exit with its code.
func (r *relay) close() {
	for _, s := range r.caught {
		signal.Notify(r.ignored, s)
	}
	signal.Stop(r.signals)
	close(r.signals)
	r.done.Wait()
	r.end(nil)
	if r.isInterrupted {
		interruptUs()
	}
}
