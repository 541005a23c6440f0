package awsenv

import "strings"

// same reports whether two names are those of one variable.
func same(a, b string) bool { return strings.EqualFold(a, b) }
