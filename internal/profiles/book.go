// Package profiles keeps the profiles of an AWS credentials file: those that are lent to scopes, and those that are kept.
// The file chaim-parked beside it holds the definitions of parked accounts.
package profiles

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/chaim-go/chaim/internal/awsenv"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// parkedName is the file beside the credentials file that holds the definitions of parked accounts. It is written only while
// the lock of the credentials file is held, so that each account is always in one of the two files.
const parkedName = "chaim-parked"

const sweepTimeout = time.Second // of the sweep of Look

// ErrUnmanaged means that a section is the user's own.
var ErrUnmanaged = errors.New("chaim: profile is not managed by chaim")

// Book is a credentials file with its chaim-parked. Any number of goroutines may use it.
type Book struct {
	file   sharedfile.File // under the path that the user gave, whose links may lead elsewhere at any time
	parked sharedfile.File // chaim-parked beside that path
	log    *slog.Logger
}

// Open returns the book of the credentials file at path. It reads nothing yet. If there is no path, unknown says why, and
// each method returns it.
func Open(path string, unknown error, log *slog.Logger) *Book {
	dir, base := filepath.Split(path)
	name := parkedName
	if base != "credentials" { // a folder may have several credentials files
		name += "-" + base
	}
	return &Book{
		file:   sharedfile.File{Path: path, Unknown: unknown},
		parked: sharedfile.File{Path: filepath.Join(dir, name), IsOwn: true, Unknown: unknown},
		log:    log,
	}
}

// OpenIn returns the book of the credentials file in dir or, if dir is empty, of the one that the SDKs use.
func OpenIn(dir string, log *slog.Logger) (*Book, error) {
	path, err := awsenv.CredentialsPath(dir)
	return Open(path, err, log), err
}

// Path is the path of the credentials file, as the user gave it.
func (b *Book) Path() string { return b.file.Path }

// Unknown is why there is no path, or nil.
func (b *Book) Unknown() error { return b.file.Unknown }

// CheckStore refuses a path under which nothing can be stored, such as that of a device.
func (b *Book) CheckStore() error { return b.file.CanStore() }

// Read returns the credentials file.
func (b *Book) Read() (*inifile.Document, error) { return read(b.file) }

// DefaultSection returns all keys of the section [default] of the credentials file, and whether it exists.
func (b *Book) DefaultSection() (pairs map[string]string, exists bool, err error) {
	doc, err := b.Read()
	if err != nil {
		return nil, false, err
	}
	if pairs, exists, err = doc.All(inifile.DefaultSection); err != nil {
		return nil, exists, errtext.Wrap(err, "%s", b.Path())
	}
	return pairs, exists, nil
}

func read(file sharedfile.File) (*inifile.Document, error) {
	text, err := file.Read()
	if err != nil {
		return nil, err
	}
	return inifile.Parse(text), nil
}

// edit changes a file, unless ctx has ended by then. change may be called again, see [sharedfile.File.Edit].
func edit(ctx context.Context, file sharedfile.File, change func(*inifile.Document) error) error {
	return file.Edit(ctx, unlessEnded(ctx, change))
}

func unlessEnded(ctx context.Context, change func(*inifile.Document) error) func([]byte) ([]byte, error) {
	return onDocument(func(doc *inifile.Document) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return change(doc)
	})
}

func onDocument(change func(*inifile.Document) error) func([]byte) ([]byte, error) {
	return func(text []byte) ([]byte, error) {
		doc := inifile.Parse(text)
		if err := change(doc); err != nil {
			return nil, err
		}
		return doc.Bytes(), nil
	}
}

// place is a credentials file behind all links, with the leases beside it.
type place struct {
	file   sharedfile.File
	leases leases
}

// pin returns the place to which the links of a credentials file lead now.
func pin(file sharedfile.File) (place, error) {
	file, err := file.Pinned()
	if err != nil {
		return place{}, err
	}
	scopes, err := leasesBeside(file.Path)
	return place{file, scopes}, err
}

// Edit changes the credentials file. Other edits wait for change, so it must call nothing of the program, such as its
// logger.
func (b *Book) Edit(ctx context.Context, change func(*inifile.Document) error) error {
	return b.edit(ctx, func(_ leases, doc *inifile.Document) error { return change(doc) })
}

// edit is Edit, and also tells change where the leases are.
func (b *Book) edit(ctx context.Context, change func(leases, *inifile.Document) error) error {
	p, err := pin(b.file)
	if err != nil {
		return err
	}
	return edit(ctx, p.file, func(doc *inifile.Document) error { return change(p.leases, doc) })
}

// ParkedPath is the path of chaim-parked.
func (b *Book) ParkedPath() string { return b.parked.Path }

// withParked makes an edit of the credentials file that also edits chaim-parked. If chaim-parked is locked, withParked waits
// for that outside the edit, so that others can edit the credentials file meanwhile, and then tries again.
func (b *Book) withParked(ctx context.Context, edit func() error) error {
	for {
		err := edit()
		if !errors.Is(err, sharedfile.ErrHeld) {
			return err
		}
		if err := b.parked.Edit(ctx, func(doc []byte) ([]byte, error) { return doc, nil }); err != nil {
			return err
		}
	}
}

// editParked changes chaim-parked within an edit of the credentials file.
func (b *Book) editParked(ctx context.Context, change func(*inifile.Document) error) error {
	return b.parked.TryEdit(ctx, unlessEnded(ctx, change))
}

// Sweep removes what dead processes left, and returns what it removed. See the package chaim.
func (b *Book) Sweep(ctx context.Context) ([]Swept, error) {
	switch {
	case b.file.Unknown != nil:
		return nil, b.file.Unknown
	case b.file.CanStore() != nil:
		return nil, nil // no process can have left anything there
	}
	doc, err := b.Read()
	if err != nil {
		return nil, err
	}
	return b.sweep(ctx, doc, true)
}

func (b *Book) sweep(ctx context.Context, doc *inifile.Document, isThorough bool) ([]Swept, error) {
	swept, err := sweep(ctx, b.file, doc, isThorough)
	if errors.Is(err, sharedfile.ErrUnsafe) {
		return swept, err
	}
	temps, tempErr := sweep(ctx, b.parked, inifile.Parse(nil), isThorough) // no scope writes to chaim-parked
	return append(swept, temps...), errors.Join(err, tempErr)
}

// Look warns of problems with the credentials file, and sweeps for a second at most. Errors are only logged, except that
// of an unsafe file, with which no edit would work.
func (b *Book) Look() error {
	if b.file.CanStore() != nil {
		return nil // such as /dev/null, or a pipe that another program is to read
	}
	path := b.file.Path
	if info, err := os.Stat(path); err == nil && sharedfile.IsOpen(info) {
		b.log.Warn("chaim: credentials file is open to other users, until chaim next writes it", "path", path)
	}
	doc, err := b.Read()
	if err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), sweepTimeout)
		defer cancel()
		if b.log.Enabled(ctx, slog.LevelWarn) { // Damage reads each line, which takes time for a large file
			if line, what := inifile.Damage(doc.Bytes()); what != "" {
				b.log.Warn("chaim: the AWS CLI and boto3 cannot read the credentials file", "path", path, "line", line, "what", what)
			}
		}
		var swept []Swept
		swept, err = b.sweep(ctx, doc, false)
		for _, s := range swept {
			b.log.Info("chaim: removed what a dead process left", "path", s.Path, "profile", s.Profile)
		}
	}
	switch {
	case errors.Is(err, sharedfile.ErrUnsafe):
		return err
	case errors.Is(err, context.DeadlineExceeded): // as on a busy machine; the next client continues
		b.log.Info("chaim: what dead processes left is not all removed yet", "path", path, "error", err)
	case err != nil:
		b.log.Warn("chaim: what dead processes left cannot be removed", "path", path, "error", err)
	}
	return nil
}
