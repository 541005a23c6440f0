// Package proc runs programs for the command: it finds them, passes signals on to them, stops with them, and waits for
// them.
package proc

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// The exit codes of shells.
const (
	CannotRun = 126
	NotFound  = 127
	Signaled  = 128 // and the number of the signal
)

// Exit ends chaim with an exit code and without another word.
type Exit int

func (Exit) Error() string { return "" }

// Error says why a program was not run, or how it failed.
type Error struct {
	Code int // exit code for that
	Text string
}

func (e *Error) Error() string { return "chaim: " + e.Text }

// Find returns the path of a program. The error is an [*Error].
func Find(name string) (path string, err error) {
	path, err = exec.LookPath(name)
	if err != nil {
		return "", CannotStart(name, err)
	}
	return path, nil
}

// Command returns a command for a program and its arguments. The error is an [*Error].
func Command(words []string) (*exec.Cmd, error) {
	path, err := Find(words[0])
	if err != nil {
		return nil, err
	}
	if err := CheckWords(words); err != nil {
		return nil, err
	}
	cmd := exec.Command(path, words[1:]...)
	cmd.Args[0] = words[0]
	return cmd, nil
}

// CannotStart says why a program cannot be run, without the paths in err.
func CannotStart(name string, err error) *Error {
	cause := err
	for next := err; next != nil; next = errors.Unwrap(next) {
		cause = next
	}
	text, code := cause.Error(), CannotRun
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		code = NotFound
	}
	if start := (*fs.PathError)(nil); errors.As(err, &start) && start.Op == "fork/exec" && errors.Is(err, fs.ErrNotExist) {
		text = "its interpreter or loader is missing" // as LookPath has found the program itself
	}
	return &Error{code, fmt.Sprintf("cannot run %q: %s", name, text)}
}

// Shell is the user's shell.
func Shell() string {
	if runtime.GOOS == "windows" {
		return cmp.Or(os.Getenv("COMSPEC"), "cmd.exe")
	}
	return cmp.Or(os.Getenv("SHELL"), "/bin/sh")
}

// batchSpecial are the characters that cmd.exe, which runs batch files, may take for a part of a command. Package os/exec
// quotes only words with spaces, and cmd.exe replaces %NAME% within quotes too.
const batchSpecial = "%!^&|<>\"\r\n\x00"

// checkBatch refuses to give a batch file of Windows words that cmd.exe could run. The error does not quote them, as they may
// hold secrets.
func checkBatch(path string, words []string) error {
	switch strings.ToLower(filepath.Ext(strings.TrimRight(path, ". "))) { // Windows ignores those at the end
	case ".bat", ".cmd":
	default:
		return nil
	}
	for i, word := range words {
		if at := strings.IndexAny(word, batchSpecial); at >= 0 {
			what := "its name"
			if i > 0 {
				what = fmt.Sprintf("argument %d", i)
			}
			return &Error{CannotRun, fmt.Sprintf("cannot run %q: it is a batch file, and cmd.exe could read the %q of %s "+
				"as part of a command; leave that out, or run the program that the batch file starts", words[0], word[at], what)}
		}
	}
	return nil
}
