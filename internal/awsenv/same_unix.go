//go:build unix

package awsenv

// same reports whether two names name the same variable.
func same(a, b string) bool { return a == b }
