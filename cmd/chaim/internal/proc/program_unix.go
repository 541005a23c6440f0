//go:build unix

package proc

// CheckWords accepts everything: a program gets its arguments as they are.
func CheckWords([]string) error { return nil }
