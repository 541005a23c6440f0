package main

import (
	"context"
	"fmt"
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
	ignored chan os.Signal // nobody reads it
	end     context.CancelCauseFunc
	done    sync.WaitGroup

	mu      sync.Mutex // guards what follows
	process *os.Process
	isOver  bool // the program has ended
}

// relaySignals begins to. A signal that was ignored when this process began, as by nohup, stays so.
func relaySignals(ctx context.Context) (context.Context, *relay) {
	ctx, end := context.WithCancelCause(ctx)
	r := &relay{signals: make(chan os.Signal, 16), ignored: make(chan os.Signal, 1), end: end}
	for _, s := range endingSignals {
		if !signal.Ignored(s) {
			signal.Notify(r.signals, s)
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
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.process != nil && !isFromTerminal(s):
		_ = r.process.Signal(s) // it may have ended
	case r.process == nil && !r.isOver:
		r.end(signalError{s})
	}
}

// start starts a program, to which signals go until it has ended.
func (r *relay) start(ctx context.Context, cmd *exec.Cmd) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	r.process = cmd.Process
	return nil
}

// wait waits for the program. What comes after it is short, and signals no longer interrupt it.
func (r *relay) wait(cmd *exec.Cmd) error {
	err := cmd.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.process, r.isOver = nil, true
	return err
}

func (r *relay) close() {
	signal.Stop(r.signals)
	signal.Stop(r.ignored)
	close(r.signals)
	r.done.Wait()
	r.end(nil)
}
