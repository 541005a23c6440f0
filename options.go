package chaim

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/remote"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

const (
	defaultRole = "rro"

	// What STS accepts for a role session.
	// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
	minDuration = 15 * time.Minute
	maxDuration = 12 * time.Hour
)

// Options say which credentials a [Client] is for and how it keeps them. Only Account is required.
type Options struct {
	// Account is the full name or the 12-digit id of the account. Only a gateway knows names: one that it could misread, such
	// as one with a space, is looked up in its list of accounts, and asked for by the id. Empty is for a Client
	// that gets no keys of its own but lists, renews, parks or deletes what there is.
	Account string
	// AccountID is the 12-digit id of the account, where Account is its name. Keys are asked for by it, whatever account has
	// the name by now, and those for another account are refused. Empty means that Account alone says which account it is.
	AccountID string
	// Role is the role to assume in that account. It is a role name, a role ARN, or an alias that the gateway knows, such
	// as "rro" or "mpu". Empty means "rro". Without a gateway "rro", "mpu", "spu" and "apu" stand for CrossAccountReadOnly,
	// CrossAccountPowerUser, CrossAccountSysAdmin and CrossAccountAdminUser.
	Role string
	// Duration is how long each set of keys is valid. It is whole seconds, 15 minutes to 12 hours. Zero means 1 hour, or
	// 15 minutes in a program built with the tag "dev".
	Duration time.Duration
	// Region is the AWS region of the profile and its keys. Without a gateway it is also that of the STS to ask. Empty means the first
	// of these that there is: AWS_REGION, AWS_DEFAULT_REGION, the region of the AWS config file for the profile of that
	// name, for one of the account's name, for AWS_PROFILE and for [default], that of the gateway's settings or the Source, one of the role's partition,
	// "eu-west-1". A misspelt region and a zone such as "us-east-1a" are refused. A profile that is kept is written without
	// a region where the AWS config file has one for its name, unless this is another.
	Region string
	// TempName is the name of the profile. Empty means "tempname", or "tempname-" and 12 random characters while that
	// name is taken. A name given here that is taken is [ErrInUse]; a profile of another tool whose keys have expired is
	// replaced. A name is taken also where the AWS config file (AWS_CONFIG_FILE, or ~/.aws/config) gives it a role, SSO
	// login or process, which SDKs would use in place of the keys.
	TempName string
	// Terrible also writes the session token as aws_security_token, for old versions of Ansible and Terraform.
	Terrible bool
	// Form is what the profile holds. It is [Keys], the zero value, or [Process].
	Form ProfileForm
	// Default also makes the profile the default account. It needs Keep, and takes the place of any other default: the keys
	// are copied into the section [default], for programs that name no profile, and renewed with the profile. What stands
	// there otherwise stays. It is [ErrInUse] when [default] holds keys of the user;
	// temporary keys with an expiry beside the name of a profile, as cca writes them, are not the user's. A Source must not
	// take its keys from [default]; an [STS] without Keys passes over what chaim has put there, and refuses it where another
	// profile has it as its source_profile.
	Default bool
	// Keep makes Close leave the profile in place. It may replace one kept under that name before, for whatever account
	// and by whatever tool that marks it with an accountname. A profile that another program has made for another account
	// while the keys were asked for is [ErrInUse].
	Keep bool
	// NoReplace keeps Keep from replacing a profile of another account whose keys may still be valid: that is [ErrInUse]. It
	// is for a name that the user did not choose.
	NoReplace bool
	// NoProfile keeps the keys in memory only. The client is a provider of them, no file is written, but for what [Sweep]
	// would remove, and none is needed but for settings. It goes with nothing that is said of the profile: TempName, Terrible, Form, Default and Keep.
	NoProfile bool
	// NoRenew switches off the renewal in the background. New keys come only with a call that asks for them, or for any
	// after their end. A context made by
	// [WithContext] ends when a set does.
	NoRenew bool
	// Source gives the keys in place of a gateway. It is an [STS], or any provider of the AWS SDK. Nil means the gateway; where
	// none is configured, AWS STS is asked for a 12-digit Account or a role ARN, with the keys of the SDK's default chain
	// in the environment that New finds, other than keys that chaim has put into [default]. That reads its own files, wherever
	// Dir is. As in a [Monitor], what an [aws.CredentialsCache] has is dropped to renew it. With a Source, Account, Role and Duration
	// are only what the profile says of it: they do not shape the keys.
	Source aws.CredentialsProvider
	// Settings say where the gateway is. Nil means the environment (CHAIM_URL or CHAIM_API, CHAIM_STAGE and
	// CHAIM_REGION; CHAIM_USER, CHAIM_TOKEN, CHAIM_SLACKID, CHAIM_WORKSPACEID), then the default section of the
	// credentials file.
	Settings *Settings
	// Dir is the folder of the credentials file. Empty means the file named by AWS_SHARED_CREDENTIALS_FILE, then
	// ~/.aws/credentials.
	Dir string
	// AllowInsecure accepts a gateway or STS that is plain http and not on a loopback address, with a warning in the log.
	AllowInsecure bool
	// HTTPClient sends the requests to the gateway, STS or the sign-in page of the AWS console. Whatever it says of them,
	// redirects are refused, an attempt at a gateway may take 35 seconds, there are up to three, and a reply may have 1 MiB.
	// Each request has a connection of its own and an *http.Transport is used as a copy that speaks HTTP/1.1, as net/http
	// prints what a server sends after a reply on a connection that stays open, and what it gets wrong in HTTP/2. Nil means
	// one that shares connections among the accounts of [Each], allows 3 seconds to connect and 5 for TLS, speaks HTTP/1.1,
	// uses the proxy of the environment and trusts AWS_CA_BUNDLE.
	HTTPClient *http.Client
	// Logger gets events and warnings, without secrets. They tell what happens in the background, and what is wrong with the
	// credentials file. Its
	// handler must not call the same Client, which may be waiting for it. Nil means silence.
	Logger *slog.Logger
}

// ProfileForm is what a profile holds.
type ProfileForm int

const (
	// Keys writes the keys into the profile. Everything can read that, but an AWS SDK reads it once.
	Keys ProfileForm = iota
	// Process writes a credential_process that prints a private file beside the credentials file, in which each
	// renewal replaces the keys. An SDK reads it again when its keys are about to expire, so that a client may live as
	// long as the scope does.
	Process
)

// String names the form.
func (f ProfileForm) String() string {
	switch f {
	case Keys:
		return "Keys"
	case Process:
		return "Process"
	}
	return fmt.Sprintf("ProfileForm(%d)", int(f))
}

// silent is the logger where none is given. Tests put one in its place that writes down everything.
var silent = slog.New(slog.DiscardHandler)

var errNoGateway = errors.New("these credentials do not come from a gateway")

// complete checks o and fills in what was left empty, except for the region. It touches neither network nor file.
func (o *Options) complete() error {
	o.Role = cmp.Or(o.Role, defaultRole)
	o.Duration = cmp.Or(o.Duration, defaultDuration)
	o.Logger = cmp.Or(o.Logger, silent)
	if o.Account != "" {
		if err := checkAccount(o.Account); err != nil {
			return err
		}
	}
	switch id := o.AccountID; {
	case id == "":
	case !remote.IsAccountID(id):
		return fmt.Errorf("chaim: account id %s is not 12 digits", quoteShort(id))
	case o.Account == "":
		return fmt.Errorf("chaim: account %s is given by its id alone: give it as Options.Account", id)
	case remote.IsAccountID(o.Account) && o.Account != id:
		return fmt.Errorf("chaim: accounts %s and %s are two: give one of them", o.Account, id)
	}
	if err := checkRole(o.Role); err != nil {
		return err
	}
	if err := checkDuration(o.Duration); err != nil {
		return err
	}
	if o.Region != "" {
		if err := checkRegion(o.Region, ""); err != nil {
			return err
		}
	}
	switch {
	case o.Form != Keys && o.Form != Process:
		return fmt.Errorf("chaim: a profile has no form %s", o.Form)
	case o.Form == Process && (o.Keep || o.Terrible):
		return errors.New("chaim: a Process profile ends with its scope and holds no token: it goes with neither Keep nor Terrible")
	}
	if o.Default && !o.Keep && !o.NoProfile {
		return errors.New("chaim: Options.Default is for a profile that is kept, and goes with Options.Keep")
	}
	if o.NoProfile && (o.TempName != "" || o.Terrible || o.Form != Keys || o.Default || o.Keep) {
		return errors.New("chaim: Options.NoProfile goes with none of TempName, Terrible, Form, Default and Keep")
	}
	if s, isSTS := o.Source.(*STS); isSTS && s == nil {
		return errors.New("chaim: Options.Source is a nil *STS")
	}
	if o.TempName != "" {
		return checkProfile(o.TempName)
	}
	return nil
}

// onlyReads reports whether a client has neither keys nor a profile: all that it could do is to look at the file.
func (o *Options) onlyReads() bool { return o.NoProfile && o.Account == "" && o.Source != nil }

func checkDuration(d time.Duration) error {
	if d < minDuration || d > maxDuration || d%time.Second != 0 {
		return fmt.Errorf("chaim: duration %s is not whole seconds between 15 minutes and 12 hours", d)
	}
	return nil
}

// findSettings returns the gateway's settings and where they come from.
func (o *Options) findSettings(file sharedfile.File) (*Settings, string, error) {
	if o.Settings != nil {
		return o.Settings, "Options.Settings", nil
	}
	if s, found := settingsFromEnv(); found {
		return &s, "the CHAIM_ variables of the environment", nil
	}
	doc, err := file.Read()
	if file.Unknown != nil {
		return nil, "", errtext.Because(ErrNotConfigured, err)
	}
	if err != nil {
		return nil, "", err
	}
	pairs, _, err := inifile.ReadAll(doc, "default")
	if err != nil {
		return nil, "", errtext.Wrap(err, "%s", file.Path)
	}
	s, _ := settingsFromPairs(pairs)
	if s.Endpoint == "" && s.API == "" {
		return nil, "", fmt.Errorf("%w: there is no gateway in the environment (CHAIM_URL, CHAIM_USER, CHAIM_TOKEN) nor in section [default] of %s (endpoint, username, usertoken), and no Options.Source; to ask AWS STS with the keys of the AWS SDK, give a 12-digit account id or the ARN of a role", ErrNotConfigured, file.Path)
	}
	return &s, "section [default] of " + file.Path, nil
}

// String describes the options without what could hold a secret.
func (o Options) String() string {
	return fmt.Sprintf("chaim.Options{Account:%q AccountID:%q Role:%q Duration:%s Region:%q TempName:%q Form:%s Dir:%q Source:%T Settings:%v}",
		o.Account, o.AccountID, o.Role, o.Duration, o.Region, o.TempName, o.Form, o.Dir, o.Source, o.Settings)
}

// Format prints what String returns, whatever the verb.
func (o Options) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, o.String()) }

// LogValue keeps a Source's secrets out of structured logs.
func (o Options) LogValue() slog.Value { return slog.StringValue(o.String()) }

// MarshalText returns what String returns, so that JSON and other encoders show no secret.
func (o Options) MarshalText() ([]byte, error) { return []byte(o.String()), nil }
