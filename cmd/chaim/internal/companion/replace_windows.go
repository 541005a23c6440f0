package companion

import (
	"context"
	"os/exec"

	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
)

// replace runs a program with the files of this one, and ends with its exit code.
func replace(ctx context.Context, a *cli.App, path string, words []string) error {
	cmd := exec.Command(path, words[1:]...)
	cmd.Args = words
	return a.Run(ctx, cmd)
}
