package awssts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/chaim-go/chaim/internal/awsprofile"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/partition"
)

// Profiles gives the keys of profiles of the AWS files. Ask and Store may be nil, and Gives empty.
type Profiles struct {
	Asker  Asker // its STS has the HTTP client and AllowInsecure
	Ask    AskCode
	Store  SessionStore
	Center func(ctx context.Context, s awsprofile.Session) (aws.Credentials, error) // asks IAM Identity Center
	Gives  string                                                                   // what the only profile must give, see [awsprofile.Chain.Gives]
}

// centerKeys are keys of IAM Identity Center.
type centerKeys struct {
	center  func(ctx context.Context, s awsprofile.Session) (aws.Credentials, error)
	session awsprofile.Session
}

// Retrieve asks for keys.
func (k centerKeys) Retrieve(ctx context.Context) (aws.Credentials, error) {
	return k.center(ctx, k.session)
}

// Chain returns how a profile gets its keys.
func (p Profiles) Chain(name string) (awsprofile.Chain, error) {
	files, err := p.Asker.Files.Profiles()
	if err != nil {
		return awsprofile.Chain{}, err
	}
	c, err := files.Chain(name)
	if errors.Is(err, awsprofile.ErrNoProfile) {
		err = errtext.Because(keys.ErrNotConfigured, err)
	}
	return c, err
}

// Complete fills in what the profile r.Account says and r does not: the account's id, the role, and how long keys are to be
// valid. It refuses another role or account.
func (p Profiles) Complete(r keys.Request) (keys.Request, awsprofile.Chain, error) {
	c, err := p.Chain(r.Account)
	if err != nil {
		return r, c, err
	}
	role, id := c.Role(), c.AccountID()
	isOther := r.Role != "" && r.Role != role && partition.RoleName(r.Role) != awsprofile.RoleName(role)
	switch {
	case p.Gives != "" && p.Gives != c.Gives():
		err = fmt.Errorf("it has changed: it gave %s, and now gives %s; start again to use it", p.Gives, c.Gives())
	case isOther && !c.HasRole():
		err = fmt.Errorf("role %s was asked for, but it gives %s, which are those of no role", keys.QuoteShort(r.Role), c.Gives())
	case isOther:
		err = fmt.Errorf("role %s was asked for, but it gives keys of role %s", keys.QuoteShort(r.Role), keys.QuoteShort(role))
	case r.AccountID != "" && id != "" && r.AccountID != id:
		err = fmt.Errorf("it gives keys of account %s, not of %s", id, r.AccountID)
	}
	if err != nil {
		return r, c, ofProfile(err, r.Account)
	}
	r.Role, r.AccountID = role, cmp.Or(r.AccountID, id)
	if c.Decides() == "" {
		r.Duration = cmp.Or(r.Duration, c.Duration())
	}
	return r, c, nil
}

func ofProfile(err error, name string) error {
	return errtext.Wrap(err, "profile %s of the AWS config file", keys.QuoteShort(name))
}

// Keys gets keys of the profile r.Account.
func (p Profiles) Keys(ctx context.Context, r keys.Request) (keys.Grant, error) {
	r, c, err := p.Complete(r) // the files may have changed since the last request
	if err != nil {
		return keys.Grant{}, err
	}
	src, err := p.source(ctx, c, r)
	if err != nil {
		return keys.Grant{}, ofProfile(err, r.Account)
	}
	creds, err := p.Asker.keysOf(ctx, src)
	if err != nil {
		return keys.Grant{}, ofProfile(err, r.Account)
	}
	creds.AccountID = cmp.Or(creds.AccountID, c.AccountID())
	return keys.Grant{Credentials: creds}, nil
}

// source returns a provider of the keys at the end of a chain.
func (p Profiles) source(ctx context.Context, c awsprofile.Chain, r keys.Request) (aws.CredentialsProvider, error) {
	src, roles, err := p.first(ctx, c, r)
	if err != nil {
		return nil, err
	}
	for i, role := range roles {
		lifetime := cmp.Or(role.Duration, keys.DefaultDuration)
		if isLast := i == len(roles)-1; isLast {
			lifetime = r.Duration
		}
		src = p.assume(c, role, src, lifetime, r.Region, i == 0 && c.Source.Kind == awsprofile.StaticKeys && c.Source.Pairs["aws_session_token"] == "")
	}
	return src, nil
}

// first returns a provider of the first keys of a chain, and the roles that are still to be assumed. Where the SDK gets the
// keys of the source, it also assumes the role of the same profile. chaim itself reads plain keys, and asks the Identity
// Center and a credential_process.
func (p Profiles) first(ctx context.Context, c awsprofile.Chain, r keys.Request) (aws.CredentialsProvider, []awsprofile.Role, error) {
	s, roles := c.Source, c.Roles
	if s.Kind == awsprofile.StaticKeys {
		own := fixed(aws.Credentials{
			AccessKeyID: s.Pairs["aws_access_key_id"], SecretAccessKey: s.Pairs["aws_secret_access_key"], SessionToken: s.Pairs["aws_session_token"],
			AccountID: s.Pairs["aws_account_id"],
		})
		if s.MFA.Serial == "" {
			return own, roles, nil
		}
		session := p.session(c.Profile, s.MFA, own)
		session.MinLeft = min(r.Duration, DefaultSession/2) // these are the keys that are lent, so they must last
		return session, roles, nil
	}
	switch s.Kind {
	case awsprofile.SSO:
		return centerKeys{p.Center, s.Session}, roles, nil
	case awsprofile.Process:
		return processKeys{p.Asker.Signer, s}, roles, nil
	}
	if s.Kind == awsprofile.Environment {
		if err := checkEnvironment(); err != nil {
			return nil, nil, err
		}
	}
	o := Options{
		Region: r.Region, Profile: s.Profile, AllowInsecure: p.Asker.STS.AllowInsecure, Log: p.Asker.Log, Files: p.Asker.Files,
		Lifetime: r.Duration,
	}
	if len(roles) > 0 && roles[0].Profile == s.Profile {
		own := roles[0]
		if roles = roles[1:]; len(roles) > 0 {
			o.Lifetime = cmp.Or(own.Duration, keys.DefaultDuration)
		}
		if own.MFA.Serial != "" {
			o.Code = func() (string, error) {
				return p.Ask.Code(ctx, Device{own.MFA.Serial, own.MFA.Process, own.Profile, false})
			}
		}
	}
	cfg, err := Config(ctx, o)
	if where, _ := lentKeys(cfg, p.Asker.Files); err == nil && where != "" {
		where, _, _ = strings.Cut(where, ":")
		err = fmt.Errorf("profile %s gives keys that chaim has %s, and lent keys get no others", keys.QuoteShort(s.Profile), where)
	}
	if err == nil && s.Kind == awsprofile.Login {
		return loginKeys{cfg, p.Asker, s}, roles, nil
	}
	return cfg.Credentials, roles, err
}

// IsLoginOver reports whether the SDK found no sign-in by 'aws login', or one that has ended. It has no type for that.
func IsLoginOver(err error) bool { return strings.Contains(err.Error(), "please reauthenticate") }

// checkEnvironment refuses an environment without keys.
func checkEnvironment() error {
	env, err := config.NewEnvConfig()
	switch {
	case err != nil:
		return err
	case !env.Credentials.HasKeys():
		return errors.New("its credential_source is Environment, but AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set")
	}
	return nil
}

// assume returns a provider of the keys of a role. hasUserKeys says that src gives long-term keys of a user. If the role
// needs an MFA device and AWS allows it, the keys of a session then sign, so that a person is asked once for all roles.
func (p Profiles) assume(c awsprofile.Chain, role awsprofile.Role, src aws.CredentialsProvider, lifetime time.Duration, region string, hasUserKeys bool) aws.CredentialsProvider {
	s := *p.Asker.STS
	s.RoleARN, s.SessionName, s.ExternalID, s.Duration, s.Region, s.Keys = role.ARN, role.SessionName, role.ExternalID, lifetime, region, src
	a := p.Asker
	a.STS, a.Profile = &s, c.Settings()
	switch {
	case role.MFA.Serial == "":
	case hasUserKeys && lifetime <= maxChained:
		s.Keys = p.session(role.Profile, role.MFA, src)
	default:
		return codeAsker{a, p.Ask, Device{role.MFA.Serial, role.MFA.Process, role.Profile, false}}
	}
	return a
}

// session returns a provider of the keys of an MFA session.
func (p Profiles) session(profile string, device awsprofile.MFA, src aws.CredentialsProvider) MFASession {
	a := p.Asker
	a.Profile = profile
	return MFASession{
		Keys: src, Device: Device{device.Serial, device.Process, profile, false}, Ask: p.Ask, Duration: DefaultSession, Store: p.Store,
		Asker: a,
	}
}
