package request

import (
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/internal/lazyregexp"
	"github.com/chaim-go/chaim/internal/partition"
)

// The completions below look at the profiles that are held or parked. They ask no server.

// CompleteArgs completes "ACCOUNT [ROLE]".
func CompleteArgs(a *cli.App) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		switch {
		case slices.Contains(os.Args, "--"): // cobra adds one itself, which makes ArgsLenAtDash useless here
			return nil, cobra.ShellCompDirectiveDefault
		case len(args) == 0:
			found := completions(a, cmd, func(p chaim.Profile) []string { return []string{p.Account, p.Name} })
			return plain(found), cobra.ShellCompDirectiveNoFileComp
		case len(args) == 1:
			return CompleteRoles(a)(cmd, args, "")
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
}

// CompleteAccounts completes the names of accounts.
func CompleteAccounts(a *cli.App) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		found := completions(a, cmd, func(p chaim.Profile) []string { return []string{p.Account} })
		return plain(found), cobra.ShellCompDirectiveNoFileComp
	}
}

// CompleteRoles completes a role.
func CompleteRoles(a *cli.App) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		roles := completions(a, cmd, func(p chaim.Profile) []string { return []string{p.Role} })
		return plain(append(roles, cli.CommonRoles...)), cobra.ShellCompDirectiveNoFileComp
	}
}

// CompleteRegions completes the known regions of AWS.
func CompleteRegions(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return partition.Regions(), cobra.ShellCompDirectiveNoFileComp
}

// CompleteProfiles completes any number of profiles: held ones, parked ones, or both.
func CompleteProfiles(a *cli.App, held, parked bool) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
		reading(a, func(c *chaim.Client) { names = Names(cmd.Context(), c, held, parked) })
		names = slices.DeleteFunc(plain(names), func(name string) bool { return slices.Contains(args, name) })
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// completions returns the given fields of each profile that is held.
func completions(a *cli.App, cmd *cobra.Command, fields func(chaim.Profile) []string) (found []string) {
	reading(a, func(c *chaim.Client) {
		for _, p := range heldBy(cmd.Context(), c) {
			found = append(found, fields(p)...)
		}
	})
	return found
}

// reading calls fn with a client that changes no file: a signal may end a completion at any time. An error completes nothing.
func reading(a *cli.App, fn func(*chaim.Client)) {
	_ = a.Quiet().Client(chaim.Options{NoProfile: true, ReadOnly: true}, func(c *chaim.Client) error {
		fn(c)
		return nil
	})
}

// plainWord is a word that means itself in all shells. bash inserts the common beginning of suggestions without quotes, and the
// name of an account must not become a command.
var plainWord = lazyregexp.New(`^[A-Za-z0-9_.@:+/,%][A-Za-z0-9_.@:+/,=%-]*$`)

// plain returns the plain words of texts, sorted, each once.
func plain(texts []string) []string {
	slices.Sort(texts)
	return slices.DeleteFunc(slices.Compact(texts), func(text string) bool { return !plainWord().MatchString(text) })
}
