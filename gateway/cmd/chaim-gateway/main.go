// Command chaim-gateway is a server that lends temporary AWS keys to people, by policy, with a durable record of each.
//
// "chaim-gateway help" lists its commands. docs/gateway.md of the repository begins with the first five.
package main

import (
	"cmp"
	"context"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"
	_ "golang.org/x/crypto/x509roots/fallback" // for images without certificates
	_ "time/tzdata"                            // and without time zones, which the hours of a policy name

	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/cli"
	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/dev"
	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/people"
	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/rules"
	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/serving"
	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/setup"
	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/trail"
	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/trust"
)

// version is set when a release is linked.
var version string

// builtVersion is the version of this program, as far as it knows.
func builtVersion() string {
	if info, isKnown := debug.ReadBuildInfo(); isKnown {
		return cmp.Or(version, info.Main.Version, "(devel)")
	}
	return cmp.Or(version, "(devel)")
}

func main() { os.Exit(run(os.Args[1:])) }

// run runs the command with these arguments and returns its exit code.
func run(args []string) int {
	ctx, signals := cli.WatchSignals(context.Background())
	defer signals.Close()
	a := &cli.App{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Signals: signals}
	err := execute(ctx, a, args)
	if ctx.Err() != nil && err != nil && cli.ExitCode(err) == cli.ExitFailed {
		err = context.Cause(ctx)
	}
	a.Explain(err)
	return cli.ExitCode(err)
}

func execute(ctx context.Context, a *cli.App, args []string) error {
	root := newRoot(a)
	isRunning := false
	noteRunning(root, &isRunning)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err != nil && !isRunning && cli.ExitCode(err) == cli.ExitFailed { // cobra found it in the command line
		return cli.Usagef("%v", err)
	}
	return err
}

func newRoot(a *cli.App) *cobra.Command {
	root := &cobra.Command{
		Use:   "chaim-gateway",
		Short: "A server that lends temporary AWS keys to people",
		Long: `chaim-gateway lends temporary AWS keys to people: by a policy, and with a durable record of each. Its users ask it with chaim,
with the Python module chaim, or with cca.

The commands work on the database of the configuration. So a person who may read the configuration and the key ring has full
access, and the audit log names that person as NAME@HOST.

Exit codes: 0 success, 1 failed, 2 wrong usage, 3 denied by the policy, 4 the database or AWS did not answer; 128+N ended by
signal N. dev also has 126 (CMD cannot be run) and 127 (CMD not found); all its other codes are those of CMD.`,
		SilenceErrors: true, SilenceUsage: true,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return cli.Usagef("there is no command %q; 'chaim-gateway help' lists them", args[0])
			}
			return cmd.Help()
		},
	}
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	root.PersistentFlags().StringVarP(&a.ConfigPath, "config", "c", "",
		"`FILE` of the configuration (default $CHAIM_GATEWAY_CONFIG, then /etc/chaim-gateway/config.yaml)")
	built := builtVersion()
	root.AddCommand(dev.Command(a, built), serving.Command(a, built))
	root.AddCommand(setup.Commands(a, built)...)
	root.AddCommand(people.Commands(a)...)
	root.AddCommand(rules.Commands(a)...)
	root.AddCommand(trust.Commands(a)...)
	root.AddCommand(trail.Commands(a)...)
	root.SetFlagErrorFunc(cli.PlainFlags)
	cli.PlainArgs(root)
	return root
}

// noteRunning makes each command note that its flags and arguments are right.
func noteRunning(cmd *cobra.Command, isRunning *bool) {
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			*isRunning = true
			return run(cmd, args)
		}
	}
	for _, below := range cmd.Commands() {
		noteRunning(below, isRunning)
	}
}
