//go:build unix

package companion

import (
	"context"
	"os"
	"syscall"

	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/proc"
)

// replace runs a program in place of this one: with its process, files, signals and exit code.
func replace(ctx context.Context, _ *cli.App, path string, words []string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return proc.CannotStart(program, syscall.Exec(path, words, os.Environ()))
}
