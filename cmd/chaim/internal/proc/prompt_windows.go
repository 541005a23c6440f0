package proc

// hasPrompt is false: a console does not tell which of its programs draws.
func hasPrompt(int, uintptr) bool { return false }

// FromBackground calls fn.
func FromBackground(fn func()) { fn() }
