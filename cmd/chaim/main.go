// Command chaim borrows AWS credentials for as long as a program runs, or keeps them as a profile until they expire.
//
// "chaim help" lists its commands; the README of the module has them in a table.
package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/gatelogin"
	"github.com/chaim-go/chaim/cmd/chaim/internal/names"
	"github.com/chaim-go/chaim/cmd/chaim/internal/proc"
	"github.com/chaim-go/chaim/cmd/chaim/internal/setup"
	"github.com/chaim-go/chaim/cmd/chaim/internal/term"
	"github.com/chaim-go/chaim/internal/awaiting"
	"github.com/chaim-go/chaim/internal/awssts"
)

// version is set when a release is linked.
var version string

func main() {
	if code, isInit := proc.RunAsInit(); isInit {
		os.Exit(code)
	}
	os.Exit(run(os.Args[1:]))
}

// run runs the command with these arguments and returns its exit code.
func run(args []string) int {
	a := &cli.App{In: os.Stdin, Err: term.NewImpatientOutlet(os.Stderr), Log: slog.New(slog.DiscardHandler), Args: args, Version: version}
	if err := proc.CountNesting(); err != nil {
		a.Explain(err, cli.ExitFailed)
		return cli.ExitFailed
	}
	if err := proc.ForbidCoreDumps(); err != nil {
		a.Say("core dumps of this process, which would hold keys, cannot be switched off: %v", err)
	}
	takeSignals := proc.RelaySignals
	if onlyPrints(args) {
		takeSignals = proc.LeaveSignals
	}
	ctx, signals := takeSignals(context.Background())
	defer signals.Close()
	a.Signals, a.Out = signals, term.NewOutlet(ctx, os.Stdout)
	var tell func(string)
	if term.IsTerminal(a.Err) {
		tell = func(what string) { a.Say("waiting for %s", what) }
	}
	a.Waits = cli.NewWaits(tell)
	defer a.Waits.Close()

	ctx = awssts.NameSessions(awaiting.Observe(ctx, a.Waits.Begin), names.Users{})
	err := (&call{app: a}).run(ctx)
	if mayOfferSignIn(args) {
		var isSignedIn bool
		if isSignedIn, err = gatelogin.Offer(ctx, a, err); isSignedIn {
			err = (&call{app: a}).run(ctx)
		}
	}
	err = cmp.Or(err, a.Out.Failure())
	a.Err.Release()
	code := cli.ExitCode(err)
	a.Explain(err, code)
	return code
}

// call is one call of chaim: the root command with its flags.
type call struct {
	app       *cli.App
	log       cli.LogFlags
	closeLog  func() error
	isVersion bool
	isRunning bool // flags and arguments are right
}

// run executes the command, and closes its log.
func (c *call) run(ctx context.Context) error {
	err := c.execute(ctx)
	if c.closeLog != nil {
		err = errors.Join(err, c.closeLog())
	}
	return err
}

func (c *call) execute(ctx context.Context) error {
	root := c.root()
	if isCompletion(c.app.Args) {
		plainDescriptions(root)
		words := bufio.NewWriterSize(c.app.Out, 64<<10) // cobra writes each word alone
		defer words.Flush()                             // the outlet keeps its error
		root.SetOut(words)
	}
	root.SetArgs(c.app.Args)
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil && !c.isRunning {
		return cli.Usage(cli.PlainUsage(err) + "; usage: " + cmd.UseLine())
	}
	return err
}

func (c *call) root() *cobra.Command {
	a := c.app
	root := cli.Describe(&cobra.Command{
		Use:                        "chaim",
		SilenceErrors:              true,
		SilenceUsage:               true,
		DisableAutoGenTag:          true,
		SuggestionsMinimumDistance: 2,
		Args:                       cobra.ArbitraryArgs,
		PersistentPreRunE: func(*cobra.Command, []string) (err error) {
			log, done, err := c.log.Open(a.Err)
			if err == nil {
				a.Log, c.closeLog = log, done
			}
			return err
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case c.isVersion:
				return setup.PrintVersion(a, version)
			case len(args) == 0:
				return cmd.Help()
			}
			return noCommand(cmd, args[0])
		},
	})
	root.SetIn(a.In)
	root.SetOut(a.Out) // before cobra adds the completion command, which keeps today's stdout
	root.SetErr(a.Err)
	root.Flags().BoolVar(&c.isVersion, "version", false, "print the version of this program")
	flags := root.PersistentFlags()
	flags.CountVarP(&c.log.Verbosity, "verbose", "v", "say what happens (-v), and in detail (-vv)")
	flags.StringVar(&c.log.File, "log-file", "", "append the log to this `FILE`, made with mode 0600")
	flags.StringVar(&c.log.Format, "log-format", "text", "`FORMAT` of the log: text or json")
	_ = root.RegisterFlagCompletionFunc("log-format", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	root.AddGroup(
		&cobra.Group{ID: cli.GroupWork, Title: "Run programs with credentials:"},
		&cobra.Group{ID: cli.GroupProfiles, Title: "Profiles for the day:"},
		&cobra.Group{ID: cli.GroupPrograms, Title: "Credentials for programs and browsers:"},
		&cobra.Group{ID: cli.GroupSetUp, Title: "Set up and look after:"},
	)
	root.SetHelpCommandGroupID(cli.GroupSetUp)
	root.SetCompletionCommandGroupID(cli.GroupSetUp)
	root.AddCommand(commands(a)...)
	refuseUnknownTopics(root)
	cli.PlainArgs(root)
	root.SetFlagErrorFunc(cli.PlainFlags)
	c.noteRunning(root)
	return root
}

// noCommand refuses an unknown command, and suggests others.
func noCommand(root *cobra.Command, name string) error {
	var meant []string
	for _, cmd := range root.Commands() {
		if slices.Contains(cmd.SuggestFor, strings.ToLower(name)) {
			meant = append(meant, cmd.Name())
		}
	}
	if len(meant) == 0 {
		meant = root.SuggestionsFor(name)
	}
	if len(meant) == 0 {
		return cli.Usagef("there is no command %q", name)
	}
	return cli.Usagef("there is no command %q; did you mean %s?", name, strings.Join(meant, " or "))
}

// refuseUnknownTopics makes help and completion refuse unknown arguments. cobra answers them with a help text.
func refuseUnknownTopics(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd("completion") // cobra adds none if it is asked for completions
	for _, cmd := range root.Commands() {
		switch show := cmd.Run; cmd.Name() {
		case "help":
			cmd.Run, cmd.RunE = nil, func(cmd *cobra.Command, args []string) error {
				if found, rest, err := root.Find(args); err != nil || len(rest) > 0 || found == root && len(args) > 0 {
					return noCommand(root, strings.Join(args, " "))
				}
				show(cmd, args)
				return nil
			}
		case "completion":
			completeAfterDash(cmd)
			cmd.Args, cmd.RunE = cobra.ArbitraryArgs, func(*cobra.Command, []string) error {
				return cli.Usage("which shell? bash, zsh, fish or powershell")
			}
		}
	}
}

// noteRunning makes each command note that its flags and arguments are right.
func (c *call) noteRunning(cmd *cobra.Command) {
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			c.isRunning = true
			return run(cmd, args)
		}
	}
	for _, below := range cmd.Commands() {
		c.noteRunning(below)
	}
}

// plainDescriptions removes the marks around the name of a flag's value, which shells would show.
func plainDescriptions(cmd *cobra.Command) {
	plain := func(f *pflag.Flag) { f.Usage = strings.ReplaceAll(f.Usage, "`", "") }
	cmd.Flags().VisitAll(plain)
	cmd.PersistentFlags().VisitAll(plain)
	for _, below := range cmd.Commands() {
		plainDescriptions(below)
	}
}
