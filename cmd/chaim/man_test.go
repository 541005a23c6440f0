package main

import (
	"bytes"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
)

var update = flag.Bool("update", false, "write the man pages anew")

// TestManPages looks whether the man pages are those of the commands.
func TestManPages(t *testing.T) {
	dir := filepath.Join("..", "..", "docs", "man")
	pages := manPages(t)
	if *update {
		require.NoError(t, os.RemoveAll(dir))
		require.NoError(t, os.MkdirAll(dir, 0o755))
		for name, page := range pages {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), page, 0o644))
		}
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	const hint = "write them anew with 'go test ./cmd/chaim -run TestManPages -update'"
	assert.Equal(t, slices.Sorted(maps.Keys(pages)), names, hint)
	for name, page := range pages {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if assert.NoError(t, err, hint) {
			assert.Equal(t, string(page), string(text), "%s: %s", name, hint)
		}
		assert.Contains(t, string(page), "\n.SH DESCRIPTION\n")
	}
}

// manPages returns the pages of all commands, by the names of their files.
func manPages(t *testing.T) map[string][]byte {
	root := (&call{app: &cli.App{}}).root()
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd("completion")
	pages := map[string][]byte{}
	for _, cmd := range tree(root) {
		cmd.InitDefaultHelpFlag()
		cmd.Short, cmd.Long = inMarkdown(cmd.Short), inMarkdown(cmd.Long)
	}
	for _, cmd := range tree(root) {
		var page bytes.Buffer
		// A date would make two pages differ that say the same.
		header := &doc.GenManHeader{Section: "1", Date: new(time.Time), Source: "chaim", Manual: "chaim"}
		require.NoError(t, doc.GenMan(cmd, header, &page))
		text := strings.Replace(page.String(), `"Jan 0001"`, `""`, 1)
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1"
		pages[name] = []byte(optionRule.ReplaceAllStringFunc(text, func(option string) string {
			match := optionRule.FindStringSubmatch(option)
			return optionParagraph(cmd.Flag(match[2]), match[1])
		}))
	}
	return pages
}

// optionRule matches an option, with what the generator makes of its default value, and its text.
var optionRule = regexp.MustCompile(`(?m)(?:^\.PP\n)?^((?:\\fB-\w\\fP, )?\\fB--([\w-]+)\\fP)\[?=.*\n\t.*\n`)

// optionParagraph is an option as man pages have it: with the name of its value, and its text indented.
func optionParagraph(f *pflag.Flag, names string) string {
	value, usage := pflag.UnquoteUsage(f)
	names = strings.ReplaceAll(names, "-", `\-`) // a minus, which can be copied, and no hyphen
	if value != "" && f.NoOptDefVal == "" {
		names += ` \fI` + value + `\fP`
	}
	return ".TP\n" + names + "\n" + strings.NewReplacer("\\", `\e`).Replace(usage) + "\n"
}

// tree is a command and all below it.
func tree(cmd *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{cmd}
	for _, below := range cmd.Commands() {
		if below.IsAvailableCommand() && !below.IsAdditionalHelpTopicCommand() {
			all = append(all, tree(below)...)
		}
	}
	return all
}

var markdown = strings.NewReplacer("\\", "\\\\", "`", "\\`", "*", "\\*", "_", "\\_", "[", "\\[",
	"]", "\\]", "<", "\\<", ">", "\\>", "~", "\\~")

// inMarkdown is a help text in the language of the generator, where it has to mean what it says. Indented lines are examples.
func inMarkdown(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t") {
			b.WriteString("    " + line)
		} else {
			b.WriteString(markdown.Replace(line))
		}
	}
	return b.String()
}
