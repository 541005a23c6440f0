package proc

import (
	"path/filepath"
	"slices"
	"strings"
)

// shells are the programs that give the terminal to each command and take it back for their prompt.
var shells = []string{"ash", "bash", "csh", "dash", "elvish", "fish", "ksh", "ksh93", "mksh", "nu", "sh", "tcsh", "yash", "zsh"}

// isShell reports whether a process of that name is a shell. The name of a login shell begins with a dash.
func isShell(name string) bool {
	return slices.Contains(shells, strings.TrimPrefix(filepath.Base(name), "-"))
}

// IsAtPrompt reports whether the program that runs is a shell that waits at its prompt, so that a line can be written to its
// terminal without damage. In doubt it is false.
func (r *Relay) IsAtPrompt(terminal uintptr) bool {
	r.mu.Lock()
	process := r.program.process
	r.mu.Unlock()
	return process != nil && hasPrompt(process.Pid, terminal)
}
