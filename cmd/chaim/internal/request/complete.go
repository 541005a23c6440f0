package request

import (
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/names"
	"github.com/chaim-go/chaim/internal/lazyregexp"
	"github.com/chaim-go/chaim/internal/partition"
	"github.com/chaim-go/chaim/internal/profiles"
)

// The completions below look at the profiles that are held or parked, the names that brokers have listed before, and the AWS
// config file. They ask no server.

// CompleteArgs completes "ACCOUNT [ROLE]".
func CompleteArgs(a *cli.App) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		switch {
		case slices.Contains(os.Args, "--"): // cobra adds one itself, which makes ArgsLenAtDash useless here
			return nil, cobra.ShellCompDirectiveDefault
		case len(args) == 0:
			return completeAccounts(a, cmd, func(p chaim.Profile) []string { return []string{p.Account, p.Name} })
		case len(args) == 1:
			return CompleteRoles(a)(cmd, args, "")
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
}

// CompleteAccounts completes the names of accounts.
func CompleteAccounts(a *cli.App) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return completeAccounts(a, cmd, func(p chaim.Profile) []string { return []string{p.Account} })
	}
}

// fields returns the words of a profile that can complete an argument.
type fields = func(chaim.Profile) []string

// completeAccounts completes all known accounts, and fields of the profiles that are held.
func completeAccounts(a *cli.App, cmd *cobra.Command, of fields) ([]string, cobra.ShellCompDirective) {
	var found, ids []string
	reading(a, func(c *chaim.Client) {
		for _, p := range heldBy(cmd.Context(), c) {
			found = append(found, of(p)...)
		}
		files, _ := profiles.AWSFiles{}.Profiles()
		found = append(found, files.Leading()...)
		if source, isLister := names.Of(cmd.Context(), c); isLister {
			var known []string
			known, ids = accountWords(source.Read())
			found = append(found, known...)
		}
	})
	return append(plain(found), ids...), cobra.ShellCompDirectiveNoFileComp
}

// accountWords returns the names of accounts. If a name is not a plain word, or if several accounts have it, it returns
// their ids instead, with the name as a description.
func accountWords(known names.Known) (words, ids []string) {
	count := map[string]int{}
	for _, account := range known.Accounts {
		count[account.Name]++
	}
	for _, account := range known.Accounts {
		switch {
		case plainWord().MatchString(account.Name) && count[account.Name] == 1:
			words = append(words, account.Name)
		case account.ID != "":
			name := cli.ProfileOf(account.Name) // none of its characters means anything to a shell
			ids = append(ids, strings.TrimSuffix(account.ID+"\t"+name, "\t"))
		}
	}
	return words, ids
}

// CompleteRoles completes a role: of the account or the profile that is given, or else of any account.
func CompleteRoles(a *cli.App) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) (roles []string, _ cobra.ShellCompDirective) {
		reading(a, func(c *chaim.Client) {
			var known names.Known
			if source, isLister := names.Of(cmd.Context(), c); isLister {
				known = source.Read()
			}
			if roles = known.Roles(); len(args) > 0 {
				account, isKnown := known.Find(args[0])
				if isKnown && !account.Asked.IsZero() {
					roles = account.Roles
					return
				}
				if role, isProfile := profileRole(args[0]); isProfile && !isKnown {
					roles = []string{role}
					return
				}
			}
			if len(roles) == 0 {
				roles = slices.Clone(cli.CommonRoles)
			}
			for _, p := range heldBy(cmd.Context(), c) {
				roles = append(roles, p.Role)
			}
		})
		return plain(roles), cobra.ShellCompDirectiveNoFileComp
	}
}

// profileRole returns the name of the role of a profile of the AWS config file, or "" if it has none.
func profileRole(name string) (role string, isProfile bool) {
	files, err := profiles.AWSFiles{}.Profiles()
	if err != nil || !files.Has(name) {
		return "", false
	}
	chain, err := files.Chain(name)
	return chain.RoleName(), err == nil
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

// reading calls fn with a client that changes no file, as a signal may end a completion at any time. The client must ask no
// server. An error completes nothing.
func reading(a *cli.App, fn func(*chaim.Client)) {
	_ = a.Quiet().Client(chaim.Options{NoProfile: true, ReadOnly: true, AllowInsecure: true}, func(c *chaim.Client) error {
		fn(c)
		return nil
	})
}

// plainWord is a word that means itself in all shells. bash inserts the common beginning of suggestions without quotes, and
// the name of an account must not become a command.
var plainWord = lazyregexp.New(`^[A-Za-z0-9_.@:+/,%][A-Za-z0-9_.@:+/,=%-]*$`)

// plain returns the plain words of texts, sorted, each once.
func plain(texts []string) []string {
	slices.Sort(texts)
	return slices.DeleteFunc(slices.Compact(texts), func(text string) bool { return !plainWord().MatchString(text) })
}
