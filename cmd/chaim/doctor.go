package main

import (
	"context"
	"fmt"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
)

func (a *app) doctorCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "doctor [flags]",
		GroupID: groupSetUp,
		Short:   "Look for what keeps chaim from working, and say what to do",
		Long: `doctor looks at the credentials file, its folder and its lock, the AWS config file, the environment, settings of other
tools, the clock, and at the gateway or, where none is configured, at AWS STS. It changes nothing: it only asks the gateway
for its list of accounts and whether it accepts the user token, or
STS who you are, for 15 seconds at most. For the latter the AWS SDK may run your credential_process.

Each check is ok, warn or FAIL. The exit code is 1 where one failed. No key or token is shown.`,
		Example:           "  chaim doctor\n  chaim doctor --json | jq '.checks[] | select(.state != \"ok\")'",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return a.doctor(cmd.Context(), asJSON) },
	}
	addJSONFlag(cmd, &asJSON)
	return cmd
}

// The states of a check.
const (
	stateOK   = "ok"
	stateWarn = "warn"
	stateFail = "fail"
)

// check is one thing that was looked at.
type check struct {
	Name  string `json:"check"`
	State string `json:"state"`
	Found string `json:"found"`
	Do    string `json:"do,omitempty"`
}

// checkup is all that was looked at, in the order in which things have to be right.
type checkup struct {
	Checks []check `json:"checks"`
	Warned int     `json:"warned"`
	Failed int     `json:"failed"`
}

func (c *checkup) ok(name, format string, args ...any) {
	c.add(stateOK, name, fmt.Sprintf(format, args...), "")
}

func (c *checkup) warn(name, found, do string) { c.add(stateWarn, name, found, do) }

func (c *checkup) fail(name, found, do string) { c.add(stateFail, name, found, do) }

func (c *checkup) add(state, name, found, do string) {
	switch state {
	case stateWarn:
		c.Warned++
	case stateFail:
		c.Failed++
	}
	c.Checks = append(c.Checks, check{name, state, harmless(found), harmless(do)})
}

// harmless is a text in which nothing can control a terminal.
func harmless(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// doctor looks at everything, and prints what it found.
func (a *app) doctor(ctx context.Context, asJSON bool) error {
	var c checkup
	files := c.checkFiles()
	c.checkLock(files)
	c.checkLeftovers(a, files)
	c.checkEnvironment(files)
	c.checkTools()
	c.checkNetwork(ctx, a, files)
	c.checkProcess(a)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var err error
	if asJSON {
		err = writeJSON(a.out, c)
	} else {
		err = writeLines(a.out, c.layOut(drawing{hasColors: hasColors(a.out)}))
	}
	switch {
	case err != nil:
		return err
	case c.Failed > 0:
		warned := counted(c.Warned, "warning", "warnings")
		return fmt.Errorf("chaim: %s, %s", counted(c.Failed, "check failed", "checks failed"), warned)
	case c.Warned > 0:
		a.say("%s", counted(c.Warned, "warning", "warnings"))
	}
	return nil
}

// layOut returns the lines of the table for people. What to do stands below what was found.
func (c *checkup) layOut(d drawing) []string {
	var rows [][]cell
	for _, k := range c.Checks {
		state := map[string]cell{stateOK: {"ok", green}, stateWarn: {"warn", yellow}, stateFail: {"FAIL", red}}[k.State]
		rows = append(rows, []cell{state, {text: k.Name}, {text: k.Found}})
		if k.Do != "" {
			rows = append(rows, []cell{{}, {}, {"-> " + k.Do, bold}})
		}
	}
	return d.align(rows)
}

// counted is a number of things in words.
func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
