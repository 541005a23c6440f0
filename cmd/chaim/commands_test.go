package main

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/term"
)

func TestGroupsHaveTheNamesOfTheirCommands(t *testing.T) {
	for _, g := range groups {
		var names []string
		for _, cmd := range g.make(&cli.App{}) {
			names = append(append(names, cmd.Name()), cmd.Aliases...)
		}
		assert.ElementsMatch(t, names, g.names)
	}
	all := commands(&cli.App{})
	for _, cmd := range all {
		made := commands(&cli.App{Args: []string{cmd.Name(), "--help"}})
		assert.Less(t, len(made), len(all))
		require.True(t, slices.ContainsFunc(made, func(other *cobra.Command) bool { return other.Name() == cmd.Name() }), cmd.Name())
	}
}

// answer is what the command line args prints if its commands are made for the words.
func answer(t *testing.T, words, args []string) string {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "answer"))
	require.NoError(t, err)
	defer file.Close()
	out := term.NewImpatientOutlet(file)
	c := &call{app: &cli.App{Out: out, Err: out, Log: slog.New(slog.DiscardHandler), Args: words, Waits: cli.NewWaits(nil)}}
	root := c.root()
	root.SetArgs(args)
	_ = root.ExecuteContext(t.Context())
	_, err = file.Seek(0, io.SeekStart)
	require.NoError(t, err)
	var text bytes.Buffer
	_, err = text.ReadFrom(file)
	require.NoError(t, err)
	return text.String()
}

func TestOneGroupAnswersAsAllDo(t *testing.T) {
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "credentials"))
	for _, args := range [][]string{
		{"exec", "--help"},
		{"list", "-h"},
		{"get", "--help"},
		{"rm", "--help"},
		{"version"},
		{"completion", "bash"},
		{"completion", "--help"},
		{"__complete", "exec", ""},
		{"__complete", "exec", "--r"},
		{"__complete", "env", "sredev", "--format", ""},
		{"__complete", "list", "--"},
		{"__complete", "completion", ""},
		{"__complete", ""},
		{"__complete", "l"},
		{"help", "exec"},
		{"--help"},
	} {
		want := answer(t, nil, args)
		assert.NotEmpty(t, want, args)
		assert.Equal(t, want, answer(t, args, args), "%q", args)
	}
}
