package main

import (
	"bytes"
	_ "embed"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// The functions that shells call for completions. They call the function of cobra, which is renamed, unless the word belongs
// to CMD.
var (
	//go:embed shells/after_dash.bash
	bashAfterDash string
	//go:embed shells/after_dash.zsh
	zshAfterDash string
	//go:embed shells/after_dash.fish
	fishAfterDash string
)

// completeAfterDash changes the subcommands of completion. Their scripts then complete the words after -- as the program
// there would.
func completeAfterDash(completion *cobra.Command) {
	for _, cmd := range completion.Commands() {
		switch cmd.Name() {
		case "bash":
			wrapScript(cmd, (*cobra.Command).GenBashCompletionV2, bashAfterDash, "\n__start_chaim()\n", "\n__chaim_ask()\n")
		case "zsh":
			wrapScript(cmd, zshScript, zshAfterDash, "\n_chaim()\n", "\n__chaim_ask()\n")
		case "fish":
			const name = "\nfunction __chaim_perform_completion\n"
			wrapScript(cmd, (*cobra.Command).GenFishCompletion, fishAfterDash, name, "\nfunction __chaim_ask\n")
		}
	}
}

// generator writes a completion script.
type generator = func(root *cobra.Command, w io.Writer, hasDescriptions bool) error

// wrapScript makes cmd print cobra's script with ours before cobra's function. It replaces before, which names that
// function, by after.
func wrapScript(cmd *cobra.Command, generate generator, ours, before, after string) {
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var script bytes.Buffer
		lacksDescriptions, err := cmd.Flags().GetBool("no-descriptions")
		if err == nil {
			err = generate(cmd.Root(), &script, !lacksDescriptions)
		}
		if err == nil {
			_, err = io.WriteString(cmd.OutOrStdout(), strings.Replace(script.String(), before, "\n"+ours+after, 1))
		}
		return err
	}
}

func zshScript(root *cobra.Command, w io.Writer, hasDescriptions bool) error {
	if hasDescriptions {
		return root.GenZshCompletion(w)
	}
	return root.GenZshCompletionNoDesc(w)
}
