package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/internal/keys"
)

// plainAccount is the account without texts that could do more than name it. It is asked for by what is left.
func plainAccount(account chaim.Account) chaim.Account {
	for _, text := range []*string{&account.ID, &account.Name} {
		isPlain := utf8.ValidString(*text) && len(*text) <= 128
		if !isPlain || strings.ContainsFunc(*text, func(r rune) bool { return !unicode.IsPrint(r) }) {
			*text = ""
		}
	}
	return account
}

func nameOf(account chaim.Account) string { return cmp.Or(account.Name, account.ID) }

// labelsOf are the names, with the ID where accounts have the same.
func labelsOf(accounts []chaim.Account) map[chaim.Account]string {
	count := map[string]int{}
	for _, account := range accounts {
		count[nameOf(account)]++
	}
	labels := map[chaim.Account]string{}
	for _, account := range accounts {
		labels[account] = nameOf(account)
		if count[nameOf(account)] > 1 {
			labels[account] += " (" + account.ID + ")"
		}
	}
	return labels
}

func hasPlaceholder(arg string) bool {
	return strings.Contains(arg, "{account}") || strings.Contains(arg, "{id}")
}

// expand puts the account in place of {account} and {id}. The name is chosen by others, so it must not make an option of
// an argument, or choose the folder of the program.
func expand(program []string, account chaim.Account) ([]string, error) {
	if account.ID != "" && !keys.IsAccountID(account.ID) { // programs trust it to be one
		return nil, fmt.Errorf("chaim: the gateway gives it the id %q, which is not 12 digits", account.ID)
	}
	place := strings.NewReplacer("{account}", nameOf(account), "{id}", account.ID)
	args := make([]string, len(program))
	for i, arg := range program {
		args[i] = place.Replace(arg)
		if strings.HasPrefix(args[i], "-") && !strings.HasPrefix(arg, "-") {
			return nil, fmt.Errorf("chaim: %q begins with a dash, so that %q would be an option", args[i], arg)
		}
	}
	if hasPlaceholder(program[0]) && (strings.ContainsAny(nameOf(account)+account.ID, `/\`) || nameOf(account) == "..") {
		return nil, fmt.Errorf("chaim: with the name %q the program %q would be in another folder", nameOf(account), program[0])
	}
	return args, nil
}

// fileName is that of the output of an account, without what tells stdout from stderr.
func fileName(account chaim.Account) string {
	plain := func(text string) string {
		return strings.Trim(strings.Map(func(r rune) rune {
			if r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("._-", r)) {
				return r
			}
			return '-'
		}, text), "-.")
	}
	return strings.Trim(plain(account.Name)+"-"+plain(account.ID), "-")
}

const (
	outFile = ".out"
	errFile = ".err"
)

// openFolder opens the folder for the output of programs, and removes what was kept there of these accounts.
func openFolder(dir string, accounts []chaim.Account) (_ *os.Root, err error) {
	owners := map[string]chaim.Account{}
	for _, account := range accounts {
		name := fileName(account)
		if other, isTaken := owners[name]; isTaken {
			return nil, fmt.Errorf("chaim: accounts %q and %q would have the same file %s", nameOf(other), nameOf(account), name+outFile)
		}
		owners[name] = account
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("chaim: folder for the output: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("chaim: folder for the output: %w", err)
	}
	for name := range owners {
		for _, extension := range []string{outFile, errFile} {
			if err := removeFile(root, name+extension); err != nil {
				_ = root.Close()
				return nil, fmt.Errorf("chaim: output of an earlier run in %q: %w", dir, err)
			}
		}
	}
	return root, nil
}

// removeFile removes what is no folder, if it is there.
func removeFile(dir *os.Root, name string) error {
	info, err := dir.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.IsDir():
		return &fs.PathError{Op: "remove", Path: name, Err: syscall.EISDIR}
	}
	return dir.Remove(name)
}

// connectFiles gives the program files to write to. An empty one of stderr is removed at the end.
func connectFiles(cmd *exec.Cmd, dir *os.Root, name string) (finish func() error, err error) {
	stdout, err := dir.OpenFile(name+outFile, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("chaim: output in %q: %w", dir.Name(), err)
	}
	stderr, err := dir.OpenFile(name+errFile, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		_ = stdout.Close()
		return nil, fmt.Errorf("chaim: output in %q: %w", dir.Name(), err)
	}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	return func() error {
		info, err := stderr.Stat()
		err = errors.Join(err, stdout.Close(), stderr.Close())
		if err == nil && info.Size() == 0 {
			err = dir.Remove(name + errFile)
		}
		return err
	}, nil
}

// maxCapture is how much of an output is kept in memory.
const maxCapture = 1 << 20

// capture is a Writer to memory.
type capture struct {
	text        strings.Builder
	isTruncated bool
}

func (c *capture) Write(p []byte) (int, error) {
	kept := p[:min(len(p), maxCapture-c.text.Len())]
	c.text.Write(kept)
	c.isTruncated = c.isTruncated || len(kept) < len(p)
	return len(p), nil
}

// split is the text as what it is: characters, or bytes. JSON would have six characters for each one of control.
func (c *capture) split() (text *string, raw []byte) {
	s := c.text.String()
	isControl := func(r rune) bool { return unicode.IsControl(r) && !strings.ContainsRune("\t\n\r", r) }
	if !utf8.ValidString(s) || strings.ContainsFunc(s, isControl) {
		return nil, []byte(s)
	}
	return &s, nil
}

// eachRecord is what --json prints of an account.
type eachRecord struct {
	Account      string  `json:"account"`
	ID           string  `json:"id"`
	ExitCode     *int    `json:"exit_code"`
	Error        string  `json:"error,omitempty"`
	Seconds      float64 `json:"seconds"`
	Stdout       *string `json:"stdout,omitempty"`
	StdoutBase64 []byte  `json:"stdout_base64,omitempty"`
	Stderr       *string `json:"stderr,omitempty"`
	StderrBase64 []byte  `json:"stderr_base64,omitempty"`
	IsTruncated  bool    `json:"truncated,omitempty"`
}

// json is the result in one line.
func (r *result) json(account chaim.Account, err error) []byte {
	record := eachRecord{
		Account: nameOf(account), ID: account.ID, ExitCode: r.code, Seconds: float64(r.took.Milliseconds()) / 1000,
		IsTruncated: r.stdout.isTruncated || r.stderr.isTruncated,
	}
	if err != nil {
		record.Error = reason(err)
	}
	record.Stdout, record.StdoutBase64 = r.stdout.split()
	record.Stderr, record.StderrBase64 = r.stderr.split()
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(record) // to memory
	return line.Bytes()
}
