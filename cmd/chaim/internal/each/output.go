package each

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/proc"
	"github.com/chaim-go/chaim/cmd/chaim/internal/term"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/lazyregexp"
)

// maxLine is how long a line can be. A longer one is written in pieces.
const maxLine = 64 << 10

// screen is stdout and stderr, to which all programs write, one at a time.
type screen struct {
	turn     sync.Mutex // held by the writer
	out, err sink
	fail     context.CancelCauseFunc // ends all programs
	bar      *term.Progress
}

// newScreen returns a screen that waits for readers until wait after the end of run.
func newScreen(run context.Context, fail context.CancelCauseFunc, wait time.Duration, out, err *term.Outlet) *screen {
	over, giveUp := context.WithCancelCause(context.Background())
	context.AfterFunc(run, func() { time.AfterFunc(wait, func() { giveUp(term.ErrGivenUp) }) })
	s := &screen{fail: fail}
	s.out, s.err = sink{s, term.NewOutlet(over, out.File())}, sink{s, term.NewOutlet(over, err.File())}
	return s
}

// sink is stdout or stderr of a screen.
type sink struct {
	*screen
	to *term.Outlet
}

// Write writes whole lines. A failure ends all programs.
func (s sink) Write(lines []byte) (int, error) {
	s.turn.Lock()
	defer s.turn.Unlock()
	s.bar.Hide()
	n, err := s.to.Write(lines)
	if err != nil {
		s.fail(errtext.Wrap(err, "writing the output"))
	}
	return n, err
}

// take returns what writes the lines of an output after a label.
func (s sink) take(label string) func(io.Reader) {
	return func(output io.Reader) { writeLines(s, label+" | ", output) }
}

// writeLines writes the lines of an output after a prefix, as soon as there are any.
func writeLines(w io.Writer, prefix string, output io.Reader) {
	in := bufio.NewReaderSize(output, maxLine+1)
	var lines []byte
	for end := error(nil); end == nil; {
		var line []byte
		if line, end = in.ReadSlice('\n'); end == bufio.ErrBufferFull {
			line, end = line[:maxLine], in.UnreadByte()
		}
		if len(line) > 0 {
			lines = append(append(append(lines, prefix...), bytes.TrimSuffix(line, []byte("\n"))...), '\n')
		}
		next, _ := in.Peek(in.Buffered())
		if hasMore := end == nil && bytes.IndexByte(next, '\n') >= 0; len(lines) == 0 || hasMore && len(lines) < maxLine {
			continue
		}
		if _, err := w.Write(lines); err != nil {
			return
		}
		lines = lines[:0]
	}
}

// keep returns what takes the first MiB of an output, and one byte more if there is more.
func keep(text *[]byte) func(io.Reader) {
	return func(output io.Reader) {
		*text, _ = io.ReadAll(io.LimitReader(output, proc.MaxHeld+1))
		_, _ = io.Copy(io.Discard, output)
	}
}

// record is a line of --json.
type record struct {
	Account  string  `json:"account"`
	ID       string  `json:"id"`
	ExitCode *int    `json:"exit_code"`
	Error    string  `json:"error,omitempty"`
	Seconds  float64 `json:"seconds"`
	texts
}

// texts are the outputs of a program, each as text or as bytes.
type texts struct {
	Stdout       *string `json:"stdout,omitempty"`
	StdoutBase64 []byte  `json:"stdout_base64,omitempty"`
	Stderr       *string `json:"stderr,omitempty"`
	StderrBase64 []byte  `json:"stderr_base64,omitempty"`
	IsTruncated  bool    `json:"truncated,omitempty"`
}

// write writes the record of an account whose error is err.
func (r *result) write(w io.Writer, account chaim.Account, err error) {
	line := record{Account: nameOf(account), ID: account.ID, ExitCode: r.code, Seconds: float64(r.took.Milliseconds()) / 1000}
	if err != nil {
		line.Error = cli.Reason(err)
	}
	line.Stdout, line.StdoutBase64 = content(r.stdout)
	line.Stderr, line.StderrBase64 = content(r.stderr)
	line.IsTruncated = max(len(r.stdout), len(r.stderr)) > proc.MaxHeld
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(line) // a failure ends all programs
}

// content is the first MiB of an output: text, or else bytes. JSON would need six characters for a control character.
func content(output []byte) (text *string, raw []byte) {
	output = output[:min(len(output), proc.MaxHeld)]
	isControl := func(r rune) bool { return unicode.IsControl(r) && !strings.ContainsRune("\t\n\r", r) }
	if !utf8.Valid(output) || bytes.ContainsFunc(output, isControl) {
		return nil, output
	}
	return new(string(output)), nil
}

var outsideFiles = lazyregexp.New(`[^A-Za-z0-9._-]`)

// fileName is the name of an account's files, which end with .out and .err.
func fileName(account chaim.Account) string {
	plain := func(text string) string { return strings.Trim(outsideFiles().ReplaceAllString(text, "-"), "-.") }
	return strings.Trim(plain(account.Name)+"-"+plain(account.ID), "-")
}

// openFolder opens the folder for the output, and removes the files of an earlier run for these accounts.
func openFolder(dir string, accounts []chaim.Account) (*os.Root, error) {
	owners := map[string]chaim.Account{}
	for _, account := range accounts {
		name := fileName(account)
		if other, isTaken := owners[name]; isTaken {
			return nil, fmt.Errorf("chaim: accounts %q and %q would have the same file %s.out", nameOf(other), nameOf(account), name)
		}
		owners[name] = account
	}
	root, err := (*os.Root)(nil), os.MkdirAll(dir, 0o700)
	if err == nil {
		root, err = os.OpenRoot(dir)
	}
	if err != nil {
		return nil, errtext.Wrap(err, "folder for the output")
	}
	for name := range owners {
		if err := cmp.Or(removeFile(root, name+".out"), removeFile(root, name+".err")); err != nil {
			_ = root.Close()
			return nil, errtext.Wrap(err, "output of an earlier run in %q", dir)
		}
	}
	return root, nil
}

// removeFile removes a file or link, if there is one. A folder stays.
func removeFile(dir *os.Root, name string) error {
	if info, err := dir.Lstat(name); err == nil && info.IsDir() {
		return &fs.PathError{Op: "remove", Path: name, Err: syscall.EISDIR}
	}
	if err := dir.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// toFiles gives the program files to write to. finish closes them, and removes an empty one of stderr.
func toFiles(cmd *exec.Cmd, dir *os.Root, name string) (finish func() error, err error) {
	const exclusive = os.O_CREATE | os.O_EXCL | os.O_WRONLY
	stdout, err := dir.OpenFile(name+".out", exclusive, 0o600)
	if err != nil {
		return nil, errtext.Wrap(err, "output in %q", dir.Name())
	}
	stderr, err := dir.OpenFile(name+".err", exclusive, 0o600)
	if err != nil {
		_ = stdout.Close()
		return nil, errtext.Wrap(err, "output in %q", dir.Name())
	}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	return func() error {
		info, err := stderr.Stat()
		err = errors.Join(err, stdout.Close(), stderr.Close())
		if err == nil && info.Size() == 0 {
			err = dir.Remove(name + ".err")
		}
		return err
	}, nil
}
