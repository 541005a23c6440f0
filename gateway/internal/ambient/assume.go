package ambient

import (
	"context"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/chaim-go/chaim/gateway/internal/awsrole"
	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/internal/awsprofile"
	"github.com/chaim-go/chaim/internal/keys"
)

// Assume asks STS for keys. If role chaining allows less than the session's lifetime, the keys are valid for an hour. See
// [issue.Assumer].
func (a *Assumer) Assume(ctx context.Context, s issue.Session) (issue.Lent, error) {
	if limit := a.Cap(); limit > 0 {
		s.Lifetime = min(s.Lifetime, limit)
	}
	lent, err := a.assume(ctx, s)
	if err != nil && err.Cause == issue.TooLong && !a.Identity().Chained && a.isChaining(ctx) {
		s.Lifetime = min(s.Lifetime, maxChained)
		mayHaveKeys := err.MayHaveKeys
		if lent, err = a.assume(ctx, s); err != nil {
			err.MayHaveKeys = err.MayHaveKeys || mayHaveKeys
		}
	}
	if err != nil {
		return issue.Lent{}, err
	}
	return lent, nil
}

// isChaining asks STS again who the gateway is, and reports whether that is a session of a role.
func (a *Assumer) isChaining(ctx context.Context) bool {
	id, err := a.Identify(ctx)
	return err == nil && id.Chained
}

func (a *Assumer) assume(ctx context.Context, s issue.Session) (lent issue.Lent, failure *issue.STSError) {
	t, err := a.persist(ctx, s.RoleARN, func(ctx context.Context, c regional) error {
		sent := time.Now()
		out, err := c.client.AssumeRole(ctx, a.input(s))
		if err != nil {
			return err
		}
		creds, problem := a.read(out, s, sent)
		if problem != nil {
			problem.MayHaveKeys = true
			return problem
		}
		lent = issue.Lent{Keys: creds, Chained: a.Identity().Chained}
		return nil
	})
	if err != nil {
		failure := asSTSError(err)
		failure.MayHaveKeys = failure.MayHaveKeys || t.mayHaveKeys
		return issue.Lent{}, failure
	}
	return lent, nil
}

// input returns the request. No tag is transitive: roles that a user assumes onward need not allow tags.
func (a *Assumer) input(s issue.Session) *sts.AssumeRoleInput {
	in := &sts.AssumeRoleInput{
		RoleArn:         &s.RoleARN,
		RoleSessionName: &s.SourceIdentity,
		SourceIdentity:  &s.SourceIdentity,
		DurationSeconds: aws.Int32(int32(s.Left() / time.Second)),
		Tags: []types.Tag{
			{Key: aws.String(awsrole.TagUser), Value: &s.User},
			{Key: aws.String(awsrole.TagIssue), Value: &s.Issue},
		},
	}
	if a.externalID != "" {
		in.ExternalId = &a.externalID
	}
	return in
}

// read returns the keys of a reply, if they are complete and of the session that was asked for.
func (a *Assumer) read(out *sts.AssumeRoleOutput, s issue.Session, sent time.Time) (aws.Credentials, *issue.STSError) {
	reply := out.Credentials
	if reply == nil || reply.Expiration == nil || out.AssumedRoleUser == nil {
		return aws.Credentials{}, unreadable()
	}
	creds := aws.Credentials{
		AccessKeyID: aws.ToString(reply.AccessKeyId), SecretAccessKey: aws.ToString(reply.SecretAccessKey),
		SessionToken: aws.ToString(reply.SessionToken), Source: "chaim-gateway", CanExpire: true, Expires: reply.Expiration.UTC(),
	}
	if keys.Malformed(creds.AccessKeyID, creds.SecretAccessKey, creds.SessionToken) != "" {
		return aws.Credentials{}, unreadable()
	}
	dropped := store.IssuedKeys{ID: creds.AccessKeyID, ExpiresAt: creds.Expires, Chained: a.Identity().Chained}
	server, _ := awsmiddleware.GetServerTime(out.ResultMetadata)
	if _, err := keys.ExpirationHere(creds.Expires, server, sent, s.Lifetime, slog.New(slog.DiscardHandler)); err != nil {
		return aws.Credentials{}, &issue.STSError{Cause: issue.OtherSession, Dropped: dropped, Text: "the keys of STS end at a time that was not " +
			"asked for, so they were dropped: is the clock of the gateway right?"}
	}
	role, err := arn.Parse(s.RoleARN)
	who, errWho := arn.Parse(aws.ToString(out.AssumedRoleUser.Arn))
	session := "assumed-role/" + awsprofile.RoleName(role.Resource) + "/" + s.SourceIdentity
	isOther := err != nil || errWho != nil || who.Partition != role.Partition || who.AccountID != role.AccountID ||
		who.Resource != session
	if named := aws.ToString(out.SourceIdentity); isOther || named != s.SourceIdentity {
		return aws.Credentials{}, &issue.STSError{Cause: issue.OtherSession, Dropped: dropped, Text: "STS made keys of another role, session or source " +
			"identity than was asked for, so they were dropped: does the gateway's own session have a source identity?"}
	}
	creds.AccountID = role.AccountID
	return creds, nil
}

func unreadable() *issue.STSError {
	return &issue.STSError{Cause: issue.Away, Text: "the reply of AWS STS cannot be read: try again"}
}
