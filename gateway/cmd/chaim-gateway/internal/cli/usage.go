package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// PlainFlags says in plain words what is wrong with a flag.
func PlainFlags(_ *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var empty *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown):
		name := "--" + unknown.GetSpecifiedName()
		if group := unknown.GetSpecifiedShortnames(); group != "" {
			name = "-" + group[:1]
		}
		return Usagef("there is no flag %q", name)
	case errors.As(err, &empty):
		what, _ := pflag.UnquoteUsage(empty.GetFlag())
		return Usagef("--%s needs a value: --%[1]s %s", empty.GetFlag().Name, what)
	case errors.As(err, &invalid):
		return Usagef("--%s: %q is not right: %v", invalid.GetFlag().Name, invalid.GetValue(), invalid.Unwrap())
	}
	return usageError{err.Error()}
}

// PlainArgs makes a command and all below it say in plain words which argument is missing or one too many.
func PlainArgs(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if check(cmd, args) == nil {
				return nil
			}
			for i := range args {
				if check(cmd, args[:i]) == nil && check(cmd, args[:i+1]) != nil {
					return usageOf(cmd, fmt.Sprintf("%q is one argument too many", args[i]))
				}
			}
			return usageOf(cmd, "an argument is missing")
		}
	}
	for _, below := range cmd.Commands() {
		PlainArgs(below)
	}
}

func usageOf(cmd *cobra.Command, text string) error {
	return usageError{text + "; usage: " + strings.TrimSuffix(cmd.UseLine(), " [flags]")}
}
