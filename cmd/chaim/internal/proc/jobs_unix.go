//go:build unix

package proc

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// stopPatience is how long this process waits to be stopped. The system ignores the signal if no shell could continue it.
const stopPatience = time.Second

// followStops stops this process whenever the program stops, as by "suspend" in a shell, and later continues both. The
// user's shell waits for this process, and would not see that the program has stopped. end stops the watch.
func followStops(program *os.Process) (end func()) {
	changes := make(chan os.Signal, 1)
	signal.Notify(changes, syscall.SIGCHLD)
	ended := make(chan struct{})
	var following sync.WaitGroup
	following.Go(func() {
		for {
			if isStopped(program.Pid) {
				stopWith(program, ended)
			}
			select {
			case <-changes:
			case <-ended:
				return
			}
		}
	})
	return func() {
		signal.Stop(changes)
		close(ended)
		following.Wait()
	}
}

// stopWith stops the process group of this process, and continues the program once a shell continues this process. Without a
// terminal no shell would do that, so the stopped program is left alone.
func stopWith(program *os.Process, ended <-chan struct{}) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer tty.Close()
	theirs, err := unix.Getpgid(program.Pid)
	if err != nil {
		return
	}
	continued := make(chan os.Signal, 1)
	signal.Notify(continued, syscall.SIGCONT)
	defer signal.Stop(continued)

	ours := unix.Getpgrp()
	hadTerminal := theirs != ours && passTerminal(tty, theirs, ours)
	_ = unix.Kill(0, unix.SIGTSTP)
	select {
	case <-continued:
	case <-time.After(stopPatience):
	case <-ended:
		return
	}
	if hadTerminal {
		passTerminal(tty, ours, theirs)
	}
	if theirs != ours {
		_ = unix.Kill(-theirs, unix.SIGCONT)
	}
	_ = program.Signal(syscall.SIGCONT)
}

// passTerminal makes the group to the foreground of a terminal, if the group from is the foreground.
func passTerminal(tty *os.File, from, to int) bool {
	foreground, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	if err != nil || foreground != from {
		return false
	}
	FromBackground(func() { err = unix.IoctlSetPointerInt(int(tty.Fd()), unix.TIOCSPGRP, to) })
	return err == nil
}
