// Package setup has the commands that make a gateway and look after its files: init, migrate, check, keys, backup, restore and
// version.
package setup

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/cli"
	"github.com/chaim-go/chaim/gateway/internal/store"
)

// Commands returns the commands. version is that of the program.
func Commands(a *cli.App, version string) []*cobra.Command {
	return []*cobra.Command{
		initCommand(a), migrateCommand(a), checkCommand(a), keysCommand(a), backupCommand(a), restoreCommand(a), versionCommand(a, version),
	}
}

func versionCommand(a *cli.App, version string) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(a.Out, "chaim-gateway %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}

func migrateCommand(a *cli.App) *cobra.Command {
	return &cobra.Command{
		Use: "migrate", Short: "Make the tables of the database, or bring them up to this version", Args: cobra.NoArgs,
		Long: `migrate makes the tables, or brings those of an older version up to this one. Replicas of the version before go on working.

On PostgreSQL it runs as the owner of the tables. Give serve_role=NAME in its URL, and the role NAME may then serve: it may
add to the audit log, but neither change nor delete there.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, _, err := a.Config()
			if err != nil {
				return err
			}
			if err := store.Migrate(cmd.Context(), c.Database.Reveal()); err != nil {
				return err
			}
			a.Say("the database %s is up to date", c.Where())
			return nil
		},
	}
}
