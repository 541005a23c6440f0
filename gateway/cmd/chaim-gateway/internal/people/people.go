// Package people has the commands about users, groups and tokens.
package people

import (
	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/cli"
)

// Commands returns the commands.
func Commands(a *cli.App) []*cobra.Command {
	return []*cobra.Command{userCommand(a), groupCommand(a), tokenCommand(a)}
}
