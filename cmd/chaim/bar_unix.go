//go:build unix

package main

import (
	"cmp"
	"os"
	"strings"
)

func takesEscapes(descriptor) bool { return cmp.Or(os.Getenv("TERM"), "dumb") != "dumb" }

// speaksUTF8 reports whether a terminal shows characters outside ASCII, by the locale for characters:
// https://pubs.opengroup.org/onlinepubs/9799919799/basedefs/V1_chap08.html
func speaksUTF8() bool {
	locale := cmp.Or(os.Getenv("LC_ALL"), os.Getenv("LC_CTYPE"), os.Getenv("LANG"))
	return strings.HasSuffix(strings.ReplaceAll(strings.ToLower(locale), "-", ""), "utf8")
}
