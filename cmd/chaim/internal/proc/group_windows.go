package proc

import (
	"math"
	"os"
	"os/exec"
	"syscall"
)

// leadGroup does nothing: the console sends Ctrl-C to all programs.
func leadGroup(*exec.Cmd) {}

// signalGroup can only kill the program. Signal 0 asks whether it is there.
func signalGroup(leader *os.Process, s os.Signal) error {
	switch s {
	case os.Interrupt:
		return nil
	case syscall.Signal(0):
		return leader.Signal(s)
	}
	return leader.Kill()
}

// MaxOpenFiles is without limit for handles.
func MaxOpenFiles() uint64 { return math.MaxUint64 }
