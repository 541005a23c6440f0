package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/internal/humantime"
	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

func (a *app) listCommand() *cobra.Command {
	var asJSON, isWatching bool
	cmd := &cobra.Command{
		Use:     "list [flags]",
		GroupID: groupProfiles,
		Short:   "List the profiles that are held, and how much of their time is left",
		Long: `list shows the profiles of the credentials file that have an account: after an asterisk the default account, when
each expires, and whether it is live (a program that uses it may still run), kept (until it expires), or dead (its
program has died, and what it left cannot be removed). Nobody is asked.

--watch draws the list anew each second, on a terminal, until Ctrl-C.`,
		Example: "  chaim list\n  chaim list --watch\n  chaim list --json | jq -r '.[] | select(.state == \"kept\") | .name'",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if isWatching && !canDraw(a.out) {
				return usageError{"--watch draws on a terminal, which stdout is not"}
			}
			return a.withFiles(func(c *chaim.Client) error {
				if isWatching {
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

// held is a profile, and what else its section tells.
type held struct {
	chaim.Profile
	isScoped bool // a scope wrote it
	isUsers  bool // it has keys of an IAM user, which chaim did not get
}

// state is live, kept or dead.
func (h held) state() string {
	switch {
	case h.Live:
		return "live"
	case h.isScoped:
		return "dead"
	}
	return "kept"
}

// heldProfiles returns the profiles of the credentials file, in its order.
func heldProfiles(ctx context.Context, c *chaim.Client) ([]held, error) {
	profiles, err := c.MyAccountList(ctx)
	if err != nil {
		return nil, err
	}
	path, err := sharedfile.CredentialsPath("")
	if err != nil {
		return nil, err
	}
	doc, err := sharedfile.File{Path: path}.Read()
	if err != nil {
		return nil, err
	}
	sections := map[string]held{}
	for _, s := range inifile.Scan(doc) {
		pairs := s.Managed(doc)
		sections[s.Name()] = held{
			isScoped: pairs[inifile.ScopeKey] != "",
			isUsers:  strings.HasPrefix(pairs["aws_access_key_id"], "AKIA"),
		}
	}
	var list []held
	for _, p := range profiles {
		h := sections[p.Name]
		h.Profile = p
		list = append(list, h)
	}
	return list, nil
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
	profiles, err := heldProfiles(ctx, c)
	if err != nil {
		return err
	}
	infos := []heldInfo{}
	for _, h := range profiles {
		form := "keys"
		if h.Form == chaim.Process {
			form = "process"
		}
		infos = append(infos, heldInfo{
			describe(h.Profile), h.Default, h.state(), form,
			int(h.Duration / time.Second), int(h.Left() / time.Second), h.Percent(),
		})
	}
	return writeJSON(a.out, infos)
}

// table returns the lines of the table of profiles for people: none where no profiles are held.
func (a *app) table(ctx context.Context, c *chaim.Client) ([]string, error) {
	profiles, err := heldProfiles(ctx, c)
	if err != nil || len(profiles) == 0 {
		return nil, err
	}
	return layOut(profiles, time.Now(), drawing{hasBlocks: canDraw(a.out) && speaksUTF8(), hasColors: hasColors(a.out)}), nil
}

func layOut(profiles []held, now time.Time, d drawing) []string {
	rows := make([][]cell, 1)
	for _, title := range []string{"  PROFILE", "ACCOUNT", "ROLE", "REGION", "LEFT", "EXPIRES", "STATE"} {
		rows[0] = append(rows[0], cell{title, bold})
	}
	for _, h := range profiles {
		mark := "  "
		if h.Default {
			mark = "* "
		}
		bar, urgency := d.bar(h.Profile)
		state := cell{text: h.state()}
		switch state.text {
		case "live":
			state.color = green
		case "dead":
			state.color = red
		}
		rows = append(rows, []cell{
			{text: mark + printable(h.Name)},
			{text: printable(h.Account)},
			{text: printable(h.Role)},
			{text: printable(h.Region)},
			{bar, urgency},
			{text: humantime.Until(h.Expires, now)},
			state,
		})
	}
	return d.align(rows)
}

// printable is a text of unknown origin for a table: quoted where it could do more than stand there, and cut where it
// would widen every line.
func printable(text string) string {
	const limit = 128 // the longest account name
	quoted := strconv.QuoteToASCII(text)
	switch {
	case text == "":
		return "-"
	case len(text) > limit:
		return strconv.QuoteToASCII(text[:limit/2]) + "..."
	case quoted == `"`+text+`"`:
		return text
	}
	return quoted
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
