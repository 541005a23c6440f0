// Package companion has the command that runs chaim-gateway, the program of the gateway's module.
package companion

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/proc"
)

// program is the name of the gateway's program.
const program = "chaim-gateway"

// Command returns the command. All that follows its name goes to the program.
func Command(a *cli.App) *cobra.Command {
	return cli.Describe(&cobra.Command{
		Use: "gateway [COMMAND] [ARG...]", GroupID: cli.GroupSetUp, DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			self, err := os.Executable()
			if err != nil {
				self = "" // PATH is left
			}
			path, err := find(self)
			if err != nil {
				return err
			}
			return replace(cmd.Context(), a, path, append([]string{program}, args...))
		},
	})
}

// find returns the path of the program: beside the file self, links followed or not, or else in PATH.
func find(self string) (string, error) {
	places := []string{self}
	if target, err := filepath.EvalSymlinks(self); err == nil {
		places = append(places, target)
	}
	for _, place := range places {
		if place == "" {
			continue
		}
		beside := filepath.Join(filepath.Dir(place), program)
		if runtime.GOOS == "windows" {
			beside += ".exe"
		}
		if path, err := exec.LookPath(beside); err == nil {
			return path, nil
		}
	}
	path, err := exec.LookPath(program)
	switch {
	case err == nil:
		return path, nil
	case errors.Is(err, exec.ErrNotFound):
		return "", &proc.Error{Code: proc.NotFound, Text: program + " is neither beside chaim nor in PATH: install it with " +
			"'go install github.com/chaim-go/chaim/gateway/cmd/chaim-gateway@latest', or in a clone of the repository with " +
			"'go -C gateway install ./cmd/chaim-gateway'"}
	}
	return "", proc.CannotStart(program, err)
}
