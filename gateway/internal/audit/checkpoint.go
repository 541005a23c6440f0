package audit

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/chaim-go/chaim/internal/sharedfile"
)

// Checkpoint says where a log ended at a time. Signed and kept outside the database, it shows that the log was cut or written
// anew later, which the chain alone cannot show.
type Checkpoint struct {
	GatewayID string
	Head
	At time.Time // to the second
}

const checkpointTitle = "chaim gateway "

func (c Checkpoint) when() string { return c.At.UTC().Format(time.RFC3339) }

// Sign returns the checkpoint as a signed note: https://pkg.go.dev/golang.org/x/mod/sumdb/note
func (c Checkpoint) Sign(signers ...note.Signer) ([]byte, error) {
	text := fmt.Sprintf("%s%s\n%d\n%s\n%s\n", checkpointTitle, c.GatewayID, c.Seq, base64.StdEncoding.EncodeToString(c.Hash[:]), c.when())
	signed, err := note.Sign(&note.Note{Text: text}, signers...)
	if err != nil {
		return nil, fmt.Errorf("sign a checkpoint of the audit log: %w", err)
	}
	return signed, nil
}

// OpenCheckpoint reads a signed note. One of the verifiers must know the key of a signature.
func OpenCheckpoint(signed []byte, verifiers note.Verifiers) (c Checkpoint, err error) {
	n, err := note.Open(signed, verifiers)
	if err != nil {
		return c, err
	}
	lines := strings.Split(n.Text, "\n")
	id, isTitled := strings.CutPrefix(lines[0], checkpointTitle)
	if len(lines) != 5 || !isTitled {
		return c, errors.New("the note is not a checkpoint")
	}
	c.GatewayID = id
	if c.Seq, err = strconv.ParseInt(lines[1], 10, 64); err != nil {
		return c, err
	}
	hash, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(hash) != len(c.Hash) {
		return c, errors.New("the checkpoint has no hash")
	}
	c.Hash = Hash(hash)
	c.At, err = time.Parse(time.RFC3339, lines[3])
	return c, err
}

// CheckpointFile is a file of checkpoints: one JSON object {"note": "..."} a line. One process appends to it at a time.
type CheckpointFile struct{ Path string }

type checkpointLine struct {
	Note string `json:"note"`
}

// Append appends a signed note and returns when it is on the disk. It makes the file with mode 0600. What a crash left of an
// earlier line, which was never confirmed, is removed.
func (f CheckpointFile) Append(signed []byte) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("append to the file of checkpoints %s: %w", f.Path, err)
		}
	}()
	_, err = os.Stat(f.Path)
	isNew := errors.Is(err, os.ErrNotExist)
	file, err := os.OpenFile(f.Path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	end, err := endOfLines(file)
	if err != nil {
		return err
	}
	if err := file.Truncate(end); err != nil {
		return err
	}
	if _, err := file.WriteAt(append(canonical(checkpointLine{string(signed)}), '\n'), end); err != nil {
		return err
	}
	if err := file.Sync(); err != nil || !isNew {
		return err
	}
	return sharedfile.SyncDir(filepath.Dir(f.Path))
}

// endOfLines returns where the last complete line ends. A line has at most 4 KiB.
func endOfLines(file *os.File) (int64, error) {
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	from := max(0, info.Size()-4096)
	tail, err := io.ReadAll(io.NewSectionReader(file, from, info.Size()-from))
	if err != nil {
		return 0, err
	}
	last := bytes.LastIndexByte(tail, '\n')
	if last < 0 && from > 0 {
		return 0, errors.New("its last line is too long: it is not a file of checkpoints")
	}
	return from + int64(last+1), nil
}

// Read returns the checkpoints of the file, and what is wrong with lines that hold none. A file that does not exist has
// none.
func (f CheckpointFile) Read(verifiers note.Verifiers) (found []Checkpoint, wrong []Finding, err error) {
	text, err := os.ReadFile(f.Path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, nil, nil
	case err != nil:
		return nil, nil, fmt.Errorf("read the file of checkpoints: %w", err)
	}
	lines := bytes.Split(text, []byte("\n"))
	for i, line := range lines[:len(lines)-1] { // what follows the last newline was never confirmed
		c, err := openLine(line, verifiers)
		if err != nil {
			wrong = append(wrong, Finding{IsBatch: true, Text: fmt.Sprintf("line %d of the checkpoints in %s: %v", i+1, f.Path, err)})
			continue
		}
		found = append(found, c)
	}
	return found, wrong, nil
}

func openLine(line []byte, verifiers note.Verifiers) (c Checkpoint, err error) {
	var l checkpointLine
	if err := json.Unmarshal(line, &l); err != nil {
		return c, err
	}
	return OpenCheckpoint([]byte(l.Note), verifiers)
}

// CheckLast refuses a file whose last line is no checkpoint with a known key. Then it does not tell where the log ended, and
// nothing shows that the log was cut. A file that does not exist, or is empty, is right.
func (f CheckpointFile) CheckLast(verifiers note.Verifiers) error {
	text, err := os.ReadFile(f.Path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the file of checkpoints: %w", err)
	}
	lines := bytes.Split(text, []byte("\n"))
	if len(lines) < 2 {
		return nil
	}
	if _, err := openLine(lines[len(lines)-2], verifiers); err != nil {
		return fmt.Errorf("the last line of the checkpoints in %s is no checkpoint of this gateway and its key ring (%w): "+
			"look with chaim-gateway audit verify, and restore the file or the key ring, or serve with --accept-fork", f.Path, err)
	}
	return nil
}

// Checkpointer writes checkpoints of a log to a file.
type Checkpointer struct {
	GatewayID string
	Head      func(context.Context) (Head, error) // the end of the log
	Signer    note.Signer
	File      CheckpointFile
	last      int64 // the number of the last batch that has a checkpoint
}

// Run writes a checkpoint at once, then every interval, and at the end of ctx, whenever the log has grown. It returns when
// ctx has ended. Errors go to report, in this goroutine; nil after a checkpoint was written.
func (c *Checkpointer) Run(ctx context.Context, interval time.Duration, report func(error)) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		isNew, err := c.write(ctx)
		if ctx.Err() == nil && (isNew || err != nil) {
			report(err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			if isNew, err := c.write(last); isNew || err != nil {
				report(err)
			}
			return
		}
	}
}

// write writes a checkpoint if there is news.
func (c *Checkpointer) write(ctx context.Context) (isNew bool, err error) {
	head, err := c.Head(ctx)
	if err != nil || head.Seq <= c.last {
		return false, err
	}
	signed, err := Checkpoint{GatewayID: c.GatewayID, Head: head, At: time.Now()}.Sign(c.Signer)
	if err != nil {
		return false, err
	}
	if err := c.File.Append(signed); err != nil {
		return false, err
	}
	c.last = head.Seq
	return true, nil
}
