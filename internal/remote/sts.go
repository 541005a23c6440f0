package remote

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
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

// Is reports whether target is [ErrDenied] and the keys or the role are the reason, or [ErrUnreachable] and STS is away.
func (e *stsError) Is(target error) bool {
	return target == ErrDenied && deniedCodes[e.code] || target == ErrUnreachable && IsAway(e.status)
}

// deniedCodes are those of https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html that are about who asks.
var deniedCodes = map[string]bool{
	"AccessDenied": true, "AccessDeniedException": true, "ExpiredToken": true, "ExpiredTokenException": true,
	"IncompleteSignature": true, "InvalidClientTokenId": true, "InvalidAccessKeyId": true, "MissingAuthenticationToken": true,
	"NotAuthorized": true, "OptInRequired": true, "SignatureDoesNotMatch": true, "UnrecognizedClientException": true,
}

// stsFailure makes an error of the SDK fit to be shown.
func stsFailure(ctx context.Context, err error, secrets []string) error {
	var refusal smithy.APIError
	var reply *smithyhttp.ResponseError
	isReply := errors.As(err, &reply) && reply.HTTPStatusCode() != 0 // the SDK makes one up where there was no answer
	switch {
	case ctx.Err() != nil:
		return networkError(ctx, err, secrets...)
	case errors.As(err, &refusal) && isReply && refusal.ErrorCode() != "UnknownError": // the SDK's word
		return &stsError{
			status:  reply.HTTPStatusCode(),
			code:    scrub(refusal.ErrorCode(), maxText, secrets...),
			message: scrubSDK(refusal.ErrorMessage(), secrets...),
			pause:   retryAfter(reply.HTTPResponse().Header),
		}
	case isReply && reply.HTTPStatusCode() >= 300:
		return &stsError{reply.HTTPStatusCode(), "UnknownReply", "this is no reply of STS; is the endpoint right, or is a proxy in between?", retryAfter(reply.HTTPResponse().Header)}
	case isReply:
		return errors.New("reply cannot be read; is the endpoint that of an STS?")
	case errors.As(err, new(*smithyhttp.RequestSendError)):
		return networkError(ctx, err, secrets...)
	}
	// The SDK cannot make a request of this.
	return final{redaction{limit: maxSDKText, secrets: secrets, local: localNames(err, err.Error())}.of(err.Error())}
}
