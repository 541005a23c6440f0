package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/internal/awsenv"
	"github.com/chaim-go/chaim/internal/errtext"
	wire "github.com/chaim-go/chaim/internal/gateway"
	"github.com/chaim-go/chaim/internal/humantime"
	"github.com/chaim-go/chaim/internal/partition"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// initFlags are what settings are made of.
type initFlags struct {
	endpoint, user, tokenFile, region string
	slackID, workspaceID              string
	isUntested                        bool
}

func (a *app) initCommand() *cobra.Command {
	var s initFlags
	cmd := &cobra.Command{
		Use:        "init [STRING | -]",
		SuggestFor: []string{"login", "configure", "setup"},
		GroupID:    groupSetUp,
		Short:      "Set up a gateway from its init string, or from answers",
		Long: `init stores the settings of a chaim gateway in the section [default] of the credentials file: the URL, your user name and
your user token, which is a secret. Everything else there stays as it is.

They come from the init string that the gateway hands out, from --endpoint, --user and --token-file, or, on a terminal, from
questions, which come again until the answers will do; what you type of secrets is not shown. The init string may stand in a
command such as "cca init STRING", or in the whole message that it came in. An argument is seen by every user of the machine while chaim runs, and
stays in the shell's history, so give the init string as an answer or, for -, on the standard input. A token file must be a
regular file of yours that others can neither read nor write (on Windows that is not checked).

Before anything is stored the gateway is asked for keys of an account that does not exist, which tells whether it accepts the
token: settings that it refuses change nothing. Some gateways know their users by Slack ids. These are in the init string, are
asked for, or come from --slack-id and --workspace-id; those that are stored for the same user stay.`,
		Example: `  chaim init
  chaim init - <init-string.txt
  chaim init --endpoint https://chaim.example.com/prod/ --user alice --token-file ~/.chaim-token`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.init(cmd.Context(), s, args)
		},
	}
	f := cmd.Flags()
	f.StringVar(&s.endpoint, "endpoint", "", "`URL` of the gateway: https, or http on a loopback address such as 127.0.0.1")
	f.StringVar(&s.user, "user", "", "chaim user `NAME`")
	f.StringVar(&s.tokenFile, "token-file", "", "`FILE` with the user token; may be a pipe")
	f.StringVar(&s.slackID, "slack-id", "", "`ID` of you in Slack, where the gateway knows its users by that")
	f.StringVar(&s.workspaceID, "workspace-id", "", "`ID` of the Slack workspace")
	f.StringVarP(&s.region, "region", "R", "", "AWS `REGION` of profiles (default that in [default], then that of the init string)")
	f.BoolVar(&s.isUntested, "no-test", false, "store the settings without asking the gateway")
	_ = cmd.RegisterFlagCompletionFunc("region", completeRegions)
	cmd.MarkFlagsRequiredTogether("slack-id", "workspace-id")
	cmd.MarkFlagsRequiredTogether("endpoint", "user", "token-file")
	return cmd
}

// init gets the settings, tests them and stores them.
func (a *app) init(ctx context.Context, s initFlags, args []string) error {
	if s.endpoint == "" && (len(args) == 0 || args[0] == "-") && isTerminal(a.in) {
		settings, err := a.askUntilGood(ctx, s, len(args) == 1)
		if err != nil {
			return err
		}
		return a.storeSettings(ctx, settings)
	}
	settings, err := a.readSettings(ctx, s, args)
	if err != nil {
		return err
	}
	stored, _ := a.storedSettings(ctx)
	settings, err = a.withRegion(settings, s.region, stored.Region)
	if err != nil {
		return err
	}
	settings.SlackID, settings.WorkspaceID = cmp.Or(s.slackID, settings.SlackID), cmp.Or(s.workspaceID, settings.WorkspaceID)
	settings = withStored(settings, stored)
	if !s.isUntested {
		if err := a.testSettings(ctx, settings); lacksSlackIDs(err) {
			return fmt.Errorf("%w: give your ids there with --slack-id and --workspace-id", err)
		} else if err != nil {
			return err
		}
	}
	return a.storeSettings(ctx, settings)
}

// testSettings asks the gateway whether it accepts the user and the token.
func (a *app) testSettings(ctx context.Context, settings chaim.Settings) error {
	err := a.withClient(chaim.Options{Settings: &settings}, func(c *chaim.Client) error { return c.CheckToken(ctx) })
	if err != nil {
		return errtext.Wrap(err, "nothing was stored, as the settings failed their test")
	}
	return nil
}

// readSettings gets the settings where there is no person to ask.
func (a *app) readSettings(ctx context.Context, s initFlags, args []string) (settings chaim.Settings, err error) {
	switch {
	case len(args) == 1 && s.endpoint != "":
		return settings, usageError{"settings come from an init string or from --endpoint, --user and --token-file, not from both"}
	case s.endpoint != "":
		settings = chaim.Settings{Endpoint: s.endpoint, Username: s.user}
		settings.UserToken, err = readTokenFile(ctx, s.tokenFile)
	case len(args) == 1 && args[0] != "-":
		a.say("the init string holds your token; as an argument it is in the shell's history, and all users of this machine could see it")
		a.say("'chaim init -' reads it from the standard input")
		settings, err = chaim.ParseInit(args[0])
	case len(args) == 1:
		var text string
		if text, err = await(ctx, func() (string, error) { return readAll(a.in) }); err != nil {
			return settings, errtext.Wrap(err, "init string on the standard input")
		}
		settings, err = chaim.ParseInit(text)
	default:
		return settings, usageError{"there is no terminal to ask you on: give - and the init string on the standard input, " +
			"or --endpoint, --user and --token-file"}
	}
	return settings, err
}

// readTokenFile reads a secret that is for its owner only.
func readTokenFile(ctx context.Context, path string) (token string, err error) {
	defer func() {
		if err != nil {
			err = errtext.Wrap(err, "token file")
		}
	}()
	text, info, err := sharedfile.ReadInput(ctx, path) // also of a shell's <(command)
	switch {
	case err == nil:
		err = checkPrivate(info)
	case info == nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission):
		return "", fmt.Errorf("chaim: %q is neither a regular file nor a pipe", path)
	}
	if err == nil {
		token, err = readSecret(bytes.NewReader(text))
	}
	if err != nil {
		return "", errtext.Wrap(err, "%q", path)
	}
	return token, nil
}

// withRegion returns settings with the region that profiles shall have: what is given or, without that, what is stored. SDKs
// use that of [default] for all that names no region, so it stays. Where it is not the gateway's, the gateway is named by its
// URL and not by API and stage.
func (a *app) withRegion(s chaim.Settings, given, stored string) (chaim.Settings, error) {
	if given == "" && stored != "" && partition.CheckRegion(stored) != nil {
		return s, errtext.Wrap(partition.CheckRegion(stored), "section [default] (correct it there, or give a region with -R)")
	}
	region, of := cmp.Or(given, stored, s.Region), cmp.Or(s.Region, partition.DefaultRegion)
	url, err := wire.APIURL(s.API, s.Stage, of, "")
	if s.Endpoint == "" && err == nil && region != "" && region != of {
		a.say("profiles get region %s and the gateway is in %s, so its URL is stored as endpoint, which the original programs cannot read; -R %s makes both the same",
			region, of, of)
		s.Endpoint, s.API, s.Stage = url, "", ""
	}
	s.Region = region
	return s, nil
}

// storeSettings stores settings, and says so.
func (a *app) storeSettings(ctx context.Context, settings chaim.Settings) error {
	if err := settings.Store(ctx, ""); err != nil {
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
	a.say("the settings of user %+q are in section [default] of %+q%s", settings.Username, path, ends)
	for _, name := range gatewayVariables {
		if os.Getenv(name) != "" {
			a.say("%s is set, so the settings of the environment are used and not these", name)
			break
		}
	}
	return nil
}
