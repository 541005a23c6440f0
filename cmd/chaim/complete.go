package main

import (
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/internal/lazyregexp"
	"github.com/chaim-go/chaim/internal/partition"
)

// completeAccountAndRole completes "ACCOUNT [ROLE]" by the profiles that are held, their accounts and roles. No server is asked.
func (a *app) completeAccountAndRole(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	switch {
	case slices.Contains(os.Args, "--"): // cobra adds one of its own, so that ArgsLenAtDash tells nothing here
		return nil, cobra.ShellCompDirectiveDefault
	case len(args) == 0:
		names, _ := a.completeProfiles(cmd, nil, "")
		return a.complete(cmd, names, func(p chaim.Profile) string { return p.Account })
	case len(args) == 1:
		return a.completeRoles(cmd, args, "")
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// commonRoles are the aliases that all gateways have.
var commonRoles = []string{"rro", "mpu", "spu", "apu"}

// completeRoles completes a role by the usual aliases and those of the profiles that are held.
func (a *app) completeRoles(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return a.complete(cmd, slices.Clone(commonRoles), func(p chaim.Profile) string { return p.Role })
}

// completeRegions completes the known regions of AWS.
func completeRegions(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return partition.Regions(), cobra.ShellCompDirectiveNoFileComp
}

// plainDescriptions takes the marks that name the value of a flag out of what shells show of it.
func plainDescriptions(cmd *cobra.Command) {
	plain := func(f *pflag.Flag) { f.Usage = strings.ReplaceAll(f.Usage, "`", "") }
	cmd.Flags().VisitAll(plain)
	cmd.PersistentFlags().VisitAll(plain)
	for _, below := range cmd.Commands() {
		plainDescriptions(below)
	}
}

// completeProfiles completes names of profiles that are held, any number of them.
func (a *app) completeProfiles(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	names, directive := a.complete(cmd, nil, func(p chaim.Profile) string { return p.Name })
	return without(names, args), directive
}

// completeParked completes names of profiles that are parked, any number of them.
func (a *app) completeParked(cmd *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
	_ = a.withFiles(func(c *chaim.Client) (err error) {
		names, err = c.ListParkAccounts(cmd.Context())
		return err
	})
	return without(suggestions(names), args), cobra.ShellCompDirectiveNoFileComp
}

// completeDeletable completes names of profiles, held or parked, any number of them.
func (a *app) completeDeletable(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	held, _ := a.completeProfiles(cmd, args, "")
	parked, directive := a.completeParked(cmd, args, "")
	return distinct(append(held, parked...)), directive
}

func (a *app) complete(cmd *cobra.Command, known []string, field func(chaim.Profile) string) ([]string, cobra.ShellCompDirective) {
	_ = a.withFiles(func(c *chaim.Client) error {
		profiles, err := c.MyAccountList(cmd.Context())
		for _, p := range profiles {
			known = append(known, field(p))
		}
		return err
	})
	return suggestions(known), cobra.ShellCompDirectiveNoFileComp
}

// plainWord is a word that means itself to all shells. bash inserts what several suggestions begin with unquoted, and the name
// of an account must not become a command.
var plainWord = lazyregexp.New(`^[A-Za-z0-9_.@:+/,%][A-Za-z0-9_.@:+/,=%-]*$`)

// suggestions are the texts that a shell may be given.
func suggestions(texts []string) []string {
	slices.Sort(texts)
	return slices.DeleteFunc(slices.Compact(texts), func(text string) bool { return !plainWord().MatchString(text) })
}

func without(names, args []string) []string {
	return slices.DeleteFunc(names, func(name string) bool { return slices.Contains(args, name) })
}
