package proc

import (
	"errors"
	"os"
	"os/signal"
	"sync"

	"golang.org/x/sys/unix"
)

// RunAsInit does the work of the first process of a container if this process is it: it runs chaim again as a child, passes
// signals on to it, and reaps the orphans that Linux gives to the first process. It returns the exit code of the child. If the
// child cannot be started, isInit is false and chaim works without one.
func RunAsInit() (code int, isInit bool) {
	if os.Getpid() != 1 {
		return 0, false
	}
	signals := make(chan os.Signal, 16)
	for _, s := range endingSignals {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	child, err := os.StartProcess("/proc/self/exe", os.Args, &os.ProcAttr{Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}})
	if err != nil {
		signal.Stop(signals)
		return 0, false
	}
	var passing sync.WaitGroup
	passing.Go(func() {
		for s := range signals {
			if !isTyped(s) { // the keyboard reaches the child itself
				_ = child.Signal(s) // os.Process signals no other process after the end of the child
			}
		}
	})
	code = reap(child.Pid)
	signal.Stop(signals)
	close(signals)
	passing.Wait()
	return code, true
}

// reap waits for all children until that one has ended, and returns its exit code.
func reap(child int) int {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR), err == nil && pid != child:
		case err != nil:
			return 1
		case status.Exited():
			return status.ExitStatus()
		case status.Signaled():
			return Signaled + int(status.Signal())
		}
	}
}
