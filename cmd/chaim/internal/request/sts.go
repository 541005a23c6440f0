package request

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/pflag"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/internal/awsprofile"
	"github.com/chaim-go/chaim/internal/awssts"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/profiles"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// stsFlags are the flags for AWS STS only.
type stsFlags struct {
	sessionName, sourceIdentity, externalID string
	policyFile, policy                      string
	policyARNs, tags                        []string
	mfaSerial                               string
}

// add adds the flags.
func (s *stsFlags) add(f *pflag.FlagSet) {
	f.StringVar(&s.sessionName, "session-name", "", "`NAME` of the session in CloudTrail; by default your user name and a unique part (STS only)")
	f.StringVar(&s.sourceIdentity, "source-identity", "", "`NAME` of the person behind the session (STS only)")
	f.StringVar(&s.externalID, "external-id", "", "`ID` that the role's trust policy asks for (STS only)")
	f.StringVar(&s.policyFile, "policy", "", "`FILE` with a session policy in JSON, which narrows the role (STS only)")
	f.StringArrayVar(&s.policyARNs, "policy-arn", nil, "`ARN` of a managed policy that narrows the role; may be given several times (STS only)")
	f.StringArrayVar(&s.tags, "tag", nil, "session tag `KEY=VALUE`; may be given several times (STS only)")
	f.StringVar(&s.mfaSerial, "mfa-serial", "", "`SERIAL` number or ARN of your MFA device, whose code you are asked for (STS only)")
}

// given returns the first flag that is given, or "".
func (s *stsFlags) given() string {
	for _, flag := range []struct {
		name    string
		isGiven bool
	}{
		{"session-name", s.sessionName != ""},
		{"source-identity", s.sourceIdentity != ""},
		{"external-id", s.externalID != ""},
		{"policy", s.policyFile != ""},
		{"policy-arn", len(s.policyARNs) > 0},
		{"tag", len(s.tags) > 0},
		{"mfa-serial", s.mfaSerial != ""},
	} {
		if flag.isGiven {
			return "--" + flag.name
		}
	}
	return ""
}

// check refuses flags that make no sense, and reads the policy.
func (s *stsFlags) check(ctx context.Context) error {
	seen := map[string]bool{}
	for _, tag := range s.tags {
		switch key, _, hasValue := strings.Cut(tag, "="); {
		case !hasValue || key == "":
			return cli.Usagef("--tag is KEY=VALUE, not %q", tag)
		case seen[key]:
			return cli.Usagef("--tag %s is given twice", keys.Printable(key))
		default:
			seen[key] = true
		}
	}
	if s.mfaSerial != "" {
		if err := awsprofile.CheckSerial(s.mfaSerial); err != nil {
			return cli.Usage(errtext.Unprefixed(err))
		}
	}
	if s.policyFile != "" {
		text, _, err := sharedfile.ReadInput(ctx, s.policyFile)
		if err != nil {
			return errtext.Wrap(err, "--policy")
		}
		s.policy = string(text)
	}
	asker := awssts.Asker{STS: (*awssts.STS)(s.terms())}
	if _, err := asker.For(keys.Request{Account: "000000000000", Role: "ANY", Duration: keys.DefaultDuration}); err != nil {
		return cli.Usage(errtext.Unprefixed(err))
	}
	return nil
}

// terms returns an STS with the flags for a role, without the MFA device.
func (s *stsFlags) terms() *chaim.STS {
	sts := &chaim.STS{
		SessionName: s.sessionName, SourceIdentity: s.sourceIdentity, ExternalID: s.externalID, Policy: s.policy, PolicyARNs: s.policyARNs,
	}
	for _, tag := range s.tags {
		if sts.Tags == nil {
			sts.Tags = map[string]string{}
		}
		key, value, _ := strings.Cut(tag, "=")
		sts.Tags[key] = value
	}
	return sts
}

// codeProfile returns the profile whose keys the SDK would sign with, if that profile needs the code of an MFA device for a
// role. The SDK cannot ask for a code.
func (r *Request) codeProfile() string {
	name := cmp.Or(os.Getenv("AWS_PROFILE"), os.Getenv("AWS_DEFAULT_PROFILE"), "default")
	if os.Getenv("AWS_ACCESS_KEY_ID") != "" {
		return ""
	}
	files, err := profiles.AWSFiles{}.Profiles()
	if err != nil {
		return ""
	}
	if chain, err := files.Chain(name); err != nil || len(chain.Roles) == 0 || !chain.NeedsCode() {
		return ""
	}
	return name
}

// Signer returns the provider of the keys that sign requests to AWS. Nil means those that the AWS SDK finds.
func (r *Request) Signer() aws.CredentialsProvider {
	name := r.codeProfile()
	if name == "" {
		return nil
	}
	return aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		opts := chaim.Options{Account: name, Broker: r.Profiles(), NoProfile: true, NoRenew: true}
		var creds aws.Credentials
		err := r.App.Quiet().Client(opts, func(c *chaim.Client) (err error) {
			creds, err = c.Retrieve(ctx)
			return err
		})
		return creds, err
	})
}

// STSDefinition returns the flags for AWS STS as one text. It may hold secrets.
func (r *Request) STSDefinition() string { return fmt.Sprintf("%q", r.sts) }

// STS returns a broker that asks STS with the flags. The keys of src sign the requests. Nil means those of the SDK.
func (r *Request) STS(src aws.CredentialsProvider, region string) chaim.Broker {
	s := &r.sts
	sts := s.terms()
	sts.Keys, sts.Region, sts.AllowInsecure, sts.Logger = src, region, r.Insecure, r.App.Log
	if s.mfaSerial == "" {
		if src == nil {
			sts.Keys = r.Signer()
		}
		return sts.Broker()
	}
	device := chaim.MFADevice{Serial: s.mfaSerial}
	if time.Duration(r.Duration) > time.Hour { // AWS gives keys of a session for an hour at most
		sts.MFASerial = s.mfaSerial
		sts.TokenCode = func(ctx context.Context) (string, error) { return awssts.AskCode(r.askCode).Code(ctx, device) }
		return sts.Broker()
	}
	sts.Keys = chaim.MFASession{
		Keys: src, Region: region, Device: device, TokenCode: r.askCode, Sessions: r.sessions(), AllowInsecure: r.Insecure,
		Logger: r.App.Log,
	}
	return sts.Broker()
}
