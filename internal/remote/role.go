package remote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"

	"github.com/chaim-go/chaim/internal/awaiting"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/lazyregexp"
	"github.com/chaim-go/chaim/internal/partition"
)

// Keys of a role that were got with keys of a role are valid for an hour at most.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html#iam-term-role-chaining
const maxChained = time.Hour

var tokenCodeRule = lazyregexp.New(`^[0-9]{6}$`)

// RoleRequest is a checked STS of the package chaim, which describes the fields, with its defaults filled in. Keys give
// errors that are fit to be shown.
type RoleRequest struct {
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

// Send asks STS for keys, in the region of cfg or, without one, in one of the role's partition. role is what RoleARN says.
func (r *RoleRequest) Send(ctx context.Context, cfg aws.Config, role arn.ARN) (creds aws.Credentials, err error) {
	cfg.Region = cmp.Or(cfg.Region, partition.Region(role.Partition), partition.DefaultRegion)
	if err := partition.Check(role, cfg.Region); err != nil {
		return creds, err
	}
	client := sts.NewFromConfig(cfg, func(o *sts.Options) {
		o.HTTPClient = stsClient(r.HTTPClient, cfg)
		if r.Endpoint != "" {
			o.BaseEndpoint = &r.Endpoint
		}
		if IsSingleAttempt(ctx) || r.TokenCode != nil { // a code works once, also where the reply is lost
			o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) {
				o.MaxAttempts, o.Retryables = 2, []retry.IsErrorRetryable{retry.IsErrorRetryableFunc(isClockSkew)}
			})
		}
	})
	if err := checkEndpoint("STS", client.Options().BaseEndpoint, r.AllowInsecure, r.Logger); err != nil {
		return creds, err
	}
	keys, err := r.Keys.Retrieve(ctx)
	if err == nil && !keys.HasKeys() {
		err = errors.New("the provider answered without keys")
	}
	if err != nil {
		return creds, errtext.Wrap(err, "no keys to ask STS with")
	}
	input, err := r.input(ctx)
	if err != nil {
		return creds, err
	}

	defer awaiting.For(ctx, "AWS STS in "+cfg.Region)()
	withKeys := func(o *sts.Options) { o.Credentials = fixed(keys) }
	sent := time.Now()
	out, err := client.AssumeRole(ctx, input, withKeys)
	if r.Duration > maxChained && input.TokenCode == nil && isChainingLimit(err) {
		r.Logger.Warn("chaim: role chaining allows keys of one hour only", "role", r.RoleARN, "asked", r.Duration)
		input.DurationSeconds = aws.Int32(int32(maxChained / time.Second))
		sent = time.Now()
		out, err = client.AssumeRole(ctx, input, withKeys)
	}
	if err != nil {
		secrets := []string{keys.SecretAccessKey, keys.SessionToken, r.ExternalID, r.Policy, aws.ToString(input.TokenCode)}
		err = stsFailure(ctx, err, secrets)
	} else {
		creds, err = r.credentials(out, role, sent)
	}
	if err != nil {
		if input.TokenCode != nil {
			err = codeSent{err}
		}
		return creds, errtext.Wrap(err, "asking STS in %s for role %s", cfg.Region, r.RoleARN)
	}
	return creds, nil
}

// fixed provides the same keys always, expired or not: whether they are is for STS to say.
func fixed(keys aws.Credentials) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return keys, nil })
}

func (r *RoleRequest) input(ctx context.Context) (*sts.AssumeRoleInput, error) {
	in := &sts.AssumeRoleInput{
		RoleArn:           &r.RoleARN,
		RoleSessionName:   &r.SessionName,
		DurationSeconds:   aws.Int32(int32(r.Duration / time.Second)),
		ExternalId:        optional(r.ExternalID),
		Policy:            optional(r.Policy),
		SourceIdentity:    optional(r.SourceIdentity),
		SerialNumber:      optional(r.MFASerial),
		TransitiveTagKeys: r.TransitiveTags,
	}
	for _, policy := range r.PolicyARNs {
		in.PolicyArns = append(in.PolicyArns, types.PolicyDescriptorType{Arn: &policy})
	}
	for _, key := range slices.Sorted(maps.Keys(r.Tags)) {
		in.Tags = append(in.Tags, types.Tag{Key: &key, Value: aws.String(r.Tags[key])})
	}
	if r.TokenCode != nil {
		code, err := r.TokenCode(ctx)
		if err == nil && !tokenCodeRule().MatchString(code) {
			err = errors.New("it is not six digits")
		}
		if err != nil {
			return nil, errtext.Wrap(Foreign(err), "no code of MFA device %s", r.MFASerial)
		}
		in.TokenCode = &code
	}
	return in, nil
}

func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// credentials takes all of a set of keys out of a reply, or none of it.
func (r *RoleRequest) credentials(out *sts.AssumeRoleOutput, role arn.ARN, sent time.Time) (aws.Credentials, error) {
	if out.Credentials == nil || out.Credentials.Expiration == nil {
		return aws.Credentials{}, errors.New("reply has no credentials or no expiration")
	}
	creds := aws.Credentials{
		AccessKeyID:     aws.ToString(out.Credentials.AccessKeyId),
		SecretAccessKey: aws.ToString(out.Credentials.SecretAccessKey),
		SessionToken:    aws.ToString(out.Credentials.SessionToken),
		Source:          "chaim",
		CanExpire:       true,
		AccountID:       role.AccountID,
	}
	if field := MalformedKeys(creds.AccessKeyID, creds.SecretAccessKey, creds.SessionToken); field != "" {
		return aws.Credentials{}, fmt.Errorf("%s of the reply is missing or malformed", field)
	}
	if out.AssumedRoleUser != nil {
		who, err := arn.Parse(aws.ToString(out.AssumedRoleUser.Arn))
		name := role.Resource[strings.LastIndex(role.Resource, "/")+1:]
		if err == nil && partition.Region(role.Partition) != "" && (who.Partition != role.Partition ||
			who.AccountID != role.AccountID || !strings.HasPrefix(who.Resource, "assumed-role/"+name+"/")) {
			return aws.Credentials{}, errors.New("reply has keys of another role or account")
		}
	}
	server, _ := awsmiddleware.GetServerTime(out.ResultMetadata)
	var err error
	if creds.Expires, err = ExpirationHere(*out.Credentials.Expiration, server, sent, r.Duration, r.Logger); err != nil {
		return aws.Credentials{}, err
	}
	return creds, CheckLifetime(time.Until(creds.Expires), r.Duration)
}

// isChainingLimit reports whether STS refused because keys of a role are asked for with keys of a role.
func isChainingLimit(err error) bool {
	var refusal smithy.APIError
	return errors.As(err, &refusal) && refusal.ErrorCode() == "ValidationError" && strings.Contains(refusal.ErrorMessage(), "role chaining")
}
