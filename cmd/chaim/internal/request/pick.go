package request

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/picker"
	"github.com/chaim-go/chaim/cmd/chaim/internal/proc"
	"github.com/chaim-go/chaim/cmd/chaim/internal/term"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/profiles"
)

// TakeOrPick is TakeArgs, except that a person on a terminal picks the account if none is given. A picked account counts
// like a typed one.
func (r *Request) TakeOrPick(cmd *cobra.Command, args []string) (account string, err error) {
	if len(args) > 0 || r.Source.Profile != "" || r.sts.given() != "" || !r.App.CanPick() { // no account of STS has a name
		return r.TakeArgs(cmd, args)
	}
	if err := cmp.Or(r.checkRole(""), CheckGiven(cmd)); err != nil {
		return "", err
	}
	account, err = r.pickAccount(cmd.Context())
	if errors.Is(err, chaim.ErrNotConfigured) { // no list, so it must be typed
		return r.TakeArgs(cmd, args)
	}
	return account, err
}

// pickAccount lets the person pick an account, and then a role if there is a choice.
func (r *Request) pickAccount(ctx context.Context) (name string, err error) {
	known, err := r.List(ctx)
	switch {
	case err != nil:
		return "", err
	case len(known) == 0:
		return "", errors.New("chaim: there is no account to pick")
	}
	if !r.Source.IsProfile {
		slices.SortStableFunc(known, cli.ByName)
	}
	about := func(a chaim.Account) string { return a.ID }
	if r.Source.IsProfile {
		about = aboutProfile()
	}
	i, err := r.pick(ctx, "Which account?", accountRows(known, about))
	if err != nil {
		return "", err
	}
	picked := known[i]
	if r.Source.IsProfile {
		r.Source.Profile = picked.Name
		return picked.Name, nil
	}
	name = picked.Name
	if isTwin := len(cli.Twins(known, known[i:i+1])) > 0; isTwin || name == "" {
		name = picked.ID
	}
	if keys.IsAccountID(picked.ID) && name != picked.ID {
		r.AccountID = picked.ID
	}
	if r.Role == "" {
		err = r.pickRole(ctx, picked)
	}
	return name, err
}

// aboutProfile returns a function that says which account and role a profile of the AWS config file is for, if the file
// tells.
func aboutProfile() func(chaim.Account) string {
	files, _ := profiles.AWSFiles{}.Profiles()
	return func(a chaim.Account) string {
		chain, err := files.Chain(a.Name)
		if err != nil {
			return "unusable"
		}
		return fmt.Sprintf("%-12s  %s", chain.AccountID(), chain.RoleName())
	}
}

// accountRows returns a row for each account. A very long name does not widen the column.
func accountRows(accounts []chaim.Account, about func(chaim.Account) string) (rows []string) {
	const widest = 40
	width := 0
	for _, account := range accounts {
		if length := utf8.RuneCountInString(shown(account.Name)); length <= widest {
			width = max(width, length)
		}
	}
	for _, account := range accounts {
		row := fmt.Sprintf("%-*s  %s", width, shown(account.Name), shown(about(account)))
		rows = append(rows, strings.TrimRight(row, " "))
	}
	return rows
}

// pick lets the person pick a row. Without a choice chaim ends as after Ctrl-C.
func (r *Request) pick(ctx context.Context, question string, rows []string) (int, error) {
	i, err := picker.Pick(ctx, r.App.In, r.App.Err, question, rows)
	if errors.Is(err, picker.ErrLeft) {
		return 0, proc.Exit(proc.Signaled + int(syscall.SIGINT))
	}
	return i, err
}

// shown is a name in a list.
func shown(name string) string {
	if term.SpeaksUTF8() {
		return term.Harmless(name)
	}
	return term.Quoted(strings.ToValidUTF8(name, "?"))
}
