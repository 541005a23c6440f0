package proc

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// groupPoll is the pause between two looks whether a group of processes is still there: no event tells its end.
const groupPoll = 20 * time.Millisecond

// awaitGroup waits for a program that leads its group, as [RunGroup] says. isStopped is true if the group got a signal. It
// calls ended when the program has ended, before its process number is free for another process.
func awaitGroup(ctx context.Context, cmd *exec.Cmd, grace time.Duration, ended func()) (isStopped bool, err error) {
	told, gone := make(chan struct{}), make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(gone)
		err := signalGroup(cmd.Process, endingSignal(ctx))
		isStopped = err == nil
		close(told)
		endGroup(cmd.Process, err, grace)
	})
	reap := awaitEnd(cmd)
	ended()
	isEnding := !stop()
	if isEnding {
		<-told
	}
	err = reap() // before the group can be empty
	if isEnding {
		<-gone
	}
	return isStopped, err
}

// endingSignal is the signal that ended ctx, or SIGTERM.
func endingSignal(ctx context.Context) os.Signal {
	if caught := (SignalError{}); errors.As(context.Cause(ctx), &caught) {
		return caught.Signal
	}
	return syscall.SIGTERM
}

// endGroup waits for the end of a group that was told to end, and kills it after wait. err is the result of telling it. The
// number of the group is not used again while the leader is not reaped or another member lives: the next look, a moment
// later, cannot find another group.
func endGroup(leader *os.Process, err error, wait time.Duration) {
	for end := time.Now().Add(wait); !errors.Is(err, os.ErrProcessDone); err = signalGroup(leader, syscall.Signal(0)) {
		if !time.Now().Before(end) {
			_ = signalGroup(leader, os.Kill)
			break
		}
		<-time.After(groupPoll)
	}
}
