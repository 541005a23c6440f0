package manage

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/proc"
	"github.com/chaim-go/chaim/cmd/chaim/internal/request"
	"github.com/chaim-go/chaim/cmd/chaim/internal/term"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/humantime"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/profiles"
)

const noneHeld = "no profiles are held"

func listCommand(a *cli.App) *cobra.Command {
	var asJSON, isWatching bool
	cmd := cli.Describe(&cobra.Command{
		Use: "list [flags]", SuggestFor: []string{"ls", "profiles"}, GroupID: cli.GroupProfiles, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if isWatching && !term.CanDraw(a.Out) {
				return cli.Usage("--watch draws on a terminal, which stdout is not")
			}
			return a.Client(chaim.Options{}, func(c *chaim.Client) error {
				if asJSON {
					return listJSON(cmd.Context(), a, c)
				}
				draw := func() ([]string, error) { return table(cmd.Context(), a, c) }
				if isWatching {
					a.Err.Hold()
					return watch(cmd.Context(), a.Out, draw)
				}
				lines, err := draw()
				if err != nil {
					return err
				}
				if len(lines) == 0 {
					a.Say(noneHeld)
				}
				return term.WriteLines(a.Out, lines)
			})
		},
	})
	cmd.Flags().BoolVarP(&isWatching, "watch", "w", false, "draw the list anew each second")
	cli.AddJSONFlag(cmd, &asJSON)
	cmd.MarkFlagsMutuallyExclusive("watch", "json")
	return cmd
}

// heldInfo is a profile in the JSON of list.
type heldInfo struct {
	profileInfo
	Default     bool   `json:"default"`
	State       string `json:"state"`
	Form        string `json:"form"`             // keys or process
	Duration    int    `json:"duration_seconds"` // as asked for; zero if unknown
	Left        int    `json:"left_seconds"`
	LeftPercent int    `json:"left_percent"`
}

func listJSON(ctx context.Context, a *cli.App, c *chaim.Client) error {
	profiles, err := c.MyAccountList(ctx)
	if err != nil {
		return err
	}
	infos := []heldInfo{}
	for _, p := range profiles {
		form, duration, left := strings.ToLower(p.Form.String()), int(p.Duration/time.Second), int(p.Left()/time.Second)
		infos = append(infos, heldInfo{infoOf(p), p.Default, stateOf(p).Text, form, duration, left, p.Percent()})
	}
	return term.WriteJSON(a.Out, infos)
}

// stateOf is live, dead, expired or kept.
func stateOf(p chaim.Profile) term.Cell {
	switch {
	case p.Live:
		return term.Cell{Text: "live", Color: term.Green}
	case p.Dead:
		return term.Cell{Text: "dead", Color: term.Red}
	case !p.Expires.IsZero() && p.Left() == 0:
		return term.Cell{Text: "expired", Color: term.Yellow}
	}
	return term.Cell{Text: "kept"}
}

// table returns the lines of the table of profiles. Without profiles there are none.
func table(ctx context.Context, a *cli.App, c *chaim.Client) ([]string, error) {
	profiles, err := c.MyAccountList(ctx)
	if err != nil || len(profiles) == 0 {
		return nil, err
	}
	d := term.Drawing{HasBlocks: term.CanDraw(a.Out) && term.SpeaksUTF8(), HasColors: term.HasColors(a.Out)}
	if term.IsTerminal(a.Out) {
		d.Width = term.WidthOf(a.Out)
	}
	return layOut(profiles, d), nil
}

func layOut(profiles []chaim.Profile, d term.Drawing) []string {
	rows := [][]term.Cell{term.Row("  PROFILE", "ACCOUNT", "ROLE", "REGION", "LEFT", "EXPIRES", "STATE")}
	for i := range rows[0] {
		rows[0][i].Color = term.Bold
	}
	droppable := []string{"ACCOUNT", "LEFT", "REGION", "ROLE"}
	for _, p := range profiles {
		mark := "  "
		if p.Default {
			mark = "* "
		}
		row := term.Row(mark + keys.Printable(p.Name))
		row = append(row, term.Row(keys.Printable(p.Account), keys.Printable(p.Role), keys.Printable(p.Region))...)
		expires := term.Cell{Text: humantime.Short(p.Expires, time.Now())}
		rows = append(rows, append(row, bar(p, d), expires, stateOf(p)))
		if cli.ProfileOf(p.Account) != p.Name { // the name of the profile does not tell the account
			droppable = []string{"LEFT", "REGION", "ROLE", "ACCOUNT"}
		}
	}
	for _, title := range droppable {
		if !d.IsTooWide(rows) {
			break
		}
		column := slices.IndexFunc(rows[0], func(c term.Cell) bool { return c.Text == title })
		for i := range rows {
			rows[i] = slices.Delete(rows[i], column, column+1)
		}
	}
	return d.Align(rows)
}

const barCells = 10

// bar shows how much of the lifetime is left, if that is known. Only keys that have expired have an empty bar.
func bar(p chaim.Profile, d term.Drawing) term.Cell {
	if p.Duration <= 0 || p.Expires.IsZero() {
		return term.Cell{Text: "-"}
	}
	percent, color := p.Percent(), term.Green
	switch {
	case percent < 20:
		color = term.Red
	case percent < 50:
		color = term.Yellow
	}
	full := (percent*barCells + 99) / 100
	if p.Left() > 0 {
		full = max(full, 1)
	}
	return term.Cell{Text: d.Bar(full, barCells), Color: color}
}

// watch draws lines on a terminal each second, until ctx ends. Ctrl-C is no failure, as with watch(1). Each drawing leaves
// the modes of the terminal as they were, so that nothing has to be put right at the end.
func watch(ctx context.Context, out *term.Outlet, draw func() ([]string, error)) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	drawn := 0
	for {
		lines, err := draw()
		if err != nil {
			return unlessInterrupted(ctx, err)
		}
		if len(lines) == 0 {
			lines = []string{noneHeld}
		}
		if height := term.HeightOf(out); height > 0 {
			lines, drawn = term.Crop(lines, height), min(drawn, height-1)
		}
		if _, err := io.WriteString(out, term.Redraw(lines, drawn)); err != nil {
			return err
		}
		drawn = len(lines)
		select {
		case <-ctx.Done():
			_, _ = io.WriteString(out, "\r"+term.EraseLine) // the ^C that the terminal shows
			return unlessInterrupted(ctx, context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// unlessInterrupted returns err, or nil after Ctrl-C.
func unlessInterrupted(ctx context.Context, err error) error {
	caught := proc.SignalError{}
	if errors.As(context.Cause(ctx), &caught) && caught.Signal == os.Interrupt {
		return nil
	}
	return err
}

func listAllCommand(a *cli.App) *cobra.Command {
	r, asJSON := request.Request{App: a}, false
	cmd := cli.Describe(&cobra.Command{
		Use: "listall [GLOB] [flags]", SuggestFor: []string{"accounts"}, GroupID: cli.GroupProfiles,
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			glob := append(args, "*")[0]
			if glob == "" {
				return cli.Usage("the pattern is empty; usage: " + cmd.UseLine())
			}
			if _, err := chaim.FilterAccounts(nil, glob); err != nil {
				return cli.Usage(errtext.Unprefixed(err))
			}
			known, err := r.List(cmd.Context())
			switch {
			case err != nil:
				return err
			case r.Source.IsProfile:
				return tellProfiles(a, known, glob, asJSON)
			}
			return tellAccounts(a, known, glob, asJSON)
		},
	})
	cli.AddInsecureFlag(cmd, &r.Insecure)
	cli.AddJSONFlag(cmd, &asJSON)
	r.Among.AddFlags(cmd, false)
	return cmd
}

// configInfo is a profile of the AWS config file in JSON.
type configInfo struct {
	accountInfo
	Role string `json:"role"`
	Kind string `json:"kind"` // what gives the first keys
}

// tellProfiles prints the profiles that match glob, and says which ones lack something.
func tellProfiles(a *cli.App, known []chaim.Account, glob string, asJSON bool) error {
	files, err := profiles.AWSFiles{}.Profiles()
	if err != nil {
		return err
	}
	shown, err := chaim.FilterAccounts(known, glob)
	if err != nil {
		return err
	}
	if len(shown) == 0 && !asJSON {
		a.Say("no profile of the AWS config file matches %q", glob)
	}
	var infos []configInfo
	for _, account := range shown {
		info := configInfo{accountInfo: accountInfo(account), Kind: "unusable"}
		chain, err := files.Chain(account.Name)
		if err == nil {
			info.ID, info.Role, info.Kind = chain.AccountID(), chain.RoleName(), string(chain.Source.Kind)
			if chain.NeedsCode() {
				info.Kind += " + MFA"
			}
		} else {
			a.Say("%s", errtext.Unprefixed(err))
		}
		for _, note := range chain.Notes {
			a.Say("%s", note)
		}
		infos = append(infos, info)
	}
	return tell(a, infos, asJSON, func(i configInfo) []term.Cell {
		return term.Row(keys.Printable(i.Name), cmp.Or(i.ID, "-"), cmp.Or(keys.Printable(i.Role), "-"), i.Kind)
	})
}

// accountInfo is an account in JSON.
type accountInfo struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// tellAccounts prints the known accounts that match glob.
func tellAccounts(a *cli.App, known []chaim.Account, glob string, asJSON bool) error {
	shown, err := chaim.FilterAccounts(known, glob)
	switch twins := cli.Twins(known, shown); {
	case err != nil:
		return err
	case asJSON:
	case len(twins) > 0:
		a.Say("%s; %s", cli.TellTwins(twins), cli.AskByID)
	case len(shown) > 0:
	case len(known) == 0:
		a.Say("there are no accounts")
	case strings.ContainsAny(glob, `*?[\`):
		a.Say("no account matches %q", glob)
	default:
		a.Say("there is no account %q; those with that in their name match %q", glob, "*"+glob+"*")
	}
	slices.SortFunc(shown, cli.ByName)
	var infos []accountInfo
	for _, account := range shown {
		infos = append(infos, accountInfo(account))
	}
	return tell(a, infos, asJSON, func(i accountInfo) []term.Cell {
		return term.Row(keys.Printable(i.ID), keys.Printable(i.Name))
	})
}

func listParkCommand(a *cli.App) *cobra.Command {
	asJSON := false
	cmd := cli.Describe(&cobra.Command{
		Use: "listpark [flags]", GroupID: cli.GroupProfiles, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.Client(chaim.Options{}, func(c *chaim.Client) error {
				names, err := c.ListParkAccounts(cmd.Context())
				if err != nil {
					return err
				}
				if len(names) == 0 && !asJSON {
					a.Say("no profiles are parked")
				}
				return tell(a, names, asJSON, func(name string) []term.Cell { return term.Row(keys.Printable(name)) })
			})
		},
	})
	cli.AddJSONFlag(cmd, &asJSON)
	return cmd
}
