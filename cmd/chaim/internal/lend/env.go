package lend

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/request"
	"github.com/chaim-go/chaim/cmd/chaim/internal/term"
	"github.com/chaim-go/chaim/internal/lazyregexp"
)

func envCommand(a *cli.App) *cobra.Command {
	r := request.Request{App: a}
	var format string
	cmd := cli.Describe(&cobra.Command{
		Use:               "env ACCOUNT [ROLE]",
		GroupID:           cli.GroupPrograms,
		ValidArgsFunction: request.CompleteArgs(a),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(formats, format) {
				return cli.Usagef("--format is %s, not %q", strings.Join(formats, ", "), format)
			}
			return r.InMemory(cmd, args, func(opts chaim.Options) error {
				return a.Keys(cmd.Context(), opts, func(_ *chaim.Client, creds chaim.AwsCreds) error {
					text, err := inFormat(format, creds)
					if err != nil {
						return err
					}
					if term.IsTerminal(a.Out) {
						a.Say("these keys are secret: keep them to yourself")
					}
					_, err = io.WriteString(a.Out, text)
					return err
				})
			})
		},
	})
	r.AddFlags(cmd)
	r.AddProfileFlag(cmd)
	cmd.Flags().StringVar(&format, "format", "env", "`FORMAT`: one of "+strings.Join(formats, ", "))
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

const processFormat = "process"

// formats are the shells, and the format of a credential_process.
var formats = []string{"env", "env-no-export", "fish", "powershell", processFormat, "windows-cmd"}

// shell says how variables are set in a shell. The formats take a name, or a name and a value.
type shell struct {
	set, unset string   // without an unset, empty variables are left out
	escapes    []string // what stands for characters that have a meaning within the quotes; nil without quotes
}

var shells = map[string]shell{
	"env":           {"export %s='%s'", "unset %s", []string{"'", `'\''`}},
	"env-no-export": {"%s=%s", "", nil},
	"fish":          {"set -gx %s '%s'", "set -e %s", []string{`\`, `\\`, "'", `\'`}},
	"powershell":    {"$Env:%s = '%s'", "$Env:%s = $null", []string{"'", "''"}},
	"windows-cmd":   {"set %s=%s", "set %s=", nil},
}

// plainRule allows values that have no meaning in any shell. An equals sign within could make zsh look for a program.
var plainRule = lazyregexp.New(`^[A-Za-z0-9/+_:.,@-]+={0,2}$`)

// render returns a line for each variable, given as NAME=value. An empty one is unset.
func (s shell) render(env []string) (string, error) {
	var b strings.Builder
	for _, variable := range env {
		name, value, _ := strings.Cut(variable, "=")
		isOdd := strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' })
		switch {
		case value == "" && s.unset == "":
		case value == "":
			fmt.Fprintf(&b, s.unset+"\n", name)
		case isOdd, s.escapes == nil && !plainRule().MatchString(value):
			return "", errors.New("chaim: value of " + name + " has characters that cannot be written in this format; take another")
		default:
			fmt.Fprintf(&b, s.set+"\n", name, strings.NewReplacer(s.escapes...).Replace(value))
		}
	}
	return b.String(), nil
}

// misleading are variables that are unset if they are not set. A shell may have them without passing them on. Some programs
// prefer them to the keys, or combine them with the keys.
var misleading = []string{"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SECURITY_TOKEN", "AWS_ACCOUNT_ID"}

// inFormat returns keys in one of the formats.
func inFormat(format string, creds chaim.AwsCreds) (string, error) {
	if format == processFormat {
		text, err := creds.ProcessJSON()
		if err != nil {
			return "", err
		}
		return string(text) + "\n", nil
	}
	env := slices.DeleteFunc(creds.Environ(), func(variable string) bool {
		return strings.HasPrefix(variable, "AWS_PROFILE=") || strings.HasPrefix(variable, "AWS_DEFAULT_PROFILE=")
	})
	for _, name := range misleading {
		if !slices.ContainsFunc(env, func(variable string) bool { return strings.HasPrefix(variable, name+"=") }) {
			env = append(env, name+"=")
		}
	}
	return shells[format].render(env)
}
