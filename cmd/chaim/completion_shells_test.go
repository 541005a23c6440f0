//go:build readers

package main

import (
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The scripts say what a shell completes for "chaim exec sredev -- mytool al", where mytool has a completion of its own, and
// then for other words.
const (
	bashTabs = `
declare -F _get_comp_words_by_ref >/dev/null || _get_comp_words_by_ref() {
  words=("${COMP_WORDS[@]}") cword=$COMP_CWORD cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
}
. ./chaim.bash
_mytool() { COMPREPLY=($(compgen -W "alpha beta" -- "${COMP_WORDS[COMP_CWORD]}")); }
complete -F _mytool mytool
tab() {
  COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_TYPE=9 COMP_LINE="$*" COMP_POINT=${#COMP_LINE} COMPREPLY=()
  __start_chaim
  printf '%s\n' ${#COMPREPLY[@]} ${COMPREPLY[@]}
}
compopt() { :; }
tab chaim exec sredev -- mytool al
tab chaim exec sredev -- mytool zz
tab chaim exec sredev -- myto
tab chaim -v each -r rro -- mytool al
tab chaim ver
`
	zshTabs = `
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z "PS1=; autoload -Uz compinit; compinit -u -D; . ./chaim.zsh; touch here.txt"
zpty -w z '_mytool() { compadd alpha beta }; compdef _mytool mytool'
zpty -w z 'chaim() { case $1 in (__complete*) command chaim "$@" ;; (*) print -r -- "$@" >>asked ;; esac }'
for line in 'exec sredev -- mytool al' 'exec sredev -- mytoo' '-v each -r rro -- mytool al' 'exec sredev -- cat her' 'vers'; do
  zpty -w -n z "chaim $line"$'\t'$'\n'
done
zpty -w z exit
zpty -r z >/dev/null
while zpty -r z >/dev/null; do :; done
cat asked
`
	fishTabs = `
source chaim.fish
complete -c mytool -f -a "alpha beta"
complete -c mytool -l flag -d "a flag"
for line in "exec sredev -- mytool al" "exec sredev -- mytool --f" "exec sredev -- mytool 'a b' be" "exec sredev -- mytoo" "-v each -r rro -- mytool al" "exec sredev -- cat chaim.f" "vers"
    complete -C "chaim $line"
    echo :
end
`
)

// TestShellsCompleteTheCommand presses the tabulator key after --.
func TestShellsCompleteTheCommand(t *testing.T) {
	dir := t.TempDir()
	chaim := filepath.Join(dir, "chaim")
	require.NoError(t, os.Rename(buildProgram(t, "."), chaim))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "mytool"), []byte("#!/bin/sh\n"), 0o700))
	run := func(t *testing.T, name string, args ...string) []string {
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "HOME="+dir)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return strings.Split(strings.TrimSpace(string(out)), "\n")
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		script := strings.Join(run(t, chaim, "completion", shell), "\n")
		require.NoError(t, os.WriteFile(filepath.Join(dir, "chaim."+shell), []byte(script+"\n"), 0o600))
	}

	t.Run("bash alone completes commands and files", func(t *testing.T) {
		assert.Equal(t, []string{"0", "0", "1", "mytool", "0", "1", "version"}, run(t, "bash", "--norc", "-c", bashTabs))
	})
	t.Run("bash with bash-completion", func(t *testing.T) {
		path := cmp.Or(os.Getenv("BASH_COMPLETION"), "/usr/share/bash-completion/bash_completion")
		require.FileExists(t, path)
		got := run(t, "bash", "--norc", "-c", ". "+path+"\n"+bashTabs)
		assert.Equal(t, []string{"1", "alpha", "0", "1", "mytool", "1", "alpha", "1", "version"}, got)
	})
	t.Run("zsh", func(t *testing.T) {
		assert.Equal(t, []string{
			"exec sredev -- mytool alpha", "exec sredev -- mytool", "-v each -r rro -- mytool alpha", "exec sredev -- cat here.txt", "version",
		}, run(t, "zsh", "-f", "-c", zshTabs))
	})
	t.Run("fish", func(t *testing.T) {
		assert.Equal(t, []string{
			"alpha", ":", "--flag\ta flag", ":", "beta", ":", "mytool\tcommand", ":", "alpha", ":", "chaim.fish", ":", "version\tPrint the version of this program", ":",
		}, run(t, "fish", "--no-config", "-c", fishTabs))
	})
}
