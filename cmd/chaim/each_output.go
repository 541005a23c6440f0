package main

import (
	"io"
	"os"
	"os/exec"
	"sync"
)

const (
	heldWhileRunning = 64 << 10 // as much as a pipe of Linux holds
	heldAfterEnd     = 1 << 20
)

// output is stdout or stderr of a program, on its way to a Writer that may block for as long as a reader likes. While the
// program runs, it waits for that Writer, as a program does whose output is not read. When it has ended, the rest of its
// output is read into memory, so that its keys can be removed without waiting for a reader.
type output struct {
	r, w *os.File // a pipe, whose end w the program has
	to   io.Writer

	mu      sync.Mutex // guards what follows
	changed *sync.Cond
	held    []byte // was read and is still to be written
	writing int    // bytes that are being written
	most    int    // of both
	isRead  bool   // nothing more is read
	isCut   bool   // before the end of the output
	err     error  // of to

	read, written chan struct{} // closed when all was
}

// takeOutput gives the program a pipe in place of each Writer for its output that is not a file.
func takeOutput(cmd *exec.Cmd) (outputs []*output, err error) {
	for _, to := range []*io.Writer{&cmd.Stdout, &cmd.Stderr} {
		if _, isFile := (*to).(*os.File); isFile || *to == nil {
			continue
		}
		r, w, err := os.Pipe()
		if err != nil {
			closeAll(outputs)
			return nil, err
		}
		o := &output{r: r, w: w, to: *to, most: heldWhileRunning, read: make(chan struct{}), written: make(chan struct{})}
		o.changed = sync.NewCond(&o.mu)
		outputs = append(outputs, o)
		*to = w
	}
	return outputs, nil
}

// closeAll closes the pipes for a program that was not started.
func closeAll(outputs []*output) {
	for _, o := range outputs {
		_ = o.r.Close()
		_ = o.w.Close()
	}
}

// start begins to pass on what the program writes, now that it runs.
func (o *output) start() {
	_ = o.w.Close()
	go o.readAll()
	go o.writeAll()
}

func (o *output) readAll() {
	defer close(o.read)
	buffer := make([]byte, 32<<10)
	for isWanted := true; isWanted; {
		n, err := o.r.Read(buffer)
		isWanted = o.hold(buffer[:n]) && err == nil
	}
	_ = o.r.Close() // a program that still writes gets SIGPIPE
	o.mu.Lock()
	defer o.mu.Unlock()
	o.isRead = true
	o.changed.Broadcast()
}

// hold keeps text until it is written, and waits for room. It reports whether more is wanted.
func (o *output) hold(text []byte) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.held)+o.writing >= o.most && o.err == nil && !o.isCut {
		o.changed.Wait()
	}
	o.held = append(o.held, text...)
	o.changed.Broadcast()
	return o.err == nil && !o.isCut
}

func (o *output) writeAll() {
	defer close(o.written)
	var err error
	for text := o.next(); len(text) > 0 && err == nil; text = o.next() {
		_, err = o.to.Write(text)
	}
	if lines, hasRest := o.to.(*lineWriter); hasRest && err == nil {
		err = lines.flush()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.err = err
	o.changed.Broadcast()
}

// next waits for text to write. The text that it returned before is written by then. At the end there is none.
func (o *output) next() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.writing = 0
	o.changed.Broadcast()
	for len(o.held) == 0 && !o.isRead {
		o.changed.Wait()
	}
	text := o.held
	o.held, o.writing = nil, len(text)
	return text
}

// programEnded lets the rest be read without waiting for it to be written.
func (o *output) programEnded() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.most = heldAfterEnd
	o.changed.Broadcast()
}

// cut ends the reading, as a process that the program has left may keep its output open. It reports whether there may have
// been more to read.
func (o *output) cut() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.isRead {
		return false
	}
	o.isCut = true
	_ = o.r.Close()
	o.changed.Broadcast()
	return true
}
