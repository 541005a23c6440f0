// Package cli has what all commands share: streams, log, signals, clients, exit codes, and what is said of errors.
package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/cmd/chaim/internal/proc"
	"github.com/chaim-go/chaim/cmd/chaim/internal/term"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/idcenter"
)

// App is one run of the command.
type App struct {
	In      *os.File
	Out     *term.Outlet // data
	Err     *term.Outlet // talk
	Log     *slog.Logger
	Signals *proc.Relay
	Waits   *Waits
	Args    []string // the command line, for hints
	Version string   // of this program; empty means unknown
}

// Say prints a line for people on stderr.
func (a *App) Say(format string, args ...any) {
	fmt.Fprintf(a.Err, "chaim: "+format+"\n", args...)
}

// Quiet returns an App whose clients log nothing. It is for a first look at files: the next client logs the same.
func (a *App) Quiet() *App {
	quiet := *a
	quiet.Log = slog.New(slog.DiscardHandler)
	return &quiet
}

// CanPick reports whether a person can pick from a list on the terminal.
func (a *App) CanPick() bool { return term.IsTerminal(a.In) && term.CanDraw(a.Err) }

// Client makes a client, calls fn with it, and closes it. Options without an account are for a client that looks after the
// files. A wrong option is wrong usage.
func (a *App) Client(opts chaim.Options, fn func(*chaim.Client) error) (err error) {
	opts.Logger = a.Log
	c, err := chaim.New(opts)
	if err != nil {
		return asUsage(likeProfile(opts.Account, err))
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	return fn(c)
}

// Keys is Client for a client that has keys.
func (a *App) Keys(ctx context.Context, opts chaim.Options, fn func(*chaim.Client, chaim.AwsCreds) error) error {
	return a.Client(opts, func(c *chaim.Client) error {
		creds, err := a.RequestKeys(ctx, c, opts.Account)
		if err != nil {
			return err
		}
		return fn(c, creds)
	})
}

// asUsage turns the error about an option, or about a choice that is missing, into one about the command line.
func asUsage(err error) error {
	if errors.Is(err, idcenter.ErrSeveral) {
		text := errtext.Unprefixed(err) + ", or take profiles with --profile or --profiles"
		return errtext.Chain("chaim: "+text, Usage(text), err)
	}
	wrong := (*chaim.OptionError)(nil)
	if !errors.As(err, &wrong) {
		return err
	}
	text := errtext.Unprefixed(err)
	if wrong.Field == "TempName" {
		text += " (--alias NAME)"
	}
	return Usage(text)
}

// AskYes asks a question on the terminal, to which an empty answer is yes.
func (a *App) AskYes(ctx context.Context, text string) (isYes bool, err error) {
	for {
		answer, err := term.Ask(ctx, a.In, a.Err, text+" [Y/n]", false)
		switch strings.ToLower(answer) {
		case "", "y", "yes":
			return err == nil, err
		case "n", "no":
			return false, err
		}
		if err != nil {
			return false, err
		}
	}
}

// Run runs a program that gets the terminal, the files and the signals of this process. Its exit code becomes that of chaim.
// It goes on if its keys expire: it may not need them any more.
func (a *App) Run(ctx context.Context, cmd *exec.Cmd) error {
	cmd.Stdin, cmd.Stdout, cmd.Stderr = a.In, a.Out.File(), a.Err.File()
	a.Waits.Close() // the terminal is the program's
	a.Err.Hold()
	return a.Signals.Run(ctx, cmd, a.Log)
}

// The groups of commands in the help text.
const (
	GroupWork     = "work"
	GroupProfiles = "profiles"
	GroupPrograms = "programs"
	GroupSetUp    = "set-up"
)

// AddJSONFlag gives cmd the flag --json.
func AddJSONFlag(cmd *cobra.Command, asJSON *bool) {
	cmd.Flags().BoolVar(asJSON, "json", false, "print JSON")
}

// AddInsecureFlag gives cmd the flag --insecure.
func AddInsecureFlag(cmd *cobra.Command, insecure *bool) {
	cmd.Flags().BoolVar(insecure, "insecure", false, "accept a gateway that is plain http and not on this machine")
}

// AddPassGatewayFlag gives cmd the flag --pass-gateway.
func AddPassGatewayFlag(cmd *cobra.Command, isOn *bool) {
	cmd.Flags().BoolVar(isOn, "pass-gateway", false, "pass on CHAIM_TOKEN, the token of the gateway, for a chaim that CMD runs")
}
