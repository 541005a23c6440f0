package cli

import (
	"embed"
	"strings"

	"github.com/spf13/cobra"
)

//go:embed help
var help embed.FS

// Describe gives cmd the help text of its name: a line of what it does, what there is to know, and examples.
func Describe(cmd *cobra.Command) *cobra.Command {
	text, err := help.ReadFile("help/" + cmd.Name() + ".txt")
	if err != nil {
		panic(err) // each command has one, as a test checks
	}
	about, examples, _ := strings.Cut(strings.TrimSpace(string(text)), "\n\nExamples:\n")
	short, long, _ := strings.Cut(about, "\n\n")
	for _, shared := range []string{"NAMES", "PAGES", "BROWSERS"} {
		if strings.Contains(long, "{"+shared+"}") {
			part, _ := help.ReadFile("help/shared/" + shared + ".txt")
			long = strings.ReplaceAll(long, "{"+shared+"}", strings.TrimSpace(string(part)))
		}
	}
	cmd.Short, cmd.Long, cmd.Example = short, long, examples
	return cmd
}
