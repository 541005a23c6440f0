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
	"github.com/chaim-go/chaim/internal/gateway"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/partition"
	"github.com/chaim-go/chaim/internal/profiles"
)

// Options say which credentials a [Client] gets and how it stores them. A client that gets keys needs an Account. The zero
// value of every other field works.
type Options struct {
	// Account is the full name or the 12-digit id of the account. Only a gateway knows names. Empty is for a Client that
	// gets no keys of its own, but lists, renews, parks or deletes profiles.
	Account string
	// AccountID is the 12-digit id of the account if Account is its name. chaim then requests keys by the id, even if the
	// name belongs to another account by now, and refuses keys for any other account. Empty means unknown.
	AccountID string
	// Role is the role to assume: a role name, a role ARN, or an alias of the gateway such as "rro" or "mpu". Empty means
	// "rro". Without a gateway "rro", "mpu", "spu" and "apu" stand for CrossAccountReadOnly, CrossAccountPowerUser,
	// CrossAccountSysAdmin and CrossAccountAdminUser.
	Role string
	// Duration is how long each set of keys is valid: whole seconds, 15 minutes to 12 hours. Zero means 1 hour, or 15
	// minutes in a program built with the tag "dev".
	Duration time.Duration
	// Region is the AWS region of the profile and its keys and, without a gateway, of the STS that gives them. Empty means
	// the first of: AWS_REGION; AWS_DEFAULT_REGION; the AWS config file's region for the profile's name, for the account's
	// name, for AWS_PROFILE and for [default]; the region of the gateway's settings or of the Source; one of the role's
	// partition; "eu-west-1". A misspelt region, or a zone such as "us-east-1a", is an error. A kept profile gets no region
	// line if the AWS config file already has this region for its name.
	Region string
	// TempName is the name of the profile. Empty means "tempname-*". If the name ends in "-*", as in "backup-*", the profile is
	// named "backup" or, if that is taken, "backup-" with 12 random characters: [Client.Profile] tells. If any other name is
	// taken the error is [ErrInUse]. A name counts as free if its kept profile has expired keys. It counts as taken if the AWS
	// config file gives it a role, an SSO login or a process, which SDKs prefer to keys.
	TempName string
	// Terrible also writes the session token as aws_security_token, for old versions of Ansible and Terraform.
	Terrible bool
	// Form is what the profile holds: [Keys], the zero value, or [Process].
	Form ProfileForm
	// Default also makes the profile the default account, instead of any other: chaim copies its keys into the section
	// [default], for programs that name no profile, and renews them there too. Other lines of [default] stay. Default needs
	// Keep; a scope has [Client.ChildEnviron] instead. If [default] holds the user's own keys the error is [ErrInUse]; keys
	// that cca wrote there do not count. The Source must not take its keys from [default]. An [STS] without Keys ignores
	// keys that chaim put there.
	Default bool
	// Keep makes Close leave the profile in place. It replaces a kept profile of this name that has temporary keys. If
	// another program writes the profile for another account during the request, the error is [ErrInUse]. Keys that never
	// end, such as those of an IAM user, are an error before anything is written.
	Keep bool
	// NoReplace makes Keep return [ErrInUse] for a profile of another account whose keys may still be valid. Use it for a
	// name that the user did not choose.
	NoReplace bool
	// NoProfile keeps the keys in memory only: the client is a provider, and writes no file, except to remove what dead
	// processes left. It excludes TempName, Terrible, Form, Default and Keep.
	NoProfile bool
	// ReadOnly makes New remove nothing either, for a program that only looks at profiles. It needs NoProfile.
	ReadOnly bool
	// NoRenew switches off renewal in the background. A call that needs keys gets new ones after the old ones have expired.
	// The context of [WithContext] ends when a set expires.
	NoRenew bool
	// Source gives the keys of one account: an [STS], or any provider of the AWS SDK. Role and Duration then only describe
	// the profile. chaim refuses keys that name another account. To renew the keys of an [aws.CredentialsCache] it empties
	// the cache. Nil means Broker.
	Source aws.CredentialsProvider
	// Broker gives the keys of any account. [Each] uses it for all accounts. It excludes Source and Settings. A [*Gateway]
	// also excludes AllowInsecure and HTTPClient, because it has its own.
	//
	// Nil means the first of these that there is: the gateway of the Settings; the [IdentityCenter] that CHAIM_SSO_SESSION
	// names or, if the environment has no keys, no AWS_PROFILE and no AWS_WEB_IDENTITY_TOKEN_FILE, the only one of the AWS
	// config file; AWS STS, for a 12-digit Account or a role ARN, with the keys of the SDK's default chain, except those that
	// chaim has put into [default]. For a role ARN it is never an IdentityCenter. chaim asks [Profiles] only if they are given
	// here.
	Broker Broker
	// Settings say where the gateway is. Nil means the environment (CHAIM_URL or CHAIM_API, CHAIM_STAGE and CHAIM_REGION;
	// CHAIM_USER, CHAIM_TOKEN, CHAIM_SLACKID, CHAIM_WORKSPACEID, CHAIM_PROTOCOL), then the section [default] of the credentials
	// file.
	Settings *Settings
	// Dir is the folder of the credentials file. Empty means the file that AWS_SHARED_CREDENTIALS_FILE names, else
	// ~/.aws/credentials.
	Dir string
	// AllowInsecure accepts plain http to a gateway or STS that is not on a loopback address, and logs a warning.
	AllowInsecure bool
	// HTTPClient sends the requests to the gateway, STS or the AWS sign-in page. Whatever the client allows, chaim refuses
	// redirects and replies of more than 1 MiB, and makes up to three requests to a gateway, of 35 seconds at most. It
	// copies an *http.Transport to speak HTTP/1.1 with a new connection for each request, because net/http prints bytes that
	// a server sends after its reply. Nil means chaim's own client: the proxy of the environment, AWS_CA_BUNDLE, 3 seconds
	// to connect, 5 for TLS.
	HTTPClient *http.Client
	// Logger gets events of the background and warnings about the credentials file, without secrets. Its handler must not
	// call the same Client, which may be waiting for it. Nil means silence.
	Logger *slog.Logger
}

// ProfileForm says what a profile holds.
type ProfileForm int

const (
	// Keys writes the keys into the profile. All programs can read it, but an AWS SDK reads it once.
	Keys ProfileForm = iota
	// Process writes a credential_process that prints a private file beside the credentials file. Each renewal replaces the
	// keys in that file. An SDK reads it again shortly before its keys expire, so an SDK client can outlive them.
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

// silent is the logger if none is given. Tests replace it with one that records everything.
var silent = slog.New(slog.DiscardHandler)

// complete checks o and fills in empty fields, except the region. It touches no network and no file.
func (o *Options) complete() error {
	for field, given := range map[string]any{"Broker": o.Broker, "Source": o.Source} {
		if isNil(given) {
			return &OptionError{field, fmt.Errorf("chaim: Options.%s is a nil %T", field, given)}
		}
	}
	if field, err := o.completeBy(o.Broker); err != nil {
		return &OptionError{field, err}
	}
	o.Role = cmp.Or(o.Role, "rro")
	o.Duration = cmp.Or(o.Duration, keys.DefaultDuration)
	o.Logger = cmp.Or(o.Logger, silent)
	if field, err := o.check(); err != nil {
		return &OptionError{field, err}
	}
	return nil
}

// isNil reports whether a value is a nil pointer whose methods would panic, perhaps in a goroutine of chaim's own.
func isNil(given any) bool {
	switch given := given.(type) {
	case *STS:
		return given == nil
	case *MFASession:
		return given == nil
	case *Profiles:
		return given == nil
	case *IdentityCenter:
		return given == nil
	}
	return false
}

// check returns the field that makes no sense, and why.
func (o *Options) check() (field string, err error) {
	if field, err := keys.CheckRequest(o.request("")); err != nil {
		return field, err
	}
	if o.Region != "" {
		if err := partition.CheckRegion(o.Region); err != nil {
			return "Region", err
		}
	}
	_, isGateway := o.Broker.(*Gateway)
	switch {
	case o.Form != Keys && o.Form != Process:
		return "Form", fmt.Errorf("chaim: a profile has no form %s", o.Form)
	case o.Form == Process && (o.Keep || o.Terrible):
		return "Form", errors.New("chaim: a Process profile ends with its scope and holds no token: it goes with neither Keep nor Terrible")
	case o.Default && !o.Keep && !o.NoProfile:
		return "Default", errors.New("chaim: Options.Default is for a profile that is kept, and goes with Options.Keep")
	case o.NoProfile && (o.TempName != "" || o.Terrible || o.Form != Keys || o.Default || o.Keep):
		return "NoProfile", errors.New("chaim: Options.NoProfile goes with none of TempName, Terrible, Form, Default and Keep")
	case o.ReadOnly && !o.NoProfile:
		return "ReadOnly", errors.New("chaim: Options.ReadOnly is for a client that writes no profile, and goes with Options.NoProfile")
	case o.Broker != nil && (o.Source != nil || o.Settings != nil):
		return "Broker", errors.New("chaim: Options.Broker says where keys come from, and goes with neither Source nor Settings")
	case isGateway && (o.HTTPClient != nil || o.AllowInsecure):
		return "Broker", errors.New("chaim: Options.HTTPClient and AllowInsecure do not reach Options.Broker: set those of the Gateway")
	case o.TempName != "":
		return "TempName", profiles.CheckGivenName(o.TempName)
	}
	return "", nil
}

// request returns the request for keys in a region.
func (o *Options) request(region string) Request {
	return Request{Account: o.Account, AccountID: o.AccountID, Role: o.Role, Region: region, Duration: o.Duration}
}

// spec describes the profile. fromConfig says that the account is a profile of the AWS config file.
func (o *Options) spec(noRegion, fromConfig bool) profiles.Spec {
	return profiles.Spec{
		Name: o.TempName, Account: profiles.Holder{Name: o.Account, ID: o.AccountID, FromConfig: fromConfig}, Process: o.Form == Process, Terrible: o.Terrible,
		Keep: o.Keep, NoReplace: o.NoReplace, Default: o.Default, NoRegion: noRegion,
	}
}

// findSettings returns the gateway's settings and the name of their source.
func (o *Options) findSettings(book *profiles.Book) (s Settings, where string, err error) {
	if o.Settings != nil {
		return *o.Settings, "Options.Settings", nil
	}
	if s, set := gateway.SettingsFromEnv(); len(set) > 0 {
		return Settings(s), "the CHAIM_ variables of the environment", nil
	}
	pairs, _, err := book.DefaultSection()
	switch {
	case book.Unknown() != nil:
		return s, "", errtext.Because(ErrNotConfigured, err)
	case err != nil:
		return s, "", err
	}
	stored, _ := gateway.SettingsFromPairs(pairs)
	s = Settings(stored)
	if s.Endpoint == "" && s.API == "" {
		return s, "", fmt.Errorf("%w: there is no gateway and no Identity Center to ask, and no Options.Broker or Source; "+
			"AWS STS takes 12-digit account ids and ARNs of roles", ErrNotConfigured)
	}
	return s, "section [default] of " + book.Path(), nil
}

// chooseRegion fills in an empty region from the environment and the AWS config file. profile is the name of the client's
// profile. noRegion says that a kept profile needs no region, because the AWS config file has the same one for it.
func (o *Options) chooseRegion(profile string) (noRegion bool, err error) {
	config := profiles.ReadConfig()
	isGiven := o.Region != ""
	if !isGiven {
		if o.Region, err = config.ChosenRegion(profile, o.Account); err != nil {
			return false, err
		}
	}
	if !o.Keep {
		return false, nil
	}
	own := config.Region(profile)
	return own != "" && (!isGiven || own == o.Region), nil
}

// sourceRegion returns the region of a Source, or "".
func sourceRegion(source aws.CredentialsProvider) string {
	switch source := source.(type) {
	case *STS:
		return cmp.Or(source.Region, partition.RoleRegion(source.RoleARN))
	case *Client:
		return source.Region()
	case AwsCreds:
		return source.Region
	}
	return ""
}

// String describes the options without fields that could hold a secret.
func (o Options) String() string {
	return fmt.Sprintf("chaim.Options{Account:%q AccountID:%q Role:%q Duration:%s Region:%q TempName:%q Form:%s Dir:%q Broker:%T Source:%T Settings:%v}",
		o.Account, o.AccountID, o.Role, o.Duration, o.Region, o.TempName, o.Form, o.Dir, o.Broker, o.Source, o.Settings)
}

// Format prints what String returns, whatever the verb.
func (o Options) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, o.String()) }

// LogValue keeps a Source's secrets out of structured logs.
func (o Options) LogValue() slog.Value { return slog.StringValue(o.String()) }

// MarshalText returns what String returns, so that JSON and other encoders show no secret.
func (o Options) MarshalText() ([]byte, error) { return []byte(o.String()), nil }
