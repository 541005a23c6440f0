package awssts

import (
	"context"
	"os/exec"
	"syscall"
)

// shell leaves the quotes of command as they are: cmd.exe does not read them as other programs do.
func shell(ctx context.Context, command string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "cmd.exe")
	cmd.SysProcAttr = &syscall.SysProcAttr{CmdLine: `cmd.exe /C "` + command + `"`}
	return cmd
}
