package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/internal/lazyregexp"
)

func (a *app) envCommand() *cobra.Command {
	var r request
	var format string
	cmd := &cobra.Command{
		Use:     "env ACCOUNT [ROLE]",
		GroupID: groupPrograms,
		Short:   "Print credentials as commands of a shell, or as JSON",
		Long: `env prints credentials of an account, in a format of "aws configure export-credentials":

  env            export NAME='value', for sh, bash and zsh
  env-no-export  NAME=value, for docker --env-file and the like; values that would need quotes are refused
  powershell     $Env:NAME = 'value'
  fish           set -gx NAME 'value'
  windows-cmd    set NAME=value; values that would need quotes are refused
  process        the JSON that a credential_process prints

AWS_REGION, AWS_DEFAULT_REGION and, where it is known, AWS_ACCOUNT_ID are set too. AWS_PROFILE, AWS_DEFAULT_PROFILE and
other variables that some programs prefer to the keys are unset, but for env-no-export, which cannot. CHAIM_LENT marks the
keys, so that a chaim that finds them asks AWS STS for no others with them.

The keys are asked for at each call and written to no file. They are not renewed: 'chaim exec' runs programs with credentials
that are, and leaves none in your shell.` + aboutNames,
		Example: `  eval "$(chaim env sredev)"
  chaim env sredev mpu --format fish | source
  chaim env sredev --format powershell | Invoke-Expression
  for /f "delims=" %i in ('chaim env sredev --format windows-cmd') do @%i
  docker run --env-file <(chaim env sredev --format env-no-export) IMAGE`,
		ValidArgsFunction: a.completeAccountAndRole,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(envFormats(), format) {
				return usageError{fmt.Sprintf("--format is %s, not %q", strings.Join(envFormats(), ", "), format)}
			}
			opts, err := a.inMemory(cmd, &r, args)
			if err != nil {
				return err
			}
			return a.withClient(opts, func(c *chaim.Client) error {
				creds, err := requestKeys(cmd.Context(), c, opts.Account)
				if err != nil {
					return err
				}
				text, err := inFormat(format, creds)
				if err != nil {
					return err
				}
				if isTerminal(a.out) {
					a.say("these keys are secret: keep them to yourself")
				}
				_, err = io.WriteString(a.out, text)
				return err
			})
		},
	}
	r.addFlags(a, cmd)
	cmd.Flags().StringVar(&format, "format", "env", "`FORMAT`: one of "+strings.Join(envFormats(), ", "))
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(envFormats(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

const processFormat = "process"

func envFormats() []string {
	names := []string{processFormat}
	for name := range shellFormats {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// shellFormat is how variables are set in a shell, with quotes in which nothing but the value itself means anything.
type shellFormat struct {
	set   func(name, value string) string
	unset func(name string) string // nil where there is no such thing
	plain bool                     // there are no quotes
}

var shellFormats = map[string]shellFormat{
	"env": {
		set: func(name, value string) string {
			return "export " + name + "='" + strings.ReplaceAll(value, "'", `'\''`) + "'"
		},
		unset: func(name string) string { return "unset " + name },
	},
	"env-no-export": {
		set:   func(name, value string) string { return name + "=" + value },
		plain: true,
	},
	"powershell": {
		set: func(name, value string) string {
			return "$Env:" + name + " = '" + strings.ReplaceAll(value, "'", "''") + "'"
		},
		unset: func(name string) string { return "$Env:" + name + " = $null" },
	},
	"fish": {
		set:   func(name, value string) string { return "set -gx " + name + " '" + fishEscapes.Replace(value) + "'" },
		unset: func(name string) string { return "set -e " + name },
	},
	"windows-cmd": {
		set:   func(name, value string) string { return "set " + name + "=" + value },
		unset: func(name string) string { return "set " + name + "=" },
		plain: true,
	},
}

var fishEscapes = strings.NewReplacer(`\`, `\\`, `'`, `\'`)

// misleading are variables that are always unset, as a shell may have them without the programs that it runs: some prefer
// them to the keys, or combine them with these.
var misleading = []string{"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SECURITY_TOKEN", "AWS_ACCOUNT_ID"}

// inFormat returns credentials in one of the formats.
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
	return shellFormats[format].render(env)
}

// plainRule is of what no shell, and nothing else that reads NAME=value, gives a meaning. An equals sign within could have
// zsh look for a program.
var plainRule = lazyregexp.New(`^[A-Za-z0-9/+_:.,@-]+={0,2}$`)

// render returns a line for each variable, given as NAME=value. An empty one is unset.
func (f shellFormat) render(env []string) (string, error) {
	var b strings.Builder
	for _, variable := range env {
		name, value, _ := strings.Cut(variable, "=")
		isOdd := strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' })
		switch {
		case value == "" && f.unset == nil:
		case value == "":
			b.WriteString(f.unset(name) + "\n")
		case isOdd, f.plain && !plainRule().MatchString(value):
			return "", errors.New("chaim: value of " + name + " has characters that cannot be written in this format; take another")
		default:
			b.WriteString(f.set(name, value) + "\n")
		}
	}
	return b.String(), nil
}
