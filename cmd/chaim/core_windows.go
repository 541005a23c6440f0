package main

// forbidCoreDumps does nothing: Windows writes dumps only where they were asked for, and keeps them from other users.
func forbidCoreDumps() error { return nil }
