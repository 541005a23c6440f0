//go:build unix

package term

import (
	"cmp"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Open opens the terminal of this process, even if its streams lead elsewhere.
func Open() (Own, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	return Own{tty, tty}, err
}

func takesEscapes(Descriptor) bool { return cmp.Or(os.Getenv("TERM"), "dumb") != "dumb" }

// SpeaksUTF8 reports whether a terminal shows characters outside ASCII, by the locale for characters:
// https://pubs.opengroup.org/onlinepubs/9799919799/basedefs/V1_chap08.html
func SpeaksUTF8() bool {
	locale := cmp.Or(os.Getenv("LC_ALL"), os.Getenv("LC_CTYPE"), os.Getenv("LANG"))
	return strings.HasSuffix(strings.ReplaceAll(strings.ToLower(locale), "-", ""), "utf8")
}

// HasInput reports whether a terminal has a line to read, now or within wait.
func HasInput(terminal *os.File, wait time.Duration) bool {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(terminal.Fd()), Events: unix.POLLIN}}, int(wait/time.Millisecond))
	return n > 0 && err == nil
}

// ReadWithin reads from a terminal, and waits at most that long for input. Without input it returns nothing.
func ReadWithin(terminal *os.File, wait time.Duration) ([]byte, error) {
	if !HasInput(terminal, wait) {
		return nil, nil
	}
	return readOnce(terminal)
}
