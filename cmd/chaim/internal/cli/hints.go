package cli

import (
	"cmp"
	"context"
	"errors"
	"os"
	"strings"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/internal/awsenv"
	"github.com/chaim-go/chaim/internal/awssts"
	"github.com/chaim-go/chaim/internal/gateway"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/profiles"
	"github.com/chaim-go/chaim/internal/settingsfile"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// What to do, for several errors.
const (
	NewToken    = "get a new user token from your gateway, such as by its command in Slack, and give its init string to 'chaim init'"
	NewKeys     = "run 'chaim init', or log in, or name a profile with keys in AWS_PROFILE"
	PassGateway = "the chaim that runs this one did not pass on CHAIM_TOKEN: give 'chaim exec' or 'chaim each' the flag --pass-gateway"
	setUp       = "'chaim init' looks for what this machine has, and sets up the rest"
)

// GatewayVariables returns the variables that are set of those that name a gateway and its user. One of them makes the
// environment the only source.
func GatewayVariables() []string {
	_, set := gateway.SettingsFromEnv()
	return set
}

// NewTokenOf says how to get a new user token for settings whose token has ended.
func NewTokenOf(s chaim.Settings) string {
	text := NewToken
	if s.Protocol == gateway.V1 {
		text = "run 'chaim login " + keys.Printable(s.Endpoint) + "'"
	}
	if also := unsetVariables(); also != "" {
		text += "; " + also
	}
	return text
}

// unsetVariables says what must go from the environment before the settings that a sign-in stores count. It is empty if
// nothing must.
func unsetVariables() string {
	names := GatewayVariables()
	if len(names) == 0 {
		return ""
	}
	return "the environment comes before the settings that are stored, so also unset " + strings.Join(names, ", ")
}

// StoredSettings returns the settings in the section [default] of the credentials file. They may be incomplete, and are empty
// if there is no file.
func StoredSettings() (chaim.Settings, error) {
	stored, err := settingsfile.Read("")
	return chaim.Settings(stored), err
}

// GatewaySource says where the settings of a client's gateway come from. It is empty if no gateway is configured.
func GatewaySource(ctx context.Context, c *chaim.Client) string {
	section, _ := c.DefaultSection(ctx) // empty if it cannot be read
	isInFile := section.Value("endpoint")+section.Value("api") != ""
	switch names := strings.Join(GatewayVariables(), ", "); {
	case names != "" && isInFile:
		return "the environment (" + names + "), and not from section [default] of the credentials file"
	case names != "":
		return "the environment (" + names + ")"
	case isInFile:
		path, _ := awsenv.CredentialsPath("")
		return "section [default] of " + path
	}
	return ""
}

// CommonRoles are the aliases that all gateways have.
var CommonRoles = []string{"rro", "mpu", "spu", "apu"}

// LacksToken reports whether another chaim runs this one, and did not pass on the token of its gateway.
func LacksToken() bool {
	return os.Getenv("CHAIM_ACCOUNT") != "" && os.Getenv(awsenv.GatewayToken) == "" && os.Getenv("CHAIM_URL")+os.Getenv("CHAIM_API") != ""
}

// LacksSlackIDs reports whether a gateway refused a user for missing or unknown Slack ids.
func LacksSlackIDs(err error) bool {
	refusal := (*chaim.GatewayError)(nil)
	return errors.As(err, &refusal) && strings.Contains(refusal.Message, "workspace and slack ids")
}

// Hint says what may help after an error, or nothing. It looks for texts of gateways: errors out of the cache, and those of
// each, have lost their type.
func Hint(err error, code int) string {
	text := err.Error()
	switch {
	case strings.Contains(text, "usertoken has expired"), strings.Contains(text, "Invalid token"):
		return NewToken
	case strings.Contains(text, "Role not recognised"), strings.Contains(text, "Role not found"):
		return "a role is one of the aliases " + strings.Join(CommonRoles, ", ") + ", another alias of your gateway, or the full name of a role"
	case (errors.Is(err, chaim.ErrNotConfigured) || gateway.AsSignedOut(err) != nil) && LacksToken():
		return PassGateway
	case (gateway.AsSignedOut(err) != nil || strings.Contains(text, ": run 'chaim login http")) && unsetVariables() != "":
		return unsetVariables()
	case SignInAgain(err) != "":
		return SignInAgain(err)
	case strings.Contains(text, noRole):
		return cmp.Or(whyNotAsked(""), NewKeys)
	case errors.Is(err, chaim.ErrNotConfigured):
		return setUp
	case errors.Is(err, profiles.ErrEndless):
		return "'chaim exec' lends them while a program runs"
	case errors.Is(err, sharedfile.ErrNoStore):
		return "'chaim exec' with --serve or --env stores nothing"
	case code == ExitUnreachable:
		return "'chaim doctor' looks for the reason"
	}
	return ""
}

// SignInAgain says how to sign in again if the AWS SDK needs a sign-in that has ended or is missing. The SDK has no types
// for that, only texts.
func SignInAgain(err error) string {
	profile := ""
	if name := os.Getenv("AWS_PROFILE"); name != "" {
		profile = " --profile " + keys.Printable(name)
	}
	switch text := err.Error(); {
	case strings.Contains(text, ": run 'aws login"), errors.Is(err, chaim.ErrSignedOut): // the error says it
		return ""
	case awssts.IsLoginOver(err):
		return "run 'aws login" + profile + "'"
	case strings.Contains(text, "the SSO session has expired or is invalid"), strings.Contains(text, "cached SSO token"):
		return "run 'chaim login' or 'aws sso login" + profile + "'"
	}
	return ""
}

// noRole ends the error when the AWS SDK finds no keys at all.
const noRole = "this machine has no EC2 role"

// FoundNoKeys reports whether the AWS SDK failed because there are no keys.
func FoundNoKeys(err error) bool { return errors.Is(err, awssts.ErrNoKeys) }

// inFlags puts what the library says of its options into words of the command line.
var inFlags = strings.NewReplacer(" or AllowInsecure", " or --insecure", ", and no Options.Broker or Source", "", "Options.Settings", "the settings")

// Plainly is a line of an error in words of the command line.
func Plainly(line string) string {
	return inFlags.Replace(strings.TrimPrefix(strings.TrimSpace(line), "chaim: "))
}
