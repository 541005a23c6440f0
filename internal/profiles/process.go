package profiles

import (
	"fmt"
	"runtime"
	"strings"
)

// readCommand returns the command line that prints a file, for an AWS SDK to run on this system.
func readCommand(path string) (string, error) {
	if runtime.GOOS == "windows" {
		return windowsReadCommand(path)
	}
	return unixReadCommand(path), nil
}

// unixReadCommand is understood by a shell and by the Python module shlex.
func unixReadCommand(path string) string {
	return "cat '" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

// windowsReadCommand is for cmd.exe. Each SDK changes the quotes of the line in its own way: the Go SDK puts a backslash
// before ours, and botocore drops them if there is no space. So quotes protect only spaces.
func windowsReadCommand(path string) (string, error) {
	if i := strings.IndexAny(path, "%!&|<>^\",;="); i >= 0 {
		return "", fmt.Errorf("chaim: cmd.exe does not take %q as part of a name there; "+
			"name a file in another folder in AWS_SHARED_CREDENTIALS_FILE, or lend the keys without a process", path[i])
	}
	isPlain := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune(`\:._-~`, r)
	}
	if strings.ContainsFunc(path, func(r rune) bool { return !isPlain(r) }) {
		path = `"` + path + `"`
	}
	return "cmd /c type " + path, nil
}
