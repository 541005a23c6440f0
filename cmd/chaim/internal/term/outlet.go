package term

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"os"
	"slices"
	"sync"
	"time"
)

// ReaderPatience is how long a Write waits for a reader once the work is over.
const ReaderPatience = time.Second

// ErrGivenUp means that no program or person reads the output.
var ErrGivenUp = errors.New("chaim: the output is not read")

// Outlet is stdout or stderr as chaim writes to it. A full pipe or a stopped terminal blocks a write for good. That must
// stop chaim neither from removing keys nor from ending: after the end of a context, a Write waits for a second at most.
// After such a wait texts are lost until the file takes some again. Any number of goroutines may use it.
type Outlet struct {
	file *os.File
	over context.Context
	hold holder

	turn    sync.Mutex // held during a write to the file; guards isDrawn
	isDrawn bool       // the line of Draw is the last one

	mu      sync.Mutex // guards what follows
	isStuck bool
	lost    error // of the first text that was not written
}

// NewOutlet returns an Outlet for file. After the end of over, no Write waits for longer than a second.
func NewOutlet(over context.Context, file *os.File) *Outlet { return &Outlet{file: file, over: over} }

// NewImpatientOutlet returns an Outlet of which no Write ever waits for longer than a second.
func NewImpatientOutlet(file *os.File) *Outlet {
	over, end := context.WithCancelCause(context.Background())
	end(ErrGivenUp)
	return NewOutlet(over, file)
}

// Fd is the file descriptor.
func (o *Outlet) Fd() uintptr { return o.file.Fd() }

// File is the file, for a program that gets it as its own output.
func (o *Outlet) File() *os.File { return o.file }

// Hold keeps what is written until Release, if the file is a terminal: another program has it.
func (o *Outlet) Hold() {
	if IsTerminal(o) {
		o.hold.begin()
	}
}

// Release writes what Hold has kept.
func (o *Outlet) Release() {
	if text := o.hold.end(); len(text) > 0 {
		_, _ = o.Write(text)
	}
}

// Write writes text, or returns why that was given up.
func (o *Outlet) Write(text []byte) (int, error) {
	if o.hold.keep(text) {
		return len(text), nil
	}
	if err := o.write(text, false); err != nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.lost = cmp.Or(o.lost, err)
		return 0, err
	}
	return len(text), nil
}

// Interject writes a line at once, even during Hold, below the last line of another program. It writes CR and LF, because
// that program may have put the terminal into raw mode.
func (o *Outlet) Interject(line string) { _ = o.write([]byte("\r\n"+line+"\r\n"), false) }

// Draw writes a line that the next text or line replaces, such as a progress bar. An empty line only erases the last one.
func (o *Outlet) Draw(line string) { _ = o.write([]byte(line), true) }

// Failure is the error of the first text that was not written. Some writers, such as cobra, ignore the error of Write.
func (o *Outlet) Failure() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.lost
}

func (o *Outlet) write(text []byte, isDrawn bool) error {
	if o.hasGivenUp() {
		return context.Cause(o.over)
	}
	written := make(chan error, 1)
	go o.writeFile(bytes.Clone(text), isDrawn, written)
	select {
	case err := <-written:
		return err
	case <-o.over.Done():
	}
	select {
	case err := <-written:
		return err
	case <-time.After(ReaderPatience):
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case err := <-written:
		return err
	default:
		o.isStuck = true
		return context.Cause(o.over)
	}
}

func (o *Outlet) hasGivenUp() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.isStuck
}

// writeFile may block until the process ends.
func (o *Outlet) writeFile(text []byte, isDrawn bool, written chan<- error) {
	o.turn.Lock()
	defer o.turn.Unlock()
	isDrawn = isDrawn && len(text) > 0
	if o.isDrawn || isDrawn {
		text = append([]byte("\r"+EraseLine), text...)
	}
	o.isDrawn = isDrawn
	var err error
	if len(text) > 0 { // else there was no line to erase
		_, err = o.file.Write(text)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.isStuck = false
	written <- err
}

// maxHeld is how many bytes a holder keeps.
const maxHeld = 64 << 10

// holder keeps text while another program has the terminal, the last of it if it is too much.
type holder struct {
	mu     sync.Mutex // guards what follows
	isOn   bool
	text   []byte
	hasCut bool
}

func (h *holder) begin() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.isOn = true
}

// keep reports whether it has kept text.
func (h *holder) keep(text []byte) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.isOn {
		return false
	}
	h.text = append(h.text, text...)
	if excess := len(h.text) - maxHeld; excess > 0 {
		h.text, h.hasCut = slices.Delete(h.text, 0, excess), true
	}
	return true
}

// end returns the text that was kept.
func (h *holder) end() []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	text, hasCut := h.text, h.hasCut
	h.isOn, h.text, h.hasCut = false, nil, false
	if hasCut {
		_, text, _ = bytes.Cut(text, []byte("\n"))
		text = append([]byte("chaim: more was said before, which --log-file keeps\n"), text...)
	}
	return text
}
