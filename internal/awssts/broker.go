package awssts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/chaim-go/chaim/internal/awsenv"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/partition"
)

// STS says which role is assumed, and how. The package chaim has the same type and describes its fields.
type STS struct {
	RoleARN       string
	Keys          aws.CredentialsProvider
	Region        string
	Endpoint      string
	AllowInsecure bool

	Duration       time.Duration
	SessionName    string
	SourceIdentity string
	ExternalID     string
	Policy         string
	PolicyARNs     []string
	Tags           map[string]string
	TransitiveTags []string

	MFASerial string
	TokenCode func(context.Context) (string, error)

	HTTPClient *http.Client
	Logger     *slog.Logger
}

// String describes where the keys come from, without Keys, Policy and ExternalID.
func (s STS) String() string {
	return fmt.Sprintf("chaim.STS{RoleARN:%q Region:%q SessionName:%q Duration:%s}", s.RoleARN, s.Region, s.SessionName, s.Lifetime())
}

// Lifetime returns how long the requested keys are valid.
func (s STS) Lifetime() time.Duration { return cmp.Or(s.Duration, keys.DefaultDuration) }

// input returns the request without the code of an MFA device.
func (s *STS) input() sts.AssumeRoleInput {
	name := s.SessionName
	if name == "" {
		name = sessionName(keys.SessionPrefix)
	}
	optional := func(text string) *string {
		if text == "" {
			return nil
		}
		return &text
	}
	in := sts.AssumeRoleInput{
		RoleArn:           &s.RoleARN,
		RoleSessionName:   &name,
		DurationSeconds:   aws.Int32(int32(s.Lifetime() / time.Second)),
		ExternalId:        optional(s.ExternalID),
		Policy:            optional(s.Policy),
		SourceIdentity:    optional(s.SourceIdentity),
		SerialNumber:      optional(s.MFASerial),
		TransitiveTagKeys: s.TransitiveTags,
	}
	for _, policy := range s.PolicyARNs {
		in.PolicyArns = append(in.PolicyArns, types.PolicyDescriptorType{Arn: &policy})
	}
	for _, key := range slices.Sorted(maps.Keys(s.Tags)) {
		in.Tags = append(in.Tags, types.Tag{Key: &key, Value: aws.String(s.Tags[key])})
	}
	return in
}

// Asker asks STS for keys. All fields but Profile must be set. The type is comparable.
type Asker struct {
	STS     *STS
	Files   Files
	Log     *slog.Logger
	Signer  Signer
	Profile string // of the AWS config file, whose endpoints and certificates are used; empty means the SDK's
}

// Signer gets from a provider the keys that sign a request. Its errors hold no secrets.
type Signer interface {
	Retrieve(ctx context.Context, src aws.CredentialsProvider) (aws.Credentials, error)
}

// Format prints the STS without its secrets, whatever the verb.
func (a Asker) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, a.STS.String()) }

// LogValue keeps secrets out of structured logs.
func (a Asker) LogValue() slog.Value { return slog.StringValue(a.STS.String()) }

// MarshalText keeps secrets out of JSON.
func (a Asker) MarshalText() ([]byte, error) { return []byte(a.STS.String()), nil }

// check refuses a request that STS would refuse.
func (a Asker) check() (arn.ARN, error) {
	s := a.STS
	in := s.input()
	role, err := checkInput(&in)
	switch {
	case err != nil:
		return role, err
	case (s.MFASerial == "") != (s.TokenCode == nil):
		return role, errors.New("chaim: MFASerial and TokenCode go together")
	case s.Region != "":
		err = partition.CheckRegion(s.Region)
	}
	return role, cmp.Or(err, keys.CheckDuration(s.Lifetime()))
}

// config reads the SDK's configuration, without its keys if hasKeys is set. It touches no network.
func (a Asker) config(ctx context.Context, hasKeys bool) (aws.Config, error) {
	cfg, err := Config(ctx, Options{
		Region: a.STS.Region, Profile: a.Profile, HasKeys: hasKeys, AllowInsecure: a.STS.AllowInsecure, Log: a.Log, Files: a.Files,
	})
	if err != nil {
		return cfg, err
	}
	if cfg.Region == "" {
		return cfg, nil
	}
	return cfg, partition.CheckRegionOf("the configuration of the AWS SDK", cfg.Region)
}

// Keys asks for keys of the requested role.
func (a Asker) Keys(ctx context.Context, r keys.Request) (keys.Grant, error) {
	return grant(ctx, r, a.For)
}

// grant asks STS for keys. askerFor returns the Asker for a request.
func grant(ctx context.Context, r keys.Request, askerFor func(keys.Request) (Asker, error)) (keys.Grant, error) {
	if err := keys.Check(r); err != nil {
		return keys.Grant{}, err
	}
	a, err := askerFor(r)
	if err != nil {
		return keys.Grant{}, err
	}
	creds, err := a.Retrieve(ctx)
	return keys.Grant{Credentials: creds}, err
}

// For returns the Asker for a request, or why STS cannot be asked for that. It touches no network.
func (a Asker) For(r keys.Request) (Asker, error) {
	s := *a.STS
	s.Region, s.Duration = cmp.Or(s.Region, r.Region), r.Duration
	var asked string
	switch id := r.ID(); {
	case arn.IsARN(r.Role):
		asked = r.Role
	case id != "":
		asked = partition.RoleARN(cmp.Or(s.Region, partition.RoleRegion(s.RoleARN)), id, r.Role)
	case s.RoleARN == "":
		return a, errtext.Because(keys.ErrNotConfigured, fmt.Errorf("AWS STS knows no names of accounts, as %s: give the 12-digit id, or the ARN of a role", keys.QuoteShort(r.Account)))
	}
	if s.RoleARN != "" && s.RoleARN != asked {
		return a, fmt.Errorf("chaim: role %s was asked for, but this STS gives keys of role %s only: ask for that by its ARN", keys.QuoteShort(r.Role), keys.QuoteShort(s.RoleARN))
	}
	s.RoleARN = asked
	a.STS = &s
	role, err := a.check()
	switch id := r.ID(); {
	case err != nil:
		return a, err
	case id != "" && role.AccountID != id:
		return a, fmt.Errorf("chaim: role %s is not one of account %s", role, id)
	}
	s.Region = cmp.Or(s.Region, partition.Region(role.Partition), partition.DefaultRegion)
	return a, cmp.Or(partition.Check(role, s.Region), partition.Check(role, cmp.Or(r.Region, s.Region)))
}

// Fallback is the broker of programs without a gateway. It asks STS with the keys of the SDK's default chain.
type Fallback struct {
	Why error // why there is no gateway

	asker Asker   // without keys
	bound *signer // nil: the environment is read again for each request
}

// signer has the keys to which the SDK's configuration led, and the environment at that time.
type signer struct {
	keys        aws.CredentialsProvider
	environment string
}

// NewFallback returns a Fallback that asks with a, which has no keys. why is the error for requests that STS cannot answer.
func NewFallback(a Asker, why error) *Fallback { return &Fallback{Why: why, asker: a} }

// CanAsk reports whether STS can answer a request: it has an account id or a role ARN, as STS knows no account names.
func CanAsk(r keys.Request) bool { return r.ID() != "" || arn.IsARN(r.Role) }

// Bind returns a Fallback that keeps the keys to which the environment leads now, and the region: the given one, or else
// that of the SDK's configuration. A bound Fallback returns itself.
func (f *Fallback) Bind(region string) (bound *Fallback, found string, err error) {
	if f.bound != nil {
		return f, region, nil
	}
	cfg, err := f.asker.in(region).config(context.Background(), false)
	if err != nil {
		return nil, "", err
	}
	return &Fallback{f.Why, f.asker, &signer{cfg.Credentials, awsenv.State(os.Environ())}}, cfg.Region, nil
}

// For returns the Asker for a request, or why STS cannot be asked for that. A renewal finds changed source keys. If the
// environment has changed since Bind, the Asker keeps the old keys: the program may have pointed the environment at the very
// profile that it renews.
func (f *Fallback) For(r keys.Request) (Asker, error) {
	if !CanAsk(r) {
		return Asker{}, f.Why
	}
	bound, region, err := f.Bind(r.Region)
	if err != nil {
		return Asker{}, err
	}
	a, err := f.asker.in(region).For(r)
	if err != nil {
		return Asker{}, err
	}
	then := bound.bound
	unsigned := a
	s := *a.STS
	s.Keys = aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		if awsenv.State(os.Environ()) == then.environment {
			if now, err := unsigned.config(ctx, false); err == nil {
				return now.Credentials.Retrieve(ctx)
			}
		}
		return then.keys.Retrieve(ctx)
	})
	a.STS = &s
	return a, nil
}

// Keys asks STS for keys of the requested role.
func (f *Fallback) Keys(ctx context.Context, r keys.Request) (keys.Grant, error) {
	return grant(ctx, r, f.For)
}

// in returns an Asker that asks in a region.
func (a Asker) in(region string) Asker {
	s := *a.STS
	s.Region = region
	a.STS = &s
	return a
}
