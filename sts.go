package chaim

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/chaim-go/chaim/internal/awsenv"
	"github.com/chaim-go/chaim/internal/lazyregexp"
	"github.com/chaim-go/chaim/internal/partition"
	"github.com/chaim-go/chaim/internal/remote"
)

// STS gets keys of a role straight from AWS STS, by AssumeRole. RoleARN is required; the zero value of every other field
// works. FIPS and dual-stack endpoints, AWS_ENDPOINT_URL_STS, AWS_CA_BUNDLE and proxies are those that the SDK is
// configured for; its configuration is read at each call, so that source keys which have changed are found.
//
// An STS prints without Keys, Policy and ExternalID. It must not be changed while in use, and may be used by any number of
// goroutines; each Retrieve is a call of STS. A [Monitor] or a [Client] shares one.
//
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
type STS struct {
	// RoleARN is the ARN of the role, such as "arn:aws:iam::111111111111:role/CrossAccountReadOnly". It must be given.
	RoleARN string
	// Keys sign the request. Nil means the SDK's default chain: environment, profiles, SSO, web identity, container, EC2,
	// but no keys that chaim has lent.
	Keys aws.CredentialsProvider
	// Region is the region of the STS to ask. Empty means the SDK's region, then one of the role's partition.
	Region string
	// Endpoint is the URL of another STS, such as MinIO's. It is https, or http on a literal loopback address. Empty means AWS.
	Endpoint string
	// AllowInsecure accepts plain http elsewhere. Everyone on the way can then read the keys.
	AllowInsecure bool

	// Duration is how long the keys are valid. It is whole seconds, 15 minutes to 12 hours. Zero means 1 hour, or 15
	// minutes in a program built with the tag "dev".
	Duration time.Duration
	// SessionName names the session in CloudTrail. It is 2 to 64 letters, digits and _ + = , . @ -. Empty means
	// "asia-release-" (with the tag "dev" "asia-dev-"), the Unix time, and a random part.
	SessionName string
	// SourceIdentity names the person behind the session, in the same alphabet. It stays through role chaining. Empty means
	// none.
	SourceIdentity string
	// ExternalID is the external id that a third party's role asks for. Empty means none.
	ExternalID string
	// Policy is a session policy, a JSON object. The keys allow only what it and the role allow. Empty means none.
	Policy string
	// PolicyARNs are the ARNs of managed policies that limit the keys in the same way.
	PolicyARNs []string
	// Tags are the session tags.
	Tags map[string]string
	// TransitiveTags are the keys of the Tags that stay through role chaining.
	TransitiveTags []string

	// MFASerial is the serial number or ARN of the MFA device of the user whose Keys they are. It needs TokenCode.
	MFASerial string
	// TokenCode returns the device's six digits. It is called once for each Retrieve, so also to renew, and must return other
	// digits each time: STS takes a code once, so a request that failed is not sent again with it.
	TokenCode func(context.Context) (string, error)

	// HTTPClient sends the request, as [Options].HTTPClient does. An attempt has 10 seconds unless it has a Timeout. Nil
	// means one of chaim.
	HTTPClient *http.Client
	// Logger gets warnings, without secrets. Nil means silence.
	Logger *slog.Logger
}

var _ aws.CredentialsProvider = (*STS)(nil)

var (
	sessionNameRule  = lazyregexp.New(`^[\w+=,.@-]{2,64}$`)
	externalIDRule   = lazyregexp.New(`^[\w+=,.@:/-]{2,}$`)
	roleResourceRule = lazyregexp.New(`^role/([!-~]+/)?[\w+=,.@-]{1,64}$`)
)

// check refuses what STS would refuse, before it is asked.
func (s *STS) check() (arn.ARN, error) {
	role, err := arn.Parse(s.RoleARN)
	isAWS := err == nil && partition.Region(role.Partition) != ""
	switch {
	case err != nil, strings.ContainsFunc(s.RoleARN, func(r rune) bool { return r <= 0x20 || r > 0x7e }),
		isAWS && (role.Service != "iam" || !remote.IsAccountID(role.AccountID) || !roleResourceRule().MatchString(role.Resource)):
		return role, fmt.Errorf("chaim: %s is not the ARN of a role, such as arn:aws:iam::111111111111:role/Name", quoteShort(s.RoleARN))
	case s.SessionName != "" && !sessionNameRule().MatchString(s.SessionName):
		return role, fmt.Errorf("chaim: session name %s is not 2 to 64 letters, digits and _ + = , . @ -", quoteShort(s.SessionName))
	case s.SourceIdentity != "" && !sessionNameRule().MatchString(s.SourceIdentity):
		return role, fmt.Errorf("chaim: source identity %s is not 2 to 64 letters, digits and _ + = , . @ -", quoteShort(s.SourceIdentity))
	case s.ExternalID != "" && !externalIDRule().MatchString(s.ExternalID):
		return role, errors.New("chaim: external id is not two or more letters, digits and _ + = , . @ : / -")
	case s.Policy != "" && json.Unmarshal([]byte(s.Policy), new(map[string]any)) != nil:
		return role, errors.New("chaim: session policy is not a JSON object")
	case (s.MFASerial == "") != (s.TokenCode == nil):
		return role, errors.New("chaim: MFASerial and TokenCode go together")
	}
	if s.Region != "" {
		if err := checkRegion(s.Region, ""); err != nil {
			return role, err
		}
	}
	for _, key := range s.TransitiveTags {
		if _, ok := s.Tags[key]; !ok {
			return role, fmt.Errorf("chaim: transitive tag %s is not among the tags", quoteShort(key))
		}
	}
	return role, checkDuration(s.duration())
}

func (s *STS) duration() time.Duration { return cmp.Or(s.Duration, defaultDuration) }

// Retrieve asks STS for a set of keys. Where STS answers that role chaining allows an hour only, it asks once more for
// that, unless an MFA code was sent. The expiration is by the clock of this machine, also where that is wrong.
//
// A refusal is a [smithy.APIError] with STS's code, and wraps [ErrDenied] when the role or the keys are the reason. Keys
// that are too late wrap [ErrExpired]. What passes by itself is tried again, up to three times unless the SDK is
// configured otherwise, but not with a code of an MFA device, which works once.
//
// [smithy.APIError]: https://pkg.go.dev/github.com/aws/smithy-go#APIError
func (s *STS) Retrieve(ctx context.Context) (aws.Credentials, error) {
	creds, err := cmp.Or(s, new(STS)).assumeRole(ctx)
	if err != nil {
		return aws.Credentials{Source: "chaim"}, err
	}
	return creds, nil
}

func (s *STS) assumeRole(ctx context.Context) (creds aws.Credentials, err error) {
	role, err := s.check()
	if err != nil {
		return creds, err
	}
	cfg, err := s.config(ctx, s.Keys != nil)
	if err != nil {
		return creds, err
	}
	request := remote.RoleRequest(*s)
	request.Duration, request.Logger = s.duration(), cmp.Or(s.Logger, silent)
	if s.SessionName == "" {
		// 8 characters of base32 tell apart the sessions of one second, whichever machine asks for them.
		request.SessionName = fmt.Sprintf("%s%d-%s", sessionPrefix, time.Now().Unix(), strings.ToLower(rand.Text()[:8]))
	}
	if s.Keys == nil {
		request.Keys = cfg.Credentials
	}
	provider := request.Keys
	request.Keys = aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) { return retrieve(ctx, provider, false) })
	return request.Send(ctx, cfg, role)
}

// config reads the SDK's configuration, without its keys if others are at hand. It touches no network.
func (s *STS) config(ctx context.Context, hasKeys bool) (aws.Config, error) {
	cfg, err := remote.SDKConfig(ctx, remote.SDKOptions{
		Region: s.Region, HasKeys: hasKeys, AllowInsecure: s.AllowInsecure, Log: cmp.Or(s.Logger, silent),
	})
	if err != nil {
		return cfg, err
	}
	if cfg.Region == "" {
		return cfg, nil
	}
	return cfg, checkRegion(cfg.Region, "the configuration of the AWS SDK")
}

// asksSTS reports whether the options name something that can be had without a gateway, which knows the names of accounts.
func (o *Options) asksSTS() bool { return o.askedID() != "" || arn.IsARN(o.Role) }

// askedID is the id of the account, where the options tell it.
func (o *Options) askedID() string {
	if o.AccountID == "" && remote.IsAccountID(o.Account) {
		return o.Account
	}
	return o.AccountID
}

// sts returns the source for such options, and completes their region.
func (o *Options) sts(ctx context.Context) (*STS, error) {
	s := &STS{RoleARN: o.Role, Region: o.Region, Duration: o.Duration, HTTPClient: o.HTTPClient, AllowInsecure: o.AllowInsecure, Logger: o.Logger}
	cfg, err := s.config(ctx, false)
	if err != nil {
		return nil, err
	}
	// A renewal finds keys that were changed meanwhile, but not those of this very scope, to which a program that works in
	// it may have pointed its environment.
	environment := awsenv.State(os.Environ())
	s.Keys = aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		provider := cfg.Credentials
		if awsenv.State(os.Environ()) == environment {
			if now, err := s.config(ctx, false); err == nil {
				provider = now.Credentials
			}
		}
		return provider.Retrieve(ctx)
	})
	if !arn.IsARN(o.Role) {
		s.RoleARN = partition.RoleARN(cfg.Region, o.askedID(), o.Role)
	}
	role, err := s.check()
	switch id := o.askedID(); {
	case err != nil:
		return nil, err
	case id != "" && role.AccountID != id:
		return nil, fmt.Errorf("chaim: role %s is not one of account %s", role, id)
	}
	o.Region = cmp.Or(cfg.Region, partition.Region(role.Partition), defaultRegion)
	s.Region = o.Region
	return s, partition.Check(role, o.Region)
}

// String describes where the keys come from, without Keys, Policy and ExternalID.
func (s STS) String() string {
	return fmt.Sprintf("chaim.STS{RoleARN:%q Region:%q SessionName:%q Duration:%s}", s.RoleARN, s.Region, s.SessionName, s.duration())
}

// Format prints what String returns, whatever the verb.
func (s STS) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue keeps the secrets of Keys out of structured logs.
func (s STS) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText returns what String returns, so that JSON and other encoders show no secret.
func (s STS) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
