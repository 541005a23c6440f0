package cli

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/chaim-go/chaim/internal/lazyregexp"
)

// PlainFlags says in plain words what is wrong with a flag.
func PlainFlags(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var empty *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	var malformed *pflag.InvalidSyntaxError
	switch {
	case errors.As(err, &unknown):
		return Usage(unknownFlag(cmd, unknown))
	case errors.As(err, &empty):
		flag := empty.GetFlag()
		what, _ := pflag.UnquoteUsage(flag)
		return Usagef("--%s needs a value: --%[1]s %s", flag.Name, what)
	case errors.As(err, &invalid):
		return Usage(invalidValue(invalid))
	case errors.As(err, &malformed):
		return Usagef("%q is not a flag", malformed.GetSpecifiedFlag())
	}
	return err
}

func unknownFlag(cmd *cobra.Command, unknown *pflag.NotExistError) string {
	if group := unknown.GetSpecifiedShortnames(); group != "" {
		text := fmt.Sprintf("there is no flag %q", "-"+group[:1])
		if len(group) > 1 {
			text += fmt.Sprintf(", which %q begins with", "-"+group)
		}
		return text
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	text := fmt.Sprintf("there is no flag %q", "--"+unknown.GetSpecifiedName())
	if alike := nearest(unknown.GetSpecifiedName(), names); len(alike) > 0 {
		text += "; did you mean --" + strings.Join(alike, " or --") + "?"
	}
	return text
}

func invalidValue(invalid *pflag.InvalidValueError) string {
	flag, why := invalid.GetFlag(), invalid.Unwrap().Error()
	switch kind := flag.Value.Type(); {
	case errors.Is(invalid, strconv.ErrRange):
		why = fmt.Sprintf("%q is too large", invalid.GetValue())
	case kind == "int", kind == "count":
		why = fmt.Sprintf("%q is not a whole number", invalid.GetValue())
	case kind == "bool":
		why = fmt.Sprintf("it is true or false, not %q", invalid.GetValue())
	}
	return "--" + flag.Name + ": " + why
}

// How cobra words its errors about flags that exclude or need each other.
var (
	exclusive = lazyregexp.New(`none of the others can be; \[(.*)\] were all set$`)
	together  = lazyregexp.New(`^if any flags in the group \[(.*)\] are set they must all be set; missing \[(.*)\]$`)
)

// PlainUsage is the text of an error that cobra found in the command line.
func PlainUsage(err error) string {
	text := strings.TrimPrefix(err.Error(), "chaim: ")
	if given := exclusive().FindStringSubmatch(text); given != nil {
		return flagNames(given[1]) + " exclude each other"
	}
	if group := together().FindStringSubmatch(text); group != nil {
		return flagNames(group[1]) + " go together: " + flagNames(group[2]) + " is missing"
	}
	return text
}

func flagNames(names string) string { return "--" + strings.Join(strings.Fields(names), " and --") }

// PlainArgs makes commands say in plain words which argument is missing or one too many.
func PlainArgs(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if check(cmd, args) == nil {
				return nil
			}
			for i := range args {
				if check(cmd, args[:i]) == nil && check(cmd, args[:i+1]) != nil {
					return Usagef("%q is one argument too many", args[i])
				}
			}
			return Usage("an argument is missing")
		}
	}
	for _, below := range cmd.Commands() {
		PlainArgs(below)
	}
}
