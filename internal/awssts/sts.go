package awssts

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/chaim-go/chaim/internal/httpx"
	"github.com/chaim-go/chaim/internal/keys"
)

// isClockSkew reports whether the SDK will sign again by the server's clock.
func isClockSkew(err error) aws.Ternary {
	var skew interface{ RetryableError() bool }
	isSkew := errors.As(err, new(smithy.APIError)) && errors.As(err, &skew) && skew.RetryableError()
	return aws.BoolTernary(isSkew)
}

// stsError is a refusal by STS. The SDK's own would quote the reply, and STS the headers of the request.
type stsError struct {
	status        int
	code, message string
	pause         time.Duration // that the reply asked for
}

var _ smithy.APIError = (*stsError)(nil)

func (e *stsError) Error() string {
	return fmt.Sprintf("chaim: STS answered %d: %s: %s", e.status, e.code, e.message)
}
func (e *stsError) ErrorCode() string    { return e.code }
func (e *stsError) ErrorMessage() string { return e.message }
func (e *stsError) HTTPStatusCode() int  { return e.status }

func (e *stsError) ErrorFault() smithy.ErrorFault {
	if e.status >= 500 {
		return smithy.FaultServer
	}
	return smithy.FaultClient
}

// IsFinal reports whether asking again will not help.
func (e *stsError) IsFinal() bool { return httpx.IsFinalStatus(e.status) && !httpx.IsThrottled(e) }

// RetryAfter is the pause that the reply asked for.
func (e *stsError) RetryAfter() time.Duration { return e.pause }

// Is reports whether target is [keys.ErrDenied] and the keys or the role are the reason, or [keys.ErrUnreachable] and STS is away.
func (e *stsError) Is(target error) bool {
	return target == keys.ErrDenied && deniedCodes[e.code] || target == keys.ErrUnreachable && httpx.IsAway(e.status)
}

// deniedCodes are those of https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html that are about who asks.
var deniedCodes = map[string]bool{
	"AccessDenied": true, "AccessDeniedException": true, "ExpiredToken": true, "ExpiredTokenException": true,
	"IncompleteSignature": true, "InvalidClientTokenId": true, "InvalidAccessKeyId": true, "MissingAuthenticationToken": true,
	"NotAuthorized": true, "OptInRequired": true, "SignatureDoesNotMatch": true, "UnrecognizedClientException": true,
}

// stsFailure makes an error of the SDK fit to be shown.
func stsFailure(ctx context.Context, files Files, err error, secrets []string) error {
	var refusal smithy.APIError
	var reply *smithyhttp.ResponseError
	isReply := errors.As(err, &reply) && reply.HTTPStatusCode() != 0 // the SDK makes one up where there was no answer
	switch {
	case ctx.Err() != nil:
		return httpx.NetworkError(ctx, err, secrets...)
	case errors.As(err, &refusal) && isReply && refusal.ErrorCode() != "UnknownError": // the SDK's word
		return &stsError{
			status:  reply.HTTPStatusCode(),
			code:    httpx.Scrub(refusal.ErrorCode(), httpx.MaxText, secrets...),
			message: httpx.Scrub(refusal.ErrorMessage(), maxText, secrets...),
			pause:   httpx.PauseIn(reply.HTTPResponse().Header),
		}
	case isReply && reply.HTTPStatusCode() >= 300:
		return &stsError{reply.HTTPStatusCode(), "UnknownReply", "this is no reply of STS; is the endpoint right, or is a proxy in between?", httpx.PauseIn(reply.HTTPResponse().Header)}
	case isReply:
		return errors.New("reply cannot be read; is the endpoint that of an STS?")
	case errors.As(err, new(*smithyhttp.RequestSendError)):
		return httpx.NetworkError(ctx, err, secrets...)
	}
	// The SDK cannot make a request of this.
	return httpx.Final{Text: httpx.Redaction{Limit: maxText, Secrets: secrets, Local: localNames(files, err, err.Error())}.Of(err.Error())}
}

// codeSent is the failure of a request with a code of an MFA device. STS takes a code once: a second request with it is
// refused, which would hide why the first one failed.
type codeSent struct{ error }

func (e codeSent) Unwrap() error { return e.error }

// IsFinal reports that asking again will not help.
func (codeSent) IsFinal() bool { return true }
