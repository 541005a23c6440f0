//go:build unix

package chaim

import "strings"

// readCommand is the command line that prints a file, for a shell and for the Python module shlex alike.
func readCommand(path string) string {
	return "cat '" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
