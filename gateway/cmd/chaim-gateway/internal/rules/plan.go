package rules

import (
	"fmt"
	"strings"

	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/cli"
	"github.com/chaim-go/chaim/gateway/policy"
)

// planInfo is a plan as it is printed as JSON.
type planInfo struct {
	Head     int64        `json:"head"` // the version that it was compared with
	Added    int          `json:"added"`
	Removed  int          `json:"removed"`
	Changed  int          `json:"changed"`
	Changes  []changeInfo `json:"changes"`
	Warnings []string     `json:"warnings,omitempty"`
}

// changeInfo is the same change for several people and accounts.
type changeInfo struct {
	Kind     policy.Kind `json:"kind"`
	Role     string      `json:"role"`
	People   []string    `json:"people"`
	Accounts []string    `json:"accounts"` // names and ids
	Before   string      `json:"before"`
	After    string      `json:"after"`
}

func accountText(a policy.Account) string { return fmt.Sprintf("%s (%s)", a.Name, a.ID) }

// marks begin the lines of a plan.
var marks = map[policy.Kind]string{policy.Added: "+", policy.Removed: "-", policy.Changed: "~"}

// showPlan prints what a draft changes: each person, account and role.
func showPlan(a *cli.App, d *draft, isAll, asJSON bool) error {
	switch {
	case asJSON:
		return a.JSON(d.info())
	case d.diff.IsEmpty():
		a.Say("compared with version %d, no person gets or loses a role", d.head.Seq)
		return nil
	case isAll:
		if err := showAll(a, d.diff); err != nil {
			return err
		}
	default:
		for _, g := range d.diff.Groups() {
			if _, err := fmt.Fprintln(a.Out, groupText(g)); err != nil {
				return err
			}
		}
	}
	a.Say("compared with version %d, each person, account and role counted: %d added, %d removed, %d changed",
		d.head.Seq, d.diff.Count(policy.Added), d.diff.Count(policy.Removed), d.diff.Count(policy.Changed))
	for _, text := range d.diff.Alarms() {
		a.Say("WARNING: %s", text)
	}
	return nil
}

func (d *draft) info() planInfo {
	info := planInfo{
		d.head.Seq, d.diff.Count(policy.Added), d.diff.Count(policy.Removed), d.diff.Count(policy.Changed), []changeInfo{}, nil,
	}
	for _, g := range d.diff.Groups() {
		var accounts []string
		for account := range g.Accounts.All() {
			accounts = append(accounts, accountText(account))
		}
		info.Changes = append(info.Changes, changeInfo{g.Kind, g.Role, g.People, accounts, g.Before.String(), g.After.String()})
	}
	for _, w := range d.warnings {
		info.Warnings = append(info.Warnings, w.String())
	}
	info.Warnings = append(info.Warnings, d.diff.Alarms()...)
	return info
}

// groupText is a change for people. It names each person and account.
func groupText(g policy.ChangeGroup) string {
	var accounts []string
	for account := range g.Accounts.All() {
		accounts = append(accounts, accountText(account))
	}
	return fmt.Sprintf("%s %s in %s\n    for %s\n    %s", marks[g.Kind], g.Role, strings.Join(accounts, ", "), strings.Join(g.People, ", "),
		beforeAfter(g.Kind, g.Before, g.After))
}

func beforeAfter(kind policy.Kind, before, after policy.Rights) string {
	switch kind {
	case policy.Added:
		return after.String()
	case policy.Removed:
		return "was " + before.String()
	}
	return "was " + before.String() + "; now " + after.String()
}

// showAll prints a line for each person, account and role.
func showAll(a *cli.App, diff *policy.Diff) error {
	for c := range diff.All() {
		_, err := fmt.Fprintf(a.Out, "%s %s %s %s: %s\n", marks[c.Kind], c.Person, accountText(c.Account), c.Role, beforeAfter(c.Kind, c.Before, c.After))
		if err != nil {
			return err
		}
	}
	return nil
}
