package awssts

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	"github.com/aws/smithy-go/middleware"

	"github.com/chaim-go/chaim/internal/awaiting"
	"github.com/chaim-go/chaim/internal/awsprofile"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/httpx"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/lazyregexp"
	"github.com/chaim-go/chaim/internal/partition"
)

// Role chaining, which means assuming a role with keys of a role, gives keys for an hour at most.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html#iam-term-role-chaining
const maxChained = time.Hour

var (
	tokenCodeRule   = lazyregexp.New(`^[0-9]{6}$`)
	sessionNameRule = lazyregexp.New(`^[\w+=,.@-]+$`) // see isSessionName
	externalIDRule  = lazyregexp.New(`^[\w+=,.@:/-]{2,}$`)
)

// maxName is the longest name of a session. A rule with such a count takes a millisecond to compile.
const maxName = 64

func isSessionName(name string) bool {
	return len(name) >= 2 && len(name) <= maxName && sessionNameRule().MatchString(name)
}

// checkInput refuses a request that STS would refuse, and returns the ARN of the role.
func checkInput(in *sts.AssumeRoleInput) (arn.ARN, error) {
	role, err := awsprofile.ParseRole(aws.ToString(in.RoleArn))
	if err != nil {
		return role, err
	}
	for _, name := range []struct {
		what string
		text *string
	}{{"session name", in.RoleSessionName}, {"source identity", in.SourceIdentity}} {
		if name.text != nil && !isSessionName(*name.text) {
			return role, fmt.Errorf("chaim: %s %s is not 2 to 64 letters, digits and _ + = , . @ -", name.what, keys.QuoteShort(*name.text))
		}
	}
	switch {
	case in.ExternalId != nil && !externalIDRule().MatchString(*in.ExternalId):
		return role, errors.New("chaim: external id is not two or more letters, digits and _ + = , . @ : / -")
	case in.Policy != nil && json.Unmarshal([]byte(*in.Policy), new(map[string]any)) != nil:
		return role, errors.New("chaim: session policy is not a JSON object")
	}
	for _, policy := range in.PolicyArns {
		if id, err := arn.Parse(*policy.Arn); err != nil || id.Service != "iam" || !strings.HasPrefix(id.Resource, "policy/") {
			return role, fmt.Errorf("chaim: policy %s is not an ARN such as arn:aws:iam::aws:policy/ReadOnlyAccess", keys.QuoteShort(*policy.Arn))
		}
	}
	for _, key := range in.TransitiveTagKeys {
		if !slices.ContainsFunc(in.Tags, func(tag types.Tag) bool { return *tag.Key == key }) {
			return role, fmt.Errorf("chaim: transitive tag %s is not among the tags", keys.QuoteShort(key))
		}
	}
	return role, nil
}

// Retrieve asks for keys of the role, in the region of the SDK's configuration, or else in one of the role's partition.
func (a Asker) Retrieve(ctx context.Context) (creds aws.Credentials, err error) {
	role, err := a.check()
	if err != nil {
		return creds, err
	}
	cfg, err := a.config(ctx, a.STS.Keys != nil)
	if err != nil {
		return creds, err
	}
	cfg.Region = cmp.Or(cfg.Region, partition.Region(role.Partition), partition.DefaultRegion)
	if err := partition.Check(role, cfg.Region); err != nil {
		return creds, err
	}
	client, err := a.client(ctx, cfg, a.STS.TokenCode != nil)
	if err != nil {
		return creds, err
	}
	signer, err := a.signer(ctx, cfg)
	if err != nil {
		return creds, err
	}
	a, user := a.named(ctx, client, signer)
	input, err := a.withCode(ctx)
	if err != nil {
		return creds, err
	}
	defer awaiting.For(ctx, "AWS STS in "+cfg.Region)()
	creds, err = a.send(ctx, client, signer, input, role)
	if isUnusable(err) && forget(signer.AccessKeyID) { // the keys of an MFA session: it begins anew
		if signer, err = a.signer(ctx, cfg); err == nil {
			creds, err = a.send(ctx, client, signer, input, role)
		}
	}
	if err != nil {
		if input.TokenCode != nil {
			err = codeSent{err}
		}
		return creds, errtext.Wrap(err, "asking STS in %s for role %s", cfg.Region, a.STS.RoleARN)
	}
	usersOf(ctx).note(creds.AccessKeyID, user) // for a role that is assumed with these keys
	return creds, nil
}

// client returns the SDK's STS client for a request. hasCode says that the request has a code of an MFA device. A code works
// once, even if the reply is lost.
func (a Asker) client(ctx context.Context, cfg aws.Config, hasCode bool) (*sts.Client, error) {
	client := sts.NewFromConfig(cfg, func(o *sts.Options) {
		o.HTTPClient = ServiceClient(a.STS.HTTPClient, cfg)
		if a.STS.Endpoint != "" {
			o.BaseEndpoint = &a.STS.Endpoint
		}
		if keys.IsSingleAttempt(ctx) || hasCode {
			o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) {
				o.MaxAttempts, o.Retryables = 2, []retry.IsErrorRetryable{retry.IsErrorRetryableFunc(isClockSkew)}
			})
		}
	})
	return client, httpx.CheckEndpoint("STS", client.Options().BaseEndpoint, a.STS.AllowInsecure, a.Log)
}

// signer gets the keys that sign the request.
func (a Asker) signer(ctx context.Context, cfg aws.Config) (aws.Credentials, error) {
	src := a.STS.Keys
	if src == nil {
		src = cfg.Credentials
	}
	signer, err := a.keysOf(ctx, src)
	if err == nil && !signer.HasKeys() {
		err = errors.New("the provider answered without keys")
	}
	if err != nil {
		return signer, errtext.Wrap(err, "no keys to ask STS with")
	}
	return signer, nil
}

// keysOf calls a provider. Its errors hold no secrets.
func (a Asker) keysOf(ctx context.Context, src aws.CredentialsProvider) (aws.Credentials, error) {
	switch src.(type) {
	case Asker, codeAsker, MFASession, centerKeys, loginKeys, processKeys:
		return src.Retrieve(ctx)
	}
	return a.Signer.Retrieve(ctx, src)
}

// send asks STS, and a second time for an hour if role chaining allows no more.
func (a Asker) send(ctx context.Context, client *sts.Client, signer aws.Credentials, input *sts.AssumeRoleInput, role arn.ARN) (aws.Credentials, error) {
	withKeys := func(o *sts.Options) { o.Credentials = fixed(signer) }
	sent := time.Now()
	out, err := client.AssumeRole(ctx, input, withKeys)
	if a.STS.Lifetime() > maxChained && input.TokenCode == nil && isChainingLimit(err) {
		a.Log.Warn("chaim: role chaining allows keys of one hour only", "role", a.STS.RoleARN, "asked", a.STS.Lifetime())
		input.DurationSeconds = aws.Int32(int32(maxChained / time.Second))
		sent = time.Now()
		out, err = client.AssumeRole(ctx, input, withKeys)
	}
	if err != nil {
		secrets := []string{signer.SecretAccessKey, signer.SessionToken, a.STS.ExternalID, a.STS.Policy, aws.ToString(input.TokenCode)}
		return aws.Credentials{}, Failure(ctx, "STS", a.Files, err, secrets...)
	}
	return a.credentials(out, role, sent)
}

// fixed always provides the same keys, even after they have expired: STS decides about that.
func fixed(creds aws.Credentials) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return creds, nil })
}

// withCode returns the request, with a code of the MFA device if there is one.
func (a Asker) withCode(ctx context.Context) (*sts.AssumeRoleInput, error) {
	in := a.STS.input()
	if a.STS.TokenCode == nil {
		return &in, nil
	}
	code, err := a.STS.TokenCode(ctx)
	if err == nil {
		code, err = CleanCode(code)
	}
	if err != nil {
		return nil, noCode{errtext.Wrap(Foreign(err, a.Files), "no code of MFA device %s", a.STS.MFASerial)}
	}
	in.TokenCode = &code
	return &in, nil
}

// credentials returns the keys in a reply, complete or not at all.
func (a Asker) credentials(out *sts.AssumeRoleOutput, role arn.ARN, sent time.Time) (aws.Credentials, error) {
	if out.AssumedRoleUser != nil {
		who, err := arn.Parse(aws.ToString(out.AssumedRoleUser.Arn))
		name := awsprofile.RoleName(role.Resource)
		if err == nil && partition.Region(role.Partition) != "" && (who.Partition != role.Partition ||
			who.AccountID != role.AccountID || !strings.HasPrefix(who.Resource, "assumed-role/"+name+"/")) {
			return aws.Credentials{}, errors.New("reply has keys of another role or account")
		}
	}
	creds, err := a.keysIn(out.Credentials, out.ResultMetadata, sent, a.STS.Lifetime())
	creds.AccountID = role.AccountID
	return creds, err
}

// keysIn returns the keys of a reply. sent is when the request was sent, and lifetime is what it asked for.
func (a Asker) keysIn(reply *types.Credentials, about middleware.Metadata, sent time.Time, lifetime time.Duration) (aws.Credentials, error) {
	if reply == nil || reply.Expiration == nil {
		return aws.Credentials{}, errors.New("reply has no credentials or no expiration")
	}
	creds := aws.Credentials{
		AccessKeyID:     aws.ToString(reply.AccessKeyId),
		SecretAccessKey: aws.ToString(reply.SecretAccessKey),
		SessionToken:    aws.ToString(reply.SessionToken),
		Source:          "chaim",
		CanExpire:       true,
	}
	if field := keys.Malformed(creds.AccessKeyID, creds.SecretAccessKey, creds.SessionToken); field != "" {
		return aws.Credentials{}, fmt.Errorf("%s of the reply is missing or malformed", field)
	}
	server, _ := awsmiddleware.GetServerTime(about)
	var err error
	if creds.Expires, err = keys.ExpirationHere(*reply.Expiration, server, sent, lifetime, a.Log); err != nil {
		return aws.Credentials{}, err
	}
	return creds, keys.CheckLifetime(time.Until(creds.Expires), lifetime)
}

// isChainingLimit reports whether STS refused because role chaining allows an hour only.
func isChainingLimit(err error) bool {
	var refusal smithy.APIError
	return errors.As(err, &refusal) && refusal.ErrorCode() == "ValidationError" && strings.Contains(refusal.ErrorMessage(), "role chaining")
}
