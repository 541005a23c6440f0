//go:build readers

package lend

import "testing"

func TestShellsTakeValuesForText(t *testing.T) {
	checkShell(t, "env", hostile, "bash", "-c")
	checkShell(t, "env", hostile, "zsh", "-f", "-c")
	checkShell(t, "fish", hostile, "fish", "--no-config", "-c")
}
