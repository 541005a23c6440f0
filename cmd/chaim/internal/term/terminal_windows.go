package term

import (
	"os"
	"time"

	"golang.org/x/sys/windows"
)

// Open opens the console of this process, even if its streams lead elsewhere.
func Open() (own Own, err error) {
	if own.In, err = os.OpenFile("CONIN$", os.O_RDWR, 0); err != nil {
		return own, err
	}
	if own.Out, err = os.OpenFile("CONOUT$", os.O_RDWR, 0); err != nil {
		_ = own.In.Close()
	}
	return own, err
}

// takesEscapes asks the console to obey escape sequences, which it does not do by itself.
// https://learn.microsoft.com/windows/console/console-virtual-terminal-sequences
func takesEscapes(f Descriptor) bool {
	var mode uint32
	console := windows.Handle(f.Fd())
	return os.Getenv("TERM") != "dumb" && windows.GetConsoleMode(console, &mode) == nil &&
		windows.SetConsoleMode(console, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) == nil
}

// SpeaksUTF8 is true, as Go writes UTF-16 to a console.
func SpeaksUTF8() bool { return true }

// HasInput is false: a console does not tell lines from other events.
func HasInput(*os.File, time.Duration) bool { return false }

// ReadWithin reads from a console, and waits at most that long for input. Without input it returns nothing. Other events,
// such as a new size, make it wait for a key.
func ReadWithin(console *os.File, wait time.Duration) ([]byte, error) {
	event, err := windows.WaitForSingleObject(windows.Handle(console.Fd()), uint32(wait/time.Millisecond))
	if err != nil || event != windows.WAIT_OBJECT_0 {
		return nil, err
	}
	return readOnce(console)
}

// DropInput discards what was typed into a console and not yet read.
func DropInput(console *os.File) error {
	return windows.FlushConsoleInputBuffer(windows.Handle(console.Fd()))
}
