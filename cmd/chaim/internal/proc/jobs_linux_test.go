package proc

import (
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestProgramIsLeftToBeReaped(t *testing.T) {
	cmd := exec.Command("sh", "-c", "exit 7")
	require.NoError(t, cmd.Start())
	reap := awaitEnd(cmd)
	assert.NoError(t, syscall.Kill(cmd.Process.Pid, 0), "its number is not free")
	assert.EqualError(t, reap(), "exit status 7")
	assert.ErrorIs(t, syscall.Kill(cmd.Process.Pid, 0), syscall.ESRCH)
}
