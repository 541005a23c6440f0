// Command chaim borrows AWS credentials for as long as a program runs, or keeps them as a profile until they expire.
//
// "chaim help" lists its commands; the README of the module has them in a table.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/internal/awaiting"
	"github.com/chaim-go/chaim/internal/awssts"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/httpx"
	"github.com/chaim-go/chaim/internal/profiles"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

func main() {
	if code, isInit := runAsInit(); isInit {
		os.Exit(code)
	}
	a := &app{in: os.Stdin, out: newOutlet(os.Stdout), err: newOutlet(os.Stderr), log: slog.New(slog.DiscardHandler)}
	os.Exit(a.run(os.Args[1:]))
}

// app is one run of the command.
type app struct {
	in       *os.File
	out, err *outlet // data, talk
	signals  *relay
	waits    *waits
	args     []string

	isRunning bool // flags and arguments have been found right

	verbosity          int
	logFile, logFormat string
	log                *slog.Logger
	closeLog           func() error // nil without a log file
}

// run runs the command with these arguments and returns its exit code.
func (a *app) run(args []string) int {
	if err := countNesting(); err != nil {
		a.explain(err, exitFailed)
		return exitFailed
	}
	if err := forbidCoreDumps(); err != nil {
		a.say("core dumps of this process, which would hold keys, cannot be switched off: %v", err)
	}
	ctx, signals := relaySignals(context.Background())
	defer signals.close()
	a.signals, a.out.over, a.args = signals, ctx, args
	a.waits = &waits{patience: waitPatience}
	if isTerminal(a.err) {
		a.waits.tell = func(what string) { a.say("waiting for %s", what) }
	}
	defer a.waits.close()
	ctx = awaiting.Observe(ctx, a.waits.begin)
	root := a.rootCommand()
	if len(args) > 0 && strings.HasPrefix(args[0], cobra.ShellCompRequestCmd) {
		plainDescriptions(root)
	}
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil && !a.isRunning {
		err = usageError{plainUsage(err) + "; usage: " + cmd.UseLine()}
	}
	err = cmp.Or(err, a.out.failure())
	if a.closeLog != nil {
		err = errors.Join(err, a.closeLog())
	}
	a.err.release()
	code := exitCode(err)
	a.explain(err, code)
	return code
}

func (a *app) rootCommand() *cobra.Command {
	var isVersion bool
	root := &cobra.Command{
		Use:   "chaim",
		Short: "Borrow AWS credentials for as long as a piece of work runs",
		Long: `chaim gets temporary AWS credentials for an account and a role from a chaim gateway or from AWS STS, lends them to a
program as a profile of the shared credentials file, renews them while it runs, and takes them away when it ends.

What it prints for programs goes to stdout, what it says to people to stderr. On a terminal it says what it waits for once
that has taken 3 seconds.

Exit codes: 0 success, 1 failed, 2 wrong usage, 3 denied, 4 gateway or AWS unreachable, 5 credentials file locked;
128+N ended by signal N. Of exec and each also 126 (CMD cannot be run) and 127 (CMD not found); those of exec are
otherwise CMD's.`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		DisableAutoGenTag: true,
		PersistentPreRunE: func(*cobra.Command, []string) error { return a.openLog() },
		Args:              cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case isVersion:
				return a.printVersion()
			case len(args) == 0:
				return cmd.Help()
			}
			return noCommand(cmd, args[0])
		},
		SuggestionsMinimumDistance: 2,
	}
	root.SetIn(a.in)
	root.SetOut(a.out) // before there is a completion command, which keeps what stdout is now
	root.SetErr(a.err)
	root.Flags().BoolVar(&isVersion, "version", false, "print the version of this program")
	flags := root.PersistentFlags()
	flags.CountVarP(&a.verbosity, "verbose", "v", "say what happens (-v), and in detail (-vv)")
	flags.StringVar(&a.logFile, "log-file", "", "append the log to this `FILE`, made with mode 0600")
	flags.StringVar(&a.logFormat, "log-format", "text", "`FORMAT` of the log: text or json")
	_ = root.RegisterFlagCompletionFunc("log-format", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	root.AddGroup(
		&cobra.Group{ID: groupWork, Title: "Run programs with credentials:"},
		&cobra.Group{ID: groupProfiles, Title: "Profiles for the day:"},
		&cobra.Group{ID: groupPrograms, Title: "Credentials for programs and browsers:"},
		&cobra.Group{ID: groupSetUp, Title: "Set up and look after:"},
	)
	root.SetHelpCommandGroupID(groupSetUp)
	root.SetCompletionCommandGroupID(groupSetUp)
	root.AddCommand(a.commands()...)
	refuseUnknownTopics(root)
	plainArgs(root)
	root.SetFlagErrorFunc(plainFlags)
	a.noteRunning(root)
	return root
}

// noCommand refuses a command that is not there, with those that were probably meant.
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
	text := fmt.Sprintf("there is no command %q", name)
	if len(meant) > 0 {
		text += "; did you mean " + strings.Join(meant, " or ") + "?"
	}
	return usageError{text}
}

// The groups of the help text.
const (
	groupWork     = "work"
	groupProfiles = "profiles"
	groupPrograms = "programs"
	groupSetUp    = "set-up"
)

// refuseUnknownTopics has help and completion refuse what they do not know, which cobra answers with a help text.
func refuseUnknownTopics(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd("completion") // it makes none while it is asked for completions
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
			cmd.Args, cmd.RunE = cobra.ArbitraryArgs, func(*cobra.Command, []string) error {
				return usageError{"which shell? bash, zsh, fish or powershell"}
			}
		}
	}
}

// noteRunning has the commands note that flags and arguments have been found right.
func (a *app) noteRunning(cmd *cobra.Command) {
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			a.isRunning = true
			return run(cmd, args)
		}
	}
	for _, below := range cmd.Commands() {
		a.noteRunning(below)
	}
}

// openLog makes the log that the flags ask for: warnings go to stderr, more with -v, and from a level further down to the
// log file.
func (a *app) openLog() error {
	levels := []slog.Level{slog.LevelWarn, slog.LevelInfo, slog.LevelDebug}
	n := min(a.verbosity, len(levels)-1)
	if a.logFormat != "text" && a.logFormat != "json" {
		return fmt.Errorf("--log-format is text or json, not %q", a.logFormat)
	}
	toStderr := a.stderrLog(levels[n])
	if a.logFile == "" {
		a.log = slog.New(toStderr)
		return nil
	}
	file, err := sharedfile.OpenLog(a.logFile)
	if err != nil {
		return errtext.Wrap(err, "log file")
	}
	a.closeLog = file.Close
	toFile := a.logTo(newOutlet(file), &slog.HandlerOptions{Level: levels[min(n+1, len(levels)-1)]})
	a.log = slog.New(slog.NewMultiHandler(toStderr, toFile))
	return nil
}

// stderrLog is for people on a terminal, and elsewhere leaves out the time.
func (a *app) stderrLog(level slog.Level) slog.Handler {
	if a.logFormat == "json" {
		return a.logTo(a.err, &slog.HandlerOptions{Level: level})
	}
	if isTerminal(a.err) {
		return talk{w: a.err, level: level}
	}
	withoutTime := func(groups []string, attr slog.Attr) slog.Attr {
		if len(groups) == 0 && attr.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return attr
	}
	return a.logTo(a.err, &slog.HandlerOptions{Level: level, ReplaceAttr: withoutTime})
}

func (a *app) logTo(w *outlet, opts *slog.HandlerOptions) slog.Handler {
	if a.logFormat == "json" {
		return slog.NewJSONHandler(w, opts)
	}
	return slog.NewTextHandler(w, opts)
}

// say tells people something on stderr.
func (a *app) say(format string, args ...any) {
	fmt.Fprintf(a.err, "chaim: "+format+"\n", args...)
}

// descriptor is an open file.
type descriptor interface{ Fd() uintptr }

// isTerminal reports whether a person reads or writes there.
func isTerminal(f descriptor) bool { return term.IsTerminal(int(f.Fd())) }

// withClient runs fn with a client that is closed afterwards. An empty account makes one for what there is already.
func (a *app) withClient(opts chaim.Options, fn func(*chaim.Client) error) (err error) {
	opts.Logger = a.log
	c, err := chaim.New(opts)
	if err != nil {
		return a.asUsage(opts, err)
	}
	// Other than a gateway, STS is asked in the way that the AWS SDK is configured for.
	if _, err := c.Endpoint(context.Background()); err == nil && opts.HTTPClient == nil && a.log.Enabled(context.Background(), slog.LevelDebug) {
		roots, err := awssts.TrustedRoots(profiles.AWSFiles{})
		if err != nil {
			return errors.Join(err, c.Close())
		}
		transport := httpx.NewTransport(roots)
		defer transport.CloseIdleConnections()
		opts.HTTPClient = &http.Client{Transport: noting{transport, a.log}}
		if err := c.Close(); err != nil {
			return err
		}
		if c, err = chaim.New(opts); err != nil {
			return err
		}
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	return fn(c)
}

// withKeys is withClient for one that has keys.
func (a *app) withKeys(ctx context.Context, opts chaim.Options, fn func(*chaim.Client) error) error {
	return a.withClient(opts, func(c *chaim.Client) error {
		if _, err := requestKeys(ctx, c, opts.Account); err != nil {
			return err
		}
		return fn(c)
	})
}

// noting is a transport that logs what is asked of whom, but not what for, nor with which secrets.
type noting struct {
	next http.RoundTripper
	log  *slog.Logger
}

func (n noting) RoundTrip(r *http.Request) (*http.Response, error) {
	start := time.Now()
	resp, err := n.next.RoundTrip(r)
	line := n.log.With("method", r.Method, "host", r.URL.Host, "path", r.URL.Path, "took", time.Since(start))
	if err != nil {
		line.Debug("chaim: request failed") // why is in an error that has been looked through for secrets
		return nil, err
	}
	line.Debug("chaim: request answered", "status", resp.StatusCode)
	return resp, nil
}

// withFiles is withClient for what asks no server, and works whatever is wrong with the settings of the gateway.
func (a *app) withFiles(fn func(*chaim.Client) error) error {
	return a.withClient(chaim.Options{Source: noSource}, fn)
}

// noSource is for a client that gets no keys.
var noSource = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
	return aws.Credentials{}, errors.New("chaim: no source of keys is asked")
})
