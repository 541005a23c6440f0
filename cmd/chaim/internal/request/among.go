package request

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/organization"
	"github.com/chaim-go/chaim/cmd/chaim/internal/term"
	"github.com/chaim-go/chaim/internal/awssts"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/profiles"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// Among has the flags that choose the accounts of a list, in place of a gateway or an Identity Center.
type Among struct {
	file           string
	ids            []string
	inOrganization bool
	inConfig       bool
}

// AddFlags gives cmd the flags. isLong adds those that name accounts one by one.
func (m *Among) AddFlags(cmd *cobra.Command, isLong bool) {
	f := cmd.Flags()
	f.BoolVar(&m.inOrganization, "organization", false, "take the accounts of your AWS organisation, as AWS Organizations lists them")
	f.BoolVar(&m.inConfig, "profiles", false, "take the profiles of the AWS config file, whatever else lists accounts")
	cmd.MarkFlagsMutuallyExclusive("organization", "profiles")
	if !isLong {
		return
	}
	f.StringVar(&m.file, "accounts", "", "take the accounts in `FILE`, or - for the standard input: an id and a name on each line")
	f.StringSliceVar(&m.ids, "account", nil, "take the accounts with these `ID`s, with commas between them")
	cmd.MarkFlagsMutuallyExclusive("accounts", "account", "organization", "profiles")
}

func (m *Among) isGiven() bool {
	return m.file != "" || len(m.ids) > 0 || m.inOrganization || m.inConfig
}

// list returns the accounts that the flags choose.
func (m *Among) list(ctx context.Context, r *Request, g giver) (known []chaim.Account, err error) {
	r.Source.isSTS = m.inOrganization || !m.inConfig && !g.listsAccounts() && r.codeProfile() != ""
	switch {
	case m.inConfig:
		r.Source.IsProfile = true
		return chaim.Profiles{}.Accounts(ctx)
	case m.inOrganization:
		return m.organization(ctx, r)
	case m.file == "-":
		text, err := term.Await(ctx, func() (string, error) {
			text, err := io.ReadAll(r.App.In)
			return string(text), err
		})
		if err != nil {
			return nil, errtext.Wrap(err, "--accounts -")
		}
		return parseAccounts("the standard input", []byte(text))
	case m.file != "":
		text, _, err := sharedfile.ReadInput(ctx, m.file)
		if err != nil {
			return nil, errtext.Wrap(err, "--accounts")
		}
		return parseAccounts(m.file, text)
	}
	for _, id := range m.ids {
		if !keys.IsAccountID(id) {
			return nil, cli.Usagef("--account takes 12-digit ids, not %q", id)
		}
		known = append(known, chaim.Account{ID: id})
	}
	return known, nil
}

// organization asks AWS Organizations.
func (m *Among) organization(ctx context.Context, r *Request) (known []chaim.Account, err error) {
	o := awssts.Options{Region: r.Region, AllowInsecure: r.Insecure, Log: r.App.Log, Files: profiles.AWSFiles{}}
	members, err := organization.Members(ctx, o, r.Signer())
	if err != nil {
		return nil, err
	}
	for _, member := range members {
		if !member.IsActive() {
			r.App.Say("account %s (%s) is left out: it is %s", keys.Printable(member.Name), keys.Printable(member.ID), keys.Printable(strings.ToLower(member.State)))
			continue
		}
		known = append(known, member.Account)
	}
	return known, nil
}

// parseAccounts reads a list of accounts. A line has the id, and after a blank the name; # begins a comment.
func parseAccounts(where string, text []byte) (known []chaim.Account, err error) {
	number := 0
	for line := range bytes.Lines(text) {
		number++
		before, _, _ := strings.Cut(string(line), "#")
		fields := strings.Fields(before)
		if len(fields) == 0 {
			continue
		}
		account := chaim.Account{ID: fields[0], Name: strings.Join(fields[1:], " ")}
		if !keys.IsAccountID(account.ID) {
			return nil, fmt.Errorf("chaim: %s, line %d: %s is not the 12-digit id of an account", where, number, keys.QuoteShort(account.ID))
		}
		known = append(known, account)
	}
	if len(known) == 0 {
		return nil, errors.New("chaim: " + where + " has no accounts")
	}
	return known, nil
}
