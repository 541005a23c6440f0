// Package setup has the commands that set up chaim and tell about it: init, whoami, demo and version.
package setup

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/term"
)

// Commands returns the commands. version is that of the release; empty means unknown.
func Commands(a *cli.App, version string) []*cobra.Command {
	return []*cobra.Command{initCommand(a), whoamiCommand(a), demoCommand(a), versionCommand(a, version)}
}

func versionCommand(a *cli.App, version string) *cobra.Command {
	var asJSON bool
	cmd := cli.Describe(&cobra.Command{
		Use: "version", GroupID: cli.GroupSetUp, Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				return term.WriteJSON(a.Out, newBuild(version))
			}
			return PrintVersion(a, version)
		},
	})
	cli.AddJSONFlag(cmd, &asJSON)
	return cmd
}

// PrintVersion prints the version in a line.
func PrintVersion(a *cli.App, version string) error {
	b := newBuild(version)
	_, err := fmt.Fprintf(a.Out, "chaim %s (%s, %s)\n", b.Version, b.Go, b.Platform)
	return err
}

// build describes how this program was built.
type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"` // of the source, if the build knows it
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func newBuild(version string) build {
	b := build{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, isKnown := debug.ReadBuildInfo(); isKnown {
		b.Version = cmp.Or(b.Version, info.Main.Version)
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				b.Revision = setting.Value
			}
		}
	}
	b.Version = cmp.Or(b.Version, "(devel)")
	return b
}
