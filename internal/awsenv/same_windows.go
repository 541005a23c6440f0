package awsenv

import "strings"

// same reports whether two names name the same variable.
func same(a, b string) bool { return strings.EqualFold(a, b) }
