package main

import (
	"os"

	"golang.org/x/sys/windows"
)

// takesEscapes asks the console to obey them, which it does not do by itself.
// https://learn.microsoft.com/windows/console/console-virtual-terminal-sequences
func takesEscapes(f descriptor) bool {
	var mode uint32
	console := windows.Handle(f.Fd())
	return os.Getenv("TERM") != "dumb" && windows.GetConsoleMode(console, &mode) == nil &&
		windows.SetConsoleMode(console, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) == nil
}

// speaksUTF8 is true, as Go writes UTF-16 to a console.
func speaksUTF8() bool { return true }
