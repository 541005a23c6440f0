package main

import (
	"cmp"
	"fmt"
	"os"
	"strings"

	"github.com/chaim-go/chaim/internal/awsenv"
	"github.com/chaim-go/chaim/internal/inifile"
)

// checkEnvironment looks for variables that lead programs past the profiles of chaim. "chaim exec" does not pass them on.
func (c *checkup) checkEnvironment(f awsFiles) {
	const name = "environment"
	found := awsenv.Keys(os.Environ())
	if len(found) > 0 {
		c.warn(name, strings.Join(found, ", ")+" may win over profiles, or go with keys of another account, in programs that chaim does not start",
			"unset "+strings.Join(found, " "))
		return
	}
	profile := cmp.Or(os.Getenv("AWS_PROFILE"), os.Getenv("AWS_DEFAULT_PROFILE"))
	switch {
	case profile == "":
		c.ok(name, "no variable wins over the profiles")
	case profile != inifile.DefaultSection && !hasProfile(f, profile):
		c.warn(name, fmt.Sprintf("there is no profile %q, which AWS_PROFILE or AWS_DEFAULT_PROFILE names", profile),
			"unset AWS_PROFILE AWS_DEFAULT_PROFILE")
	default:
		c.ok(name, "programs that name no profile use %q", profile)
	}
}

// hasProfile reports whether one of the two files has a profile.
func hasProfile(f awsFiles, profile string) bool {
	for _, s := range inifile.Parse(f.doc).Sections() {
		if s.Name() == profile {
			return true
		}
	}
	for _, s := range inifile.Parse(f.config).Sections() {
		if fields := strings.Fields(s.Name()); len(fields) == 2 && fields[0] == "profile" && strings.Trim(fields[1], `"'`) == profile {
			return true
		}
	}
	return false
}

// checkProcess looks at what protects this process, and at the terminal.
func (c *checkup) checkProcess(a *app) {
	if err := forbidCoreDumps(); err != nil {
		c.warn("core dumps", fmt.Sprintf("cannot be switched off: %v", err),
			"switch them off with 'ulimit -c 0': they would hold keys")
	} else {
		c.ok("core dumps", "are off for this program")
	}
	switch {
	case !isTerminal(a.out):
		c.ok("terminal", "stdout is none: no colors and no bars")
	case !hasColors(a.out):
		c.ok("terminal", "without colors, as NO_COLOR or TERM says")
	default:
		c.ok("terminal", "with colors")
	}
}
