package setup

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/gatelogin"
	"github.com/chaim-go/chaim/cmd/chaim/internal/request"
	"github.com/chaim-go/chaim/cmd/chaim/internal/term"
	"github.com/chaim-go/chaim/internal/awsenv"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/gateway"
	"github.com/chaim-go/chaim/internal/humantime"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/partition"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// pasteGap is the longest time between two lines of a text that is pasted into a terminal.
const pasteGap = 50 * time.Millisecond

// initOptions say where the settings come from.
type initOptions struct {
	endpoint, user, tokenFile, region string
	slackID, workspaceID              string
	isUntested                        bool
	isAsked                           bool // a person answers questions
}

func initCommand(a *cli.App) *cobra.Command {
	var o initOptions
	cmd := cli.Describe(&cobra.Command{
		Use: "init [STRING | -]", SuggestFor: []string{"configure", "setup"}, GroupID: cli.GroupSetUp,
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error { return setUp(cmd.Context(), a, o, args) },
	})
	f := cmd.Flags()
	f.StringVar(&o.endpoint, "endpoint", "", "`URL` of the gateway: https, or http on a loopback address such as 127.0.0.1")
	f.StringVar(&o.user, "user", "", "chaim user `NAME`")
	f.StringVar(&o.tokenFile, "token-file", "", "`FILE` with the user token; may be a pipe")
	f.StringVar(&o.slackID, "slack-id", "", "your user `ID` in Slack, if the gateway knows its users by it")
	f.StringVar(&o.workspaceID, "workspace-id", "", "`ID` of the Slack workspace")
	f.StringVarP(&o.region, "region", "R", "", "AWS `REGION` of profiles (default: that in [default], then that of the init string)")
	f.BoolVar(&o.isUntested, "no-test", false, "store the settings without asking the gateway")
	_ = cmd.RegisterFlagCompletionFunc("region", request.CompleteRegions)
	cmd.MarkFlagsRequiredTogether("slack-id", "workspace-id")
	cmd.MarkFlagsRequiredTogether("endpoint", "user", "token-file")
	return cmd
}

// setUp gets settings, tests them and stores them. On a terminal it asks until they pass: a shell would run the answers to
// questions that do not come.
func setUp(ctx context.Context, a *cli.App, o initOptions, args []string) error {
	o.isAsked = o.endpoint == "" && (len(args) == 0 || args[0] == "-") && term.IsTerminal(a.In)
	if o.isAsked {
		defer func() { _ = term.DropInput(a.In) }() // such as the rest of a message
	}
	if o.isAsked && len(args) == 0 && o == (initOptions{isAsked: true}) {
		switch isDone, err := offer(ctx, a); {
		case errors.Is(err, term.ErrNoAnswer):
			return cli.Usage(errtext.Unprefixed(err))
		case err != nil || isDone:
			return err
		}
	}
	return setUpGateway(ctx, a, o, args)
}

// setUpGateway is setUp for a gateway, or for an Identity Center whose start URL a person gives in place of an init string.
func setUpGateway(ctx context.Context, a *cli.App, o initOptions, args []string) error {
	stored, err := cli.StoredSettings()
	if err != nil { // nothing could be stored
		return err
	}
	known := stored
	var refused error
	for {
		var settings chaim.Settings
		region := ""
		if o.isAsked {
			settings, region, err = askSettings(ctx, a, len(args) == 1, known)
		} else {
			settings, err = o.read(ctx, a, args)
		}
		if err == nil {
			settings, err = withRegion(a, settings, cmp.Or(o.region, region), stored.Region)
		}
		given := startURLGiven{}
		switch {
		case errors.As(err, &given):
			return addCenter(ctx, a, given.Error())
		case errors.Is(err, term.ErrNoAnswer):
			return cmp.Or(refused, cli.Usage(errtext.Unprefixed(err)))
		case err != nil && ctx.Err() == nil:
			return cmp.Or(refused, err)
		case err != nil:
			return err
		}
		settings = o.withIDs(settings, known)
		err = o.test(ctx, a, &settings)
		switch {
		case err == nil:
			return store(ctx, a, settings)
		case !o.isAsked || ctx.Err() != nil:
			return err
		}
		a.Say("%s", errtext.Unprefixed(err))
		known, refused = settings, err
	}
}

// store stores settings, and says so.
func store(ctx context.Context, a *cli.App, settings chaim.Settings) error {
	if err := gatelogin.Store(ctx, a, settings); err != nil {
		return errtext.Wrap(err, "storing the settings")
	}
	path, err := awsenv.CredentialsPath("")
	if err != nil {
		return err
	}
	ends := ""
	if !settings.TokenExpires.IsZero() {
		ends = "; the user token ends " + humantime.Until(settings.TokenExpires, time.Now())
	}
	a.Say("the settings of user %+q are in section [default] of %+q%s", settings.Username, path, ends)
	if names := cli.GatewayVariables(); len(names) > 0 {
		a.Say("%s is set, so the settings of the environment are used and not these", names[0])
	}
	return nil
}

// read gets the settings without a person to ask.
func (o initOptions) read(ctx context.Context, a *cli.App, args []string) (settings chaim.Settings, err error) {
	switch {
	case len(args) == 1 && o.endpoint != "":
		return settings, cli.Usage("settings come from an init string or from --endpoint, --user and --token-file, not from both")
	case o.endpoint != "":
		settings = chaim.Settings{Endpoint: o.endpoint, Username: o.user}
		settings.UserToken, err = readTokenFile(ctx, o.tokenFile)
		return settings, err
	case len(args) == 0:
		return settings, cli.Usage("there is no terminal to ask you on: give - and the init string on the standard input, " +
			"or --endpoint, --user and --token-file" + tellFound())
	case args[0] != "-":
		a.Say("the init string holds your token; as an argument it is in the shell's history, and all users of this machine could see it")
		a.Say("'chaim init -' reads it from the standard input")
		return chaim.ParseInit(args[0])
	}
	text, err := term.Await(ctx, func() (string, error) { return term.ReadAll(a.In) })
	if err != nil {
		return settings, errtext.Wrap(err, "init string on the standard input")
	}
	return chaim.ParseInit(text)
}

// readTokenFile reads a secret that only its owner may read.
func readTokenFile(ctx context.Context, path string) (token string, err error) {
	text, info, err := sharedfile.ReadInput(ctx, path) // may be <(command) of a shell
	switch {
	case err == nil:
		err = checkPrivate(info)
	case info == nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission):
		return "", fmt.Errorf("chaim: token file: %q is neither a regular file nor a pipe", path)
	}
	if err == nil {
		token, err = term.ReadSecret(bytes.NewReader(text))
	}
	if err != nil {
		return "", errtext.Wrap(err, "token file: %q", path)
	}
	return token, nil
}

// withRegion adds the region of profiles: the given one, or else the stored one, which SDKs use if a program names none. If
// the gateway has another region, its URL replaces API and stage.
func withRegion(a *cli.App, s chaim.Settings, given, stored string) (chaim.Settings, error) {
	if err := partition.CheckRegion(stored); err != nil && stored != "" && given == "" {
		return s, errtext.Wrap(err, "section [default] (correct it there, or give a region with -R)")
	}
	region, own := cmp.Or(given, stored, s.Region), cmp.Or(s.Region, partition.DefaultRegion)
	url, err := gateway.APIURL(s.API, s.Stage, own, "")
	if s.Endpoint == "" && err == nil && region != "" && region != own {
		a.Say("profiles get region %s and the gateway is in %s, so its URL is stored as endpoint, which the original programs cannot read; -R %s makes both the same",
			region, own, own)
		s.Endpoint, s.API, s.Stage = url, "", ""
	}
	s.Region = region
	return s, nil
}

// withIDs adds the Slack ids of the flags, or those that stay in [default] for the same user.
func (o initOptions) withIDs(s, stored chaim.Settings) chaim.Settings {
	if stored.Username != "" && stored.Username != s.Username {
		stored = chaim.Settings{}
	}
	s.SlackID = cmp.Or(o.slackID, s.SlackID, stored.SlackID)
	s.WorkspaceID = cmp.Or(o.workspaceID, s.WorkspaceID, stored.WorkspaceID)
	return s
}

// test asks the gateway whether it accepts the user and the token. If it needs Slack ids, a person can add them.
func (o initOptions) test(ctx context.Context, a *cli.App, s *chaim.Settings) error {
	if o.isUntested {
		return nil
	}
	check := func() error {
		err := a.Client(chaim.Options{Settings: s}, func(c *chaim.Client) error { return c.CheckToken(ctx) })
		if err == nil {
			return nil
		}
		err = errtext.Wrap(err, "nothing was stored, as the settings failed their test")
		if isOfNewProtocol(*s, err) {
			err = errtext.Chain(err.Error()+"; the token is one of a chaim-gateway, so try 'chaim login "+keys.Printable(s.Endpoint)+"'", err)
		}
		return err
	}
	err := check()
	switch {
	case !cli.LacksSlackIDs(err):
		return err
	case !o.isAsked:
		return fmt.Errorf("%w: give your ids there with --slack-id and --workspace-id", err)
	case s.SlackID+s.WorkspaceID != "":
		return err
	}
	a.Say("this gateway knows its users by their Slack ids; the command /identify in Slack tells yours")
	user, workspace := question{"Slack user id", "", false, &s.SlackID}, question{"Slack workspace id", "", false, &s.WorkspaceID}
	if ask(ctx, a, user, workspace) != nil {
		return err
	}
	return check()
}

// isOfNewProtocol reports whether settings without a protocol failed because the gateway may speak only protocol v1: the token
// looks like one of a gateway that does, and the answer was not that of a gateway with forms.
func isOfNewProtocol(s chaim.Settings, failed error) bool {
	refusal := (*chaim.GatewayError)(nil)
	isOdd := errors.As(failed, &refusal) && refusal.Kind == "" && !errors.Is(failed, chaim.ErrUnreachable)
	return isOdd && s.Protocol == "" && s.Endpoint != "" && strings.HasPrefix(s.UserToken, "chm1_")
}

// askInitString asks for an init string. Unless that must be given, it may be empty.
func askInitString(ctx context.Context, a *cli.App, mustBeGiven bool) (settings chaim.Settings, isGiven bool, err error) {
	const again = "Init string (not shown)"
	question, text := again, ""
	if !mustBeGiven {
		question = "Init string (not shown; empty to answer one by one)"
	}
	for {
		line, err := term.Ask(ctx, a.In, a.Err, question, true)
		if err != nil {
			return settings, false, err
		}
		text += "\n" + line
		isEmpty := strings.TrimSpace(text) == ""
		if isEmpty && !mustBeGiven {
			return settings, false, nil
		}
		if err := asStartURL(text); err != nil && !mustBeGiven {
			return settings, false, err
		}
		if settings, err = chaim.ParseInit(text); err == nil {
			return settings, true, nil
		}
		if !isEmpty && term.HasInput(a.In, pasteGap) { // the text goes on
			question = ""
			continue
		}
		a.Say("%s", errtext.Unprefixed(err))
		question, text = again, ""
	}
}

// askSettings asks for an init string or, unless that must be given, for each setting. An empty answer leaves a known
// setting. region is an answer, and that of profiles; the region of the settings is the gateway's.
func askSettings(
	ctx context.Context, a *cli.App, mustBeString bool, known chaim.Settings,
) (s chaim.Settings, region string, err error) {
	s, isGiven, err := askInitString(ctx, a, mustBeString)
	if err != nil || isGiven {
		return s, "", err
	}
	s, region = known, cmp.Or(known.Region, partition.DefaultRegion)
	s.UserToken, s.TokenExpires, s.Extra = "", time.Time{}, nil
	url := known.Endpoint
	if url == "" && known.API != "" {
		url, _ = gateway.APIURL(known.API, known.Stage, region, "")
	}
	err = ask(ctx, a,
		question{"Gateway URL", url, false, &s.Endpoint}, question{"User name", known.Username, false, &s.Username},
		question{"User token (not shown)", "", true, &s.UserToken}, question{"Region", region, false, &region})
	if s.Endpoint != known.Endpoint {
		s.Protocol = ""
	}
	if s.Username != known.Username {
		s.SlackID, s.WorkspaceID = "", ""
	}
	return s, region, err
}

// question asks for a setting. An empty answer leaves it as it is.
type question struct {
	text, empty string // empty is what an empty answer stands for, if there is something
	isSecret    bool
	setting     *string
}

func ask(ctx context.Context, a *cli.App, questions ...question) error {
	for _, q := range questions {
		text := q.text
		if q.empty != "" {
			text += " (empty for " + keys.Printable(q.empty) + ")"
		}
		answer, err := term.Ask(ctx, a.In, a.Err, text, q.isSecret)
		if err != nil {
			return err
		}
		*q.setting = cmp.Or(answer, *q.setting)
	}
	return nil
}
