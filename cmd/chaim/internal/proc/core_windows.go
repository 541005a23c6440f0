package proc

// ForbidCoreDumps does nothing: Windows writes dumps only if the user asked for them, and keeps them from other users.
func ForbidCoreDumps() error { return nil }
