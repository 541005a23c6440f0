package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/companion"
	"github.com/chaim-go/chaim/cmd/chaim/internal/console"
	"github.com/chaim-go/chaim/cmd/chaim/internal/doctor"
	"github.com/chaim-go/chaim/cmd/chaim/internal/each"
	"github.com/chaim-go/chaim/cmd/chaim/internal/lend"
	"github.com/chaim-go/chaim/cmd/chaim/internal/login"
	"github.com/chaim-go/chaim/cmd/chaim/internal/manage"
	"github.com/chaim-go/chaim/cmd/chaim/internal/setup"
)

// group makes the commands of these names.
type group struct {
	names []string
	make  func(*cli.App) []*cobra.Command
}

var groups = []group{
	{[]string{"exec", "env", "serve", "credential-process"}, lend.Commands},
	{[]string{"each"}, one(each.Command)},
	{[]string{"account", "get", "list", "listall", "listpark", "renew", "park", "unpark", "delete", "rm", "sweep", "clean"}, manage.Commands},
	{[]string{"url", "gui", "console", "gso"}, console.Commands},
	{[]string{"login", "logout"}, login.Commands},
	{[]string{"doctor"}, one(doctor.Command)},
	{[]string{"gateway"}, one(companion.Command)},
	{[]string{"init", "whoami", "demo", "version"}, func(a *cli.App) []*cobra.Command { return setup.Commands(a, version) }},
}

// one makes a group of one command.
func one(make func(*cli.App) *cobra.Command) func(*cli.App) []*cobra.Command {
	return func(a *cli.App) []*cobra.Command { return []*cobra.Command{make(a)} }
}

// commands makes the commands of the group that the command line names, or else all: making all takes longer than some of
// them.
func commands(a *cli.App) (made []*cobra.Command) {
	name := calledName(a.Args)
	for _, g := range groups {
		if slices.Contains(g.names, name) {
			return g.make(a)
		}
		made = append(made, g.make(a)...)
	}
	return made
}

// calledName is the first argument, which is a command unless it is a flag. If a shell asks for completions of the words
// after a command, it is that command.
func calledName(args []string) string {
	if isCompletion(args) && len(args) > 2 {
		args = args[1:]
	}
	switch {
	case len(args) == 0:
		return ""
	case args[0] == "completion":
		return "version" // cobra makes this command itself, but only beside another
	}
	return args[0]
}

// mayOfferSignIn reports whether the command may ask a person to sign in to the gateway and go on. The others say
// themselves that a session has ended, or run without a person.
func mayOfferSignIn(args []string) bool {
	return !onlyPrints(args) && !slices.Contains([]string{"login", "logout", "init", "doctor", "credential-process", "gateway", "demo"}, calledName(args))
}

// isCompletion reports whether a shell asks for completions.
func isCompletion(args []string) bool {
	return len(args) > 0 && strings.HasPrefix(args[0], cobra.ShellCompRequestCmd)
}

// onlyPrints reports whether the command changes nothing, so that a signal may end it at any time. To take signals costs
// more time than such a command.
func onlyPrints(args []string) bool {
	return isCompletion(args) || len(args) > 0 && slices.Contains([]string{"version", "--version", "completion"}, args[0])
}
