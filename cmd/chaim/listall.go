package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/keys"
)

func (a *app) listAllCommand() *cobra.Command {
	var insecure, asJSON bool
	cmd := &cobra.Command{
		Use:        "listall [GLOB] [flags]",
		SuggestFor: []string{"accounts"},
		GroupID:    groupProfiles,
		Short:      "List the accounts that the gateway knows",
		Long: `listall prints the id and the name of each account that the gateway knows, sorted by name: all of them, or those of
which the name or the id matches GLOB. In it * stands for any characters, ? for one, and [a-z] for one of them.
Without --json a line on stderr tells which of them have a name that another account has too, whatever its case.`,
		Example:           "  chaim listall\n  chaim listall 'team-*'\n  chaim listall --json",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				if args[0] == "" {
					return usageError{"the pattern is empty; usage: " + cmd.UseLine()}
				}
				if _, err := chaim.FilterAccounts(nil, args[0]); err != nil {
					return usageError{errtext.Unprefixed(err)}
				}
			}
			return a.withClient(chaim.Options{NoProfile: true, AllowInsecure: insecure}, func(c *chaim.Client) error {
				accounts, err := c.RequestList(cmd.Context())
				if err != nil {
					return err
				}
				shown := accounts
				if len(args) == 1 {
					if shown, err = chaim.FilterAccounts(accounts, args[0]); err != nil {
						return err
					}
				}
				same := twins(accounts, shown)
				switch {
				case asJSON:
				case len(shown) == 0:
					a.say("%s", noAccount(args))
				case len(same) > 0:
					a.say("%s; %s", tellTwins(same), askByID)
				}
				return a.listAccounts(shown, asJSON)
			})
		},
	}
	addInsecureFlag(cmd, &insecure)
	addJSONFlag(cmd, &asJSON)
	return cmd
}

// noAccount says that there is none, or none that matches what was asked for.
func noAccount(args []string) string {
	switch {
	case len(args) == 0:
		return "the gateway knows no accounts"
	case strings.ContainsAny(args[0], `*?[\`):
		return fmt.Sprintf("the gateway knows no account that matches %q", args[0])
	}
	return fmt.Sprintf("the gateway knows no account %q; those with that in their name match %q", args[0], "*"+args[0]+"*")
}

// accountInfo is what listall --json prints of an account.
type accountInfo struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

func (a *app) listAccounts(accounts []chaim.Account, asJSON bool) error {
	slices.SortFunc(accounts, byName)
	if asJSON {
		infos := []accountInfo{}
		for _, account := range accounts {
			infos = append(infos, accountInfo(account))
		}
		return writeJSON(a.out, infos)
	}
	var rows [][]cell
	for _, account := range accounts {
		rows = append(rows, []cell{{text: keys.Printable(account.ID)}, {text: keys.Printable(account.Name)}})
	}
	return writeLines(a.out, drawing{}.align(rows))
}

func (a *app) listParkCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "listpark [flags]",
		GroupID: groupProfiles,
		Short:   "List the profiles that are parked",
		Long:    "listpark prints the names of the profiles that 'chaim park' has put aside, sorted. No server is asked.",
		Example: "  chaim listpark\n  chaim listpark | xargs -r chaim unpark",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withFiles(func(c *chaim.Client) error {
				names, err := c.ListParkAccounts(cmd.Context())
				switch {
				case err != nil:
					return err
				case len(names) == 0 && !asJSON:
					a.say("no profiles are parked")
				}
				if asJSON {
					return writeJSON(a.out, append([]string{}, names...))
				}
				var lines []string
				for _, name := range names {
					lines = append(lines, keys.Printable(name))
				}
				return writeLines(a.out, lines)
			})
		},
	}
	addJSONFlag(cmd, &asJSON)
	return cmd
}
