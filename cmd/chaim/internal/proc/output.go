package proc

import (
	"context"
	"errors"
	"io"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// MaxHeld is how many bytes of an output are held in memory after the end of its program.
const MaxHeld = 1 << 20

// RunGroup runs a program as the leader of its group, until it has ended and its output is read. Each taker gets one of
// stdout and stderr to read; without takers cmd has files for them. takers may still read from memory when RunGroup returns,
// and taken waits for them.
//
// If ctx ends, the group gets the signal that ended ctx, or else SIGTERM, and is killed after grace. If another process
// still has the output open a second after grace, its reading ends. The error is an [*Error], or the cause of ctx if the
// program was not begun.
func RunGroup(ctx context.Context, cmd *exec.Cmd, grace time.Duration, takers ...func(io.Reader)) (taken func(), err error) {
	var taking sync.WaitGroup
	if ctx.Err() != nil {
		return taking.Wait, context.Cause(ctx)
	}
	var streams streams
	for _, open := range []func() (io.ReadCloser, error){cmd.StdoutPipe, cmd.StderrPipe}[:len(takers)] {
		pipe, err := open()
		if err != nil {
			streams.cut()
			return taking.Wait, CannotStart(cmd.Args[0], err)
		}
		streams = append(streams, newStream(pipe))
	}
	leadGroup(cmd)
	if err := cmd.Start(); err != nil {
		return taking.Wait, CannotStart(cmd.Args[0], err)
	}
	var reading sync.WaitGroup
	for i, s := range streams {
		reading.Go(s.readAll)
		taking.Go(func() {
			takers[i](s)
			s.cut() // a process that still writes gets SIGPIPE
		})
	}
	isOpen, isCut := false, make(chan struct{})
	isStopped, err := awaitGroup(ctx, cmd, grace, func() {
		timer := time.AfterFunc(grace+time.Second, func() {
			defer close(isCut)
			isOpen = streams.cut()
		})
		streams.programEnded()
		reading.Wait()
		if !timer.Stop() {
			<-isCut
		}
	})
	exit := (*exec.ExitError)(nil)
	switch {
	case errors.As(err, &exit):
		err = &Error{EndOf(exit), strings.Replace(exit.String(), "exit status", "exit code", 1)}
	case err != nil:
		err = &Error{0, err.Error()}
	case isOpen:
		err = &Error{0, "it has ended, but left a process that keeps its output open"}
	case isStopped:
		err = &Error{0, "ended early, with exit code 0"}
	}
	return taking.Wait, err
}

// heldWhileRunning is how many bytes of an output are held while the program runs.
const heldWhileRunning = 64 << 10

// stream is stdout or stderr of a program on its way to a taker, which may be blocked for any time. While the program runs, it
// waits for the taker, as for the reader of any pipe. After its end the rest is read into memory without waiting.
type stream struct {
	pipe io.ReadCloser

	mu      sync.Mutex // guards what follows
	changed *sync.Cond
	held    []byte // was read from the pipe, and not yet by the taker
	most    int    // bytes to hold
	isCut   bool   // nothing more is wanted
	isRead  bool   // nothing more is read
}

func newStream(pipe io.ReadCloser) *stream {
	s := &stream{pipe: pipe, most: heldWhileRunning}
	s.changed = sync.NewCond(&s.mu)
	return s
}

// Read is for the taker.
func (s *stream) Read(p []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.held) == 0 && !s.isRead {
		s.changed.Wait()
	}
	if len(s.held) == 0 {
		return 0, io.EOF
	}
	n = copy(p, s.held)
	s.held = s.held[n:]
	s.changed.Broadcast()
	return n, nil
}

// mostRead is how many bytes one read takes. It must not be more than a stream holds.
const mostRead = 32 << 10

// readAll reads the pipe until its end, or until the stream is cut.
func (s *stream) readAll() {
	buffer := make([]byte, mostRead)
	for isWanted := true; isWanted; {
		n, err := s.pipe.Read(buffer)
		isWanted = s.hold(buffer[:n]) && err == nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.isRead = true
	s.changed.Broadcast()
}

// hold waits for room, and adds text to what is held. If the stream is cut before there is room, text is dropped. It reports
// whether more is wanted.
func (s *stream) hold(text []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.held)+len(text) > s.most {
		if s.isCut {
			return false
		}
		s.changed.Wait()
	}
	s.held = append(s.held, text...)
	s.changed.Broadcast()
	return !s.isCut
}

// cut ends the reading. It reports whether that comes before the end of the output.
func (s *stream) cut() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.isCut = true
	_ = s.pipe.Close()
	s.changed.Broadcast()
	return !s.isRead
}

type streams []*stream

// programEnded lets the rest be read without waiting for the takers.
func (all streams) programEnded() {
	for _, s := range all {
		s.mu.Lock()
		s.most = MaxHeld
		s.changed.Broadcast()
		s.mu.Unlock()
	}
}

// cut cuts all. It reports whether one had not ended.
func (all streams) cut() (isOpen bool) {
	for _, s := range all {
		isOpen = s.cut() || isOpen
	}
	return isOpen
}
