// Package doctor has the command doctor, which looks for what keeps chaim from working.
package doctor

import (
	"cmp"
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/term"
	"github.com/chaim-go/chaim/internal/errtext"
)

// Command returns the command doctor.
func Command(a *cli.App) *cobra.Command {
	var asJSON bool
	cmd := cli.Describe(&cobra.Command{
		Use: "doctor [flags]", GroupID: cli.GroupSetUp, Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error { return diagnose(cmd.Context(), a, asJSON) },
	})
	cli.AddJSONFlag(cmd, &asJSON)
	return cmd
}

// The states of a check.
const (
	stateOK   = "ok"
	stateWarn = "warn"
	stateFail = "fail"
)

// check is the result of one check. The zero value means that there was nothing to check.
type check struct {
	Name  string `json:"check"`
	State string `json:"state"`
	Found string `json:"found"`
	Do    string `json:"do,omitempty"`
}

func ok(format string, args ...any) check {
	return check{State: stateOK, Found: fmt.Sprintf(format, args...)}
}

func warn(format string, args ...any) check {
	return check{State: stateWarn, Found: fmt.Sprintf(format, args...)}
}

func fail(format string, args ...any) check {
	return check{State: stateFail, Found: fmt.Sprintf(format, args...)}
}

func failed(err error) check { return fail("%s", errtext.Unprefixed(err)) }

// advise adds what the user can do.
func (c check) advise(do string) check {
	c.Do = do
	return c
}

// report has the checks in the order in which the user should repair things.
type report struct {
	Checks []check `json:"checks"`
	Warned int     `json:"warned"`
	Failed int     `json:"failed"`
}

// add adds a check. Texts of files and servers could control a terminal.
func (r *report) add(name string, c check) {
	switch c.State {
	case "":
		return
	case stateWarn:
		r.Warned++
	case stateFail:
		r.Failed++
	}
	r.Checks = append(r.Checks, check{name, c.State, term.Harmless(c.Found), term.Harmless(c.Do)})
}

// diagnose makes all checks, and prints them.
func diagnose(ctx context.Context, a *cli.App, asJSON bool) error {
	var r report
	f := r.checkFiles(a.Log)
	r.checkConfig(ctx, a)
	r.add("environment", checkEnvironment(f))
	r.add("tools", checkTools())
	err := r.checkNetwork(ctx, a)
	r.add("core dumps", checkCoreDumps())
	r.add("terminal", checkTerminal(a.Out))
	if err := cmp.Or(context.Cause(ctx), err); err != nil {
		return err
	}
	if asJSON {
		err = term.WriteJSON(a.Out, r)
	} else {
		err = term.WriteLines(a.Out, r.lines(term.Drawing{HasColors: term.HasColors(a.Out)}))
	}
	warned := term.Counted(r.Warned, "warning", "warnings")
	switch {
	case err != nil:
		return err
	case r.Failed > 0:
		return fmt.Errorf("chaim: %s, %s", term.Counted(r.Failed, "check failed", "checks failed"), warned)
	case r.Warned > 0:
		a.Say("%s", warned)
	}
	return nil
}

// lines are those of a table for people. The advice stands below its check.
func (r *report) lines(d term.Drawing) []string {
	colors := map[string]term.Color{stateOK: term.Green, stateWarn: term.Yellow, stateFail: term.Red}
	var rows [][]term.Cell
	for _, c := range r.Checks {
		state := term.Cell{Text: c.State, Color: colors[c.State]}
		if c.State == stateFail {
			state.Text = "FAIL"
		}
		rows = append(rows, []term.Cell{state, {Text: c.Name}, {Text: c.Found}})
		if c.Do != "" {
			rows = append(rows, []term.Cell{{}, {}, {Text: "-> " + c.Do, Color: term.Bold}})
		}
	}
	return d.Align(rows)
}
