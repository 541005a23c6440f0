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

// isClockSkew reports whether the SDK will sign the request again, by the server's clock.
func isClockSkew(err error) aws.Ternary {
	var skew interface{ RetryableError() bool }
	isSkew := errors.As(err, new(smithy.APIError)) && errors.As(err, &skew) && skew.RetryableError()
	return aws.BoolTernary(isSkew)
}

// serviceError is a refusal by a service of AWS, redacted. The SDK's own error quotes the reply, in which STS may quote the
// request's headers.
type serviceError struct {
	service       string
	status        int
	code, message string
	pause         time.Duration // asked for by the reply
}

var _ smithy.APIError = (*serviceError)(nil)

func (e *serviceError) Error() string {
	return fmt.Sprintf("chaim: %s answered %d: %s: %s", e.service, e.status, e.code, e.message)
}
func (e *serviceError) ErrorCode() string    { return e.code }
func (e *serviceError) ErrorMessage() string { return e.message }
func (e *serviceError) HTTPStatusCode() int  { return e.status }

func (e *serviceError) ErrorFault() smithy.ErrorFault {
	if e.status >= 500 {
		return smithy.FaultServer
	}
	return smithy.FaultClient
}

// IsFinal reports whether another attempt cannot help.
func (e *serviceError) IsFinal() bool { return httpx.IsFinalStatus(e.status) && !httpx.IsThrottled(e) }

// RetryAfter returns the pause that the reply asks for.
func (e *serviceError) RetryAfter() time.Duration { return e.pause }

// Is makes the error [keys.ErrDenied] if the service refused the keys or the role, and [keys.ErrUnreachable] if a proxy
// could not reach the service.
func (e *serviceError) Is(target error) bool {
	return target == keys.ErrDenied && deniedCodes[e.code] || target == keys.ErrUnreachable && httpx.IsAway(e.status)
}

// deniedCodes are the codes for a caller who has no right, or whose keys are not accepted.
//
// https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html
var deniedCodes = map[string]bool{
	"AccessDenied": true, "AccessDeniedException": true, "ExpiredToken": true, "ExpiredTokenException": true,
	"IncompleteSignature": true, "InvalidClientTokenId": true, "InvalidAccessKeyId": true, "MissingAuthenticationToken": true,
	"ForbiddenException": true, "UnauthorizedException": true, "NotAuthorized": true, "OptInRequired": true,
	"SignatureDoesNotMatch": true, "UnrecognizedClientException": true,
}

// Failure redacts an error of the SDK after a request to a service.
func Failure(ctx context.Context, service string, files Files, err error, secrets ...string) error {
	var refusal smithy.APIError
	var reply *smithyhttp.ResponseError
	isReply := errors.As(err, &reply) && reply.HTTPStatusCode() != 0 // without a reply the SDK's error has status 0
	switch {
	case ctx.Err() != nil:
		return httpx.NetworkError(ctx, err, secrets...)
	case errors.As(err, &refusal) && isReply && refusal.ErrorCode() != "UnknownError": // the SDK's code for an unreadable error
		return &serviceError{
			service: service,
			status:  reply.HTTPStatusCode(),
			code:    httpx.Scrub(refusal.ErrorCode(), httpx.MaxText, secrets...),
			message: httpx.Scrub(refusal.ErrorMessage(), maxText, secrets...),
			pause:   httpx.PauseIn(reply.HTTPResponse().Header),
		}
	case isReply && reply.HTTPStatusCode() >= 300:
		return &serviceError{service, reply.HTTPStatusCode(), "UnknownReply", "this is no reply of " + service + "; is the endpoint right, or is a proxy in between?", httpx.PauseIn(reply.HTTPResponse().Header)}
	case isReply:
		return fmt.Errorf("reply cannot be read; is the endpoint that of %s?", service)
	case errors.As(err, new(*smithyhttp.RequestSendError)):
		return httpx.NetworkError(ctx, err, secrets...)
	}
	// The SDK could not build the request.
	return httpx.Final{Text: httpx.Redaction{Limit: maxText, Secrets: secrets, Local: localNames(files, err, err.Error())}.Of(err.Error())}
}

// codeSent is the failure of a request with a code of an MFA device. STS accepts a code once, so a second request would be
// refused and hide why the first one failed.
type codeSent struct{ error }

func (e codeSent) Unwrap() error { return e.error }

// IsFinal reports that another attempt cannot help.
func (codeSent) IsFinal() bool { return true }
