//go:build unix && !linux && !darwin

package proc

// aloneInGroup is not known on these systems.
func aloneInGroup(int) (name string, isAlone bool) { return "", false }
