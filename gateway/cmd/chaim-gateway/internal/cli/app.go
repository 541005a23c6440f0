// Package cli has what all commands share: streams, the configuration, the database, exit codes, tables and JSON.
package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim/gateway/internal/config"
	"github.com/chaim-go/chaim/gateway/internal/store"
)

// App is one run of the program.
type App struct {
	In         *os.File
	Out        *os.File // data
	Err        *os.File // talk
	ConfigPath string   // of the flag --config; empty means the environment or the default
	Signals    *Signals
}

// Say prints a line for people on stderr.
func (a *App) Say(format string, args ...any) {
	fmt.Fprintf(a.Err, "chaim-gateway: "+format+"\n", args...)
}

// Table prints rows with aligned columns. The first row is the heading. Empty cells are shown as "-".
func (a *App) Table(rows [][]string) error {
	w := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		for i, cell := range row {
			if cell == "" {
				cell = "-"
			}
			end := "\t"
			if i == len(row)-1 {
				end = "\n"
			}
			if _, err := io.WriteString(w, Printable(cell)+end); err != nil {
				return err
			}
		}
	}
	return w.Flush()
}

// Printable is a text as it may be shown on a terminal: quoted if it has what cannot be printed.
func Printable(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }) {
		return strconv.Quote(text)
	}
	return text
}

// JSON prints a value as JSON.
func (a *App) JSON(v any) error {
	enc := json.NewEncoder(a.Out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// Show prints rows as a table, or v as JSON.
func (a *App) Show(asJSON bool, v any, rows [][]string) error {
	if asJSON {
		return a.JSON(v)
	}
	return a.Table(rows)
}

// AddJSONFlag gives cmd the flag --json.
func AddJSONFlag(cmd *cobra.Command, asJSON *bool) {
	cmd.Flags().BoolVar(asJSON, "json", false, "print JSON")
}

// Config reads the configuration. From tells where each setting came from.
func (a *App) Config() (c *config.Config, from config.Settings, err error) {
	return config.Load(a.configPath(), os.Environ())
}

func (a *App) configPath() string {
	for _, path := range []string{a.ConfigPath, os.Getenv(config.Variable)} {
		if path != "" {
			return path
		}
	}
	return config.Default
}

// Group makes a command that has only commands below it.
func Group(use, short string, below ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			var names []string
			for _, one := range cmd.Commands() {
				names = append(names, one.Name())
			}
			if len(args) > 0 {
				return Usagef("there is no command %q; there are %s", cmd.Name()+" "+args[0], strings.Join(names, ", "))
			}
			return Usagef("%s what? %s", cmd.Name(), strings.Join(names, ", "))
		},
	}
	cmd.AddCommand(below...)
	return cmd
}

// With opens the database and runs fn with it.
func (a *App) With(ctx context.Context, fn func(*Session) error) (err error) {
	s, err := a.Open(ctx)
	if err != nil {
		return err
	}
	defer s.closeInto(&err)
	return fn(s)
}

// WithView is With for a command that only reads people, tokens and policy.
func (a *App) WithView(ctx context.Context, fn func(*Session, *store.View) error) error {
	return a.With(ctx, func(s *Session) error {
		view, err := s.DB.View(ctx)
		if err != nil {
			return err
		}
		return fn(s, view)
	})
}
