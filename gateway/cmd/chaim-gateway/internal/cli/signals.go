package cli

import (
	"context"
	"os"
	"os/signal"
	"sync"
)

// Signals takes the signals of this process. The first one ends the context, unless a command takes it.
type Signals struct {
	caught chan os.Signal
	end    context.CancelCauseFunc
	done   sync.WaitGroup

	mu   sync.Mutex // guards take
	take func(os.Signal) bool
}

// WatchSignals starts a Signals. A signal that was ignored when the process began, as by nohup, stays ignored. Close it.
func WatchSignals(ctx context.Context) (context.Context, *Signals) {
	ctx, end := context.WithCancelCause(ctx)
	s := &Signals{caught: make(chan os.Signal, 16), end: end}
	for _, one := range watchedSignals {
		if !signal.Ignored(one) {
			signal.Notify(s.caught, one)
		}
	}
	s.done.Go(func() {
		for one := range s.caught {
			s.deliver(one)
		}
	})
	return ctx, s
}

func (s *Signals) deliver(one os.Signal) {
	s.mu.Lock()
	take := s.take
	s.mu.Unlock()
	if take != nil && take(one) {
		return
	}
	signal.Stop(s.caught) // a second one ends the process at once
	s.end(Ended{one})
}

// Take gives the signals to a function until release is called. It returns whether it took a signal.
func (s *Signals) Take(take func(os.Signal) bool) (release func()) {
	set := func(f func(os.Signal) bool) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.take = f
	}
	set(take)
	return func() { set(nil) }
}

// Close ends the watch.
func (s *Signals) Close() {
	signal.Stop(s.caught)
	close(s.caught)
	s.done.Wait()
	s.end(nil)
}
