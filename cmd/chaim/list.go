package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/internal/humantime"
	"github.com/chaim-go/chaim/internal/keys"
)

func (a *app) listCommand() *cobra.Command {
	var asJSON, isWatching bool
	cmd := &cobra.Command{
		Use:        "list [flags]",
		SuggestFor: []string{"ls", "profiles"},
		GroupID:    groupProfiles,
		Short:      "List the profiles that are held, and how much of their time is left",
		Long: `list shows the profiles of the credentials file that have an account: after an asterisk the default account, when
each expires, and whether it is live (a program that uses it may still run), kept (until it expires), expired, or dead (its
program has died, and what it left cannot be removed). No server is asked. A terminal that is too narrow shows fewer columns.

--watch draws the list anew each second, on a terminal, until Ctrl-C.`,
		Example: "  chaim list\n  chaim list --watch\n  chaim list --json | jq -r '.[] | select(.state == \"kept\") | .name'",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if isWatching && !canDraw(a.out) {
				return usageError{"--watch draws on a terminal, which stdout is not"}
			}
			return a.withFiles(func(c *chaim.Client) error {
				if isWatching {
					a.err.hold()
					return watch(cmd.Context(), a.out, func() ([]string, error) { return a.table(cmd.Context(), c) })
				}
				return a.list(cmd.Context(), c, asJSON)
			})
		},
	}
	cmd.Flags().BoolVarP(&isWatching, "watch", "w", false, "draw the list anew each second")
	addJSONFlag(cmd, &asJSON)
	cmd.MarkFlagsMutuallyExclusive("watch", "json")
	return cmd
}

// stateOf is live, dead, expired or kept.
func stateOf(p chaim.Profile) string {
	switch {
	case p.Live:
		return "live"
	case p.Dead:
		return "dead"
	case !p.Expires.IsZero() && p.Left() == 0:
		return "expired"
	}
	return "kept"
}

// heldInfo is what list --json prints of a profile.
type heldInfo struct {
	profileInfo
	Default     bool   `json:"default"`
	State       string `json:"state"`
	Form        string `json:"form"`             // keys or process
	Duration    int    `json:"duration_seconds"` // as asked for; zero where that is unknown
	Left        int    `json:"left_seconds"`
	LeftPercent int    `json:"left_percent"`
}

// list prints the profiles once.
func (a *app) list(ctx context.Context, c *chaim.Client, asJSON bool) error {
	if !asJSON {
		lines, err := a.table(ctx, c)
		if err != nil {
			return err
		}
		if len(lines) == 0 {
			a.say("no profiles are held")
		}
		return writeLines(a.out, lines)
	}
	profiles, err := c.MyAccountList(ctx)
	if err != nil {
		return err
	}
	infos := []heldInfo{}
	for _, p := range profiles {
		form := "keys"
		if p.Form == chaim.Process {
			form = "process"
		}
		infos = append(infos, heldInfo{
			describe(p), p.Default, stateOf(p), form,
			int(p.Duration / time.Second), int(p.Left() / time.Second), p.Percent(),
		})
	}
	return writeJSON(a.out, infos)
}

// table returns the lines of the table of profiles for people: none where no profiles are held.
func (a *app) table(ctx context.Context, c *chaim.Client) ([]string, error) {
	profiles, err := c.MyAccountList(ctx)
	if err != nil || len(profiles) == 0 {
		return nil, err
	}
	d := drawing{hasBlocks: canDraw(a.out) && speaksUTF8(), hasColors: hasColors(a.out)}
	if isTerminal(a.out) {
		d.width = widthOf(a.out)
	}
	return layOut(profiles, time.Now(), d), nil
}

// The columns of the table, in their order.
const (
	columnProfile = iota
	columnAccount
	columnRole
	columnRegion
	columnLeft
	columnExpires
	columnState
)

func layOut(profiles []chaim.Profile, now time.Time, d drawing) []string {
	rows := make([][]cell, 1)
	for _, title := range []string{"  PROFILE", "ACCOUNT", "ROLE", "REGION", "LEFT", "EXPIRES", "STATE"} {
		rows[0] = append(rows[0], cell{title, bold})
	}
	for _, p := range profiles {
		mark := "  "
		if p.Default {
			mark = "* "
		}
		bar, urgency := d.bar(p)
		state := cell{text: stateOf(p)}
		switch state.text {
		case "live":
			state.color = green
		case "expired":
			state.color = yellow
		case "dead":
			state.color = red
		}
		rows = append(rows, []cell{
			columnProfile: {text: mark + keys.Printable(p.Name)},
			columnAccount: {text: keys.Printable(p.Account)},
			columnRole:    {text: keys.Printable(p.Role)},
			columnRegion:  {text: keys.Printable(p.Region)},
			columnLeft:    {bar, urgency},
			columnExpires: {text: humantime.Short(p.Expires, now)},
			columnState:   state,
		})
	}
	return d.align(d.narrow(profiles, rows))
}

// narrow leaves out columns of the table of profiles until it fits, first what another column tells too.
func (d drawing) narrow(profiles []chaim.Profile, rows [][]cell) [][]cell {
	order := []int{columnLeft, columnRegion, columnRole, columnAccount}
	if !slices.ContainsFunc(profiles, func(p chaim.Profile) bool { return profileOf(p.Account) != p.Name }) {
		order = []int{columnAccount, columnLeft, columnRegion, columnRole}
	}
	var dropped []int
	fewer := rows
	for d.isTooWide(fewer) && len(dropped) < len(order) {
		dropped = order[:len(dropped)+1]
		fewer = nil
		for _, row := range rows {
			var rest []cell
			for i, c := range row {
				if !slices.Contains(dropped, i) {
					rest = append(rest, c)
				}
			}
			fewer = append(fewer, rest)
		}
	}
	return fewer
}

// quoted is a text of unknown origin, quoted where it could do more than stand there.
func quoted(text string) string {
	if q := strconv.QuoteToASCII(text); q != `"`+text+`"` {
		return q
	}
	return text
}

func writeLines(w io.Writer, lines []string) error {
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(line + "\n")
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("chaim: %w", err)
	}
	return nil
}
