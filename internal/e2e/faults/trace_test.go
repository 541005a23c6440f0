//go:build faults && linux

package faults

import (
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// call is a system call of a thread, on entry or exit.
// https://man7.org/linux/man-pages/man2/ptrace.2.html, PTRACE_GET_SYSCALL_INFO
type call struct {
	op     uint8
	_      uint32
	ip, sp uint64
	number uint64    // only on entry
	args   [6]uint64 // only on entry
}

func (c *call) isEntry() bool { return c.op == unix.PTRACE_SYSCALL_INFO_ENTRY }

// trace runs cmd, and calls see for each of its system calls after its first getppid. strace is no help: it counts the calls
// of each thread, and Go moves a goroutine from one thread to another.
func trace(t *testing.T, cmd *exec.Cmd, see func(tid int, c call)) unix.WaitStatus {
	t.Helper()
	runtime.LockOSThread() // only this thread may trace
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	require.NoError(t, cmd.Start())
	defer cmd.Wait() // for its output only
	pid := cmd.Process.Pid
	hasBegun := false
	for isFirst := true; ; isFirst = false {
		var status unix.WaitStatus
		tid, err := unix.Wait4(-1, &status, unix.WALL|unix.WNOTHREAD, nil)
		require.NoError(t, err)
		if isFirst {
			require.NoError(t, unix.PtraceSetOptions(pid, unix.PTRACE_O_EXITKILL|unix.PTRACE_O_TRACECLONE|unix.PTRACE_O_TRACESYSGOOD))
		}
		if !status.Stopped() {
			if tid != pid {
				continue // only a thread has ended
			}
			return status
		}
		signal := 0
		switch status.StopSignal() {
		case unix.SIGTRAP | 0x80: // a system call
			var c call
			_, _, errno := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_GET_SYSCALL_INFO, uintptr(tid), unsafe.Sizeof(c), uintptr(unsafe.Pointer(&c)), 0, 0)
			if errno != 0 {
				break // it is being killed
			}
			hasBegun = hasBegun || c.isEntry() && c.number == unix.SYS_GETPPID
			if hasBegun {
				see(tid, c)
			}
		case unix.SIGTRAP, unix.SIGSTOP: // a new program or thread
		default:
			signal = int(status.StopSignal())
		}
		_ = unix.PtraceSyscall(tid, signal) // unless it is being killed
	}
}
