package awssts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/chaim-go/chaim/internal/awsenv"
	"github.com/chaim-go/chaim/internal/awsprofile"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/keys"
)

// Profiles gives the keys of profiles of the AWS files. Ask and Store may be nil.
type Profiles struct {
	Asker  Asker // its STS has the HTTP client and AllowInsecure
	Ask    AskCode
	Store  SessionStore
	Center func(ctx context.Context, s awsprofile.Session) (aws.Credentials, error) // asks IAM Identity Center
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
	switch {
	case r.Role != "" && r.Role != role && r.Role != awsprofile.RoleName(role):
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
	c, err := p.Chain(r.Account)
	if err != nil {
		return keys.Grant{}, err
	}
	// Role and lifetime are complete already.
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

// first returns a provider of the first keys of a chain, and the roles that are to be assumed with them. If the profile with
// the source has a role too, the SDK assumes that, unless the source are plain keys.
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
		return p.session(c.Profile, s.MFA, own, cmp.Or(r.Duration, DefaultSession)), roles, nil
	}
	if s.Kind == awsprofile.SSO {
		return centerKeys{p.Center, s.Session}, roles, nil
	}
	if s.Kind == awsprofile.Environment {
		if err := checkEnvironment(); err != nil {
			return nil, nil, err
		}
	}
	o := Options{Region: r.Region, Profile: s.Profile, AllowInsecure: p.Asker.STS.AllowInsecure, Log: p.Asker.Log, Files: p.Asker.Files, Lifetime: r.Duration}
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
	if err == nil && s.Kind == awsprofile.Login {
		return loginKeys{cfg, p.Asker, s}, roles, nil
	}
	return cfg.Credentials, roles, err
}

// IsLoginOver reports whether the SDK found no sign-in by 'aws login', or one that has ended. It has no type for that.
func IsLoginOver(err error) bool { return strings.Contains(err.Error(), "please reauthenticate") }

// checkEnvironment refuses an environment without keys, or with keys that chaim has lent.
func checkEnvironment() error {
	env, err := config.NewEnvConfig()
	switch {
	case err != nil:
		return err
	case !env.Credentials.HasKeys():
		return errors.New("its credential_source is Environment, but AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set")
	case awsenv.IsMarked(os.Environ(), env.Credentials.AccessKeyID):
		return errors.New("its credential_source is Environment, but chaim has lent the keys there")
	}
	return nil
}

// assume returns a provider of the keys of a role. hasUserKeys says that src gives long-term keys of a user: if the role
// needs an MFA device and AWS allows it, the keys of a session sign, so that a person is asked once for all roles.
func (p Profiles) assume(c awsprofile.Chain, role awsprofile.Role, src aws.CredentialsProvider, lifetime time.Duration, region string, hasUserKeys bool) aws.CredentialsProvider {
	s := *p.Asker.STS
	s.RoleARN, s.SessionName, s.ExternalID, s.Duration, s.Region, s.Keys = role.ARN, role.SessionName, role.ExternalID, lifetime, region, src
	a := p.Asker
	a.STS, a.Profile = &s, c.Settings()
	switch {
	case role.MFA.Serial == "":
	case hasUserKeys && lifetime <= maxChained:
		s.Keys = p.session(role.Profile, role.MFA, src, DefaultSession)
	default:
		return codeAsker{a, p.Ask, Device{role.MFA.Serial, role.MFA.Process, role.Profile, false}}
	}
	return a
}

// session returns a provider of the keys of an MFA session.
func (p Profiles) session(profile string, device awsprofile.MFA, src aws.CredentialsProvider, lifetime time.Duration) MFASession {
	a := p.Asker
	a.Profile = profile
	return MFASession{Keys: src, Device: Device{device.Serial, device.Process, profile, false}, Ask: p.Ask, Duration: lifetime, Store: p.Store, Asker: a}
}

// codeAsker sends the code of an MFA device with the request for a role.
type codeAsker struct {
	Asker
	ask    AskCode
	device Device
}

// Retrieve asks STS, and for another code if STS refuses one.
func (a codeAsker) Retrieve(ctx context.Context) (creds aws.Credentials, err error) {
	own, err := a.keysOf(ctx, a.STS.Keys)
	if err != nil {
		return creds, err
	}
	_, done, err := take(ctx, own.AccessKeyID, a.device.Serial)
	if err != nil {
		return creds, err
	}
	defer done()
	err = withCode(ctx, a.ask, a.device, func(code string) error {
		s := *a.STS
		s.Keys, s.MFASerial, s.TokenCode = fixed(own), a.device.Serial, func(context.Context) (string, error) { return code, nil }
		asker := a.Asker
		asker.STS = &s
		creds, err = asker.Retrieve(ctx)
		return err
	})
	return creds, err
}
