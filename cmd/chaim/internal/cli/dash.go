package cli

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim/cmd/chaim/internal/term"
	"github.com/chaim-go/chaim/internal/errtext"
)

// SplitAtDash returns the arguments before -- and after it. Without -- after is nil.
func SplitAtDash(cmd *cobra.Command, args []string) (before, after []string) {
	if n := cmd.ArgsLenAtDash(); n >= 0 {
		return args[:n], args[n:]
	}
	return args, nil
}

// MissingDash is the error for a program without -- before it, which begins at args[at].
func (a *App) MissingDash(args []string, at int) error {
	text := fmt.Sprintf("%q looks like a program: put -- before it: %s", args[at], a.withDash(args, at))
	if at == 1 {
		text += "; for a role of that name, write --role"
	}
	return Usage(text)
}

// withDash is the command line with -- before args[at].
func (a *App) withDash(args []string, at int) string {
	line, from := slices.Clone(a.Args), 0
	for _, word := range args[:at+1] {
		from += slices.Index(line[from:], word) + 1
	}
	line = slices.Insert(line, max(from-1, 0), "--")
	return commandLine(line)
}

// commandLine is a command line to show.
func commandLine(args []string) string {
	line := []string{"chaim"}
	for _, word := range args {
		line = append(line, term.Quoted(word))
	}
	return strings.Join(line, " ")
}

// CheckDash refuses a program without --, and a -- before the account. A program after -- needs no account before it if a
// person can pick one, or if a flag names a profile.
func (a *App) CheckDash(cmd *cobra.Command, args []string, hasProfile, hasRole bool) error {
	before, program := SplitAtDash(cmd, args)
	switch {
	case hasProfile && program == nil && len(before) > 0 && isProgram(before[0]):
		return a.MissingDash(args, 0)
	case hasProfile:
		return nil
	case len(before) == 0 && len(program) > 1 && !(a.CanPick() && isProgram(program[0])):
		line := slices.Clone(a.Args)
		dash := slices.Index(line, "--")
		line[dash], line[dash+1] = line[dash+1], line[dash]
		return Usage("-- came too early, before the account: " + commandLine(line))
	case program != nil || len(args) < 2:
		return nil
	case hasRole && !slices.Contains(CommonRoles, args[1]), isProgram(args[1]):
		return a.MissingDash(args, 1)
	case len(args) > 2:
		return a.MissingDash(args, 2)
	}
	return nil
}

// isProgram reports whether a word is a program rather than a role.
func isProgram(word string) bool {
	_, err := exec.LookPath(word)
	return err == nil || strings.HasPrefix(word, ".") || strings.HasPrefix(word, "/")
}

// ExplainFlags explains an unknown flag after at least min arguments: it may belong to a program without -- before it.
func ExplainFlags(min int) func(*cobra.Command, error) error {
	return func(cmd *cobra.Command, err error) error {
		err = PlainFlags(cmd, err)
		before := cmd.Flags().Args() // as far as they were read
		if len(before) < min || cmd.ArgsLenAtDash() >= 0 {
			return err
		}
		at := min - 1
		if at > 0 && len(before) > 2 && !isProgram(before[at]) {
			at++
		}
		return errtext.Chain(fmt.Sprintf("%s; if that is a flag of %q, put -- before the program", errtext.Unprefixed(err), before[at]), err)
	}
}
