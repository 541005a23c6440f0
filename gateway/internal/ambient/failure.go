package ambient

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/internal/httpx"
)

// maxText limits STS's words in the log. It leaves room for the ARNs of a refusal.
const maxText = 600

func asSTSError(err error) *issue.STSError {
	var f *issue.STSError
	if errors.As(err, &f) {
		return f
	}
	return unreadable() // not reached: persist returns no other errors
}

// failure says in plain words why a request to STS failed, and tells the log what STS said.
func (a *Assumer) failure(ctx context.Context, err error, role, region string) *issue.STSError {
	var f *issue.STSError
	if errors.As(err, &f) { // of a reply with keys
		a.log.Warn("STS answered with keys that cannot be lent", "region", region, "role", role, "cause", f.Cause)
		return f
	}
	var refusal smithy.APIError
	var reply *smithyhttp.ResponseError
	isReply := errors.As(err, &reply) && reply.HTTPStatusCode() != 0 // without a reply the SDK's error has status 0
	switch {
	case isReply && errors.As(err, &refusal) && refusal.ErrorCode() != "UnknownError": // the SDK's code for an unreadable error
		f = refused(refusal.ErrorCode(), refusal.ErrorMessage(), reply.HTTPStatusCode(), role, a.externalID != "")
		f.RetryAfter = httpx.PauseIn(reply.HTTPResponse().Header)
		a.log.Warn("STS refused", "region", region, "role", role, "status", reply.HTTPStatusCode(), "cause", f.Cause,
			"code", httpx.Scrub(refusal.ErrorCode(), httpx.MaxText), "message", httpx.Scrub(refusal.ErrorMessage(), maxText, a.secrets(ctx)...))
	case isReply:
		f = unreadable()
		f.MayHaveKeys = true
		f.RetryAfter = httpx.PauseIn(reply.HTTPResponse().Header)
		a.log.Warn("reply of STS cannot be read", "region", region, "role", role, "status", reply.HTTPStatusCode())
	case isNetwork(err):
		f = &issue.STSError{Cause: issue.Away, Text: "AWS STS did not answer: try again", MayHaveKeys: wasSent(err)}
		a.log.Warn("STS did not answer", "region", region, "role", role,
			"error", httpx.NetworkError(context.WithoutCancel(ctx), err))
	default: // the SDK could not sign
		f = &issue.STSError{Cause: issue.OwnKeys, Text: "the gateway has no AWS keys of its own at the moment: " +
			"its operator finds the reason in its log"}
		a.log.Error("no AWS keys to sign with", "error", httpx.Foreign(err, nil))
	}
	return f
}

// secrets returns what the log must not show.
func (a *Assumer) secrets(ctx context.Context) []string {
	own, err := a.creds.Retrieve(context.WithoutCancel(ctx)) // from the cache, as a request has just been signed
	if err != nil {
		return []string{a.externalID}
	}
	return []string{a.externalID, own.SecretAccessKey, own.SessionToken}
}

func isNetwork(err error) bool {
	return errors.As(err, new(*smithyhttp.RequestSendError)) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// wasSent reports whether STS may have got the request.
func wasSent(err error) bool {
	var op *net.OpError
	return !(errors.As(err, &op) && op.Op == "dial") && !errors.As(err, new(*net.DNSError)) &&
		!errors.As(err, new(*tls.CertificateVerificationError))
}

// codes are the causes of errors that their code names.
//
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html#API_AssumeRole_Errors
// https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html
var codes = map[string]issue.Cause{
	"Throttling": issue.Throttled, "ThrottlingException": issue.Throttled, "RequestLimitExceeded": issue.Throttled,
	"TooManyRequestsException": issue.Throttled, "RequestThrottled": issue.Throttled, "SlowDown": issue.Throttled,
	"RegionDisabledException": issue.RegionOff, "PackedPolicyTooLarge": issue.TooManyTags,
	"ExpiredToken": issue.OwnKeys, "ExpiredTokenException": issue.OwnKeys, "InvalidClientTokenId": issue.OwnKeys,
	"UnrecognizedClientException": issue.OwnKeys, "SignatureDoesNotMatch": issue.OwnKeys, "RequestExpired": issue.OwnKeys,
	"InvalidSignatureException": issue.OwnKeys, "MissingAuthenticationToken": issue.OwnKeys, "IncompleteSignature": issue.OwnKeys,
}

// refused says in plain words what an error of STS means.
func refused(code, message string, status int, role string, hasExternalID bool) *issue.STSError {
	cause := cmp.Or(codes[code], issue.BadRequest)
	isDenied := code == "AccessDenied" || code == "AccessDeniedException"
	switch {
	case status == 429:
		cause = issue.Throttled
	case status >= 500:
		cause = issue.Away
	case isDenied && isOwnPolicy(message):
		cause = issue.NotPermitted
	case isDenied && strings.Contains(message, "sts:SetSourceIdentity"):
		cause = issue.NoSourceIdentity
	case isDenied && strings.Contains(message, "sts:TagSession"):
		cause = issue.NoTagSession
	case isDenied:
		cause = issue.NotTrusted
	case code == "ValidationError" && strings.Contains(message, "DurationSeconds exceeds"):
		cause = issue.TooLong
	}
	return &issue.STSError{Cause: cause, Text: textOf(cause, role, hasExternalID)}
}

// isOwnPolicy reports whether STS names a policy that is not the role's trust policy.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
func isOwnPolicy(message string) bool {
	for _, kind := range []string{
		"identity-based policy", "service control policy", "resource control policy", "permissions boundary", "session policy",
	} {
		if strings.Contains(message, kind) {
			return true
		}
	}
	return false
}

// textOf says what to do.
func textOf(cause issue.Cause, role string, hasExternalID bool) string {
	switch cause {
	case issue.Throttled:
		return "AWS STS has too many requests: try again"
	case issue.Away:
		return "AWS STS has failed: try again"
	case issue.RegionOff:
		return "AWS STS is switched off in the gateway's region: an operator must switch it on or name another region"
	case issue.OwnKeys:
		return "AWS does not take the gateway's own AWS keys, which may have ended: its operator must renew them"
	case issue.NotPermitted:
		return "the gateway's identity may not assume role " + role + ": a policy of the gateway or of the organization refuses it " +
			"(chaim-gateway trust-policy --gateway prints the rights that it needs)"
	case issue.NoSourceIdentity:
		return "the trust policy of role " + role + " does not allow sts:SetSourceIdentity, or the gateway's own session has another " +
			"source identity (chaim-gateway trust-policy prints the right one)"
	case issue.NoTagSession:
		return "the trust policy of role " + role + " does not allow sts:TagSession (chaim-gateway trust-policy prints the right one)"
	case issue.TooLong:
		return "role " + role + " does not give keys for so long: ask for a shorter time, or raise the role's MaxSessionDuration"
	case issue.TooManyTags:
		return "the session tags for role " + role + " are too large for AWS STS"
	case issue.NotTrusted:
		id := "asks for an external id"
		if hasExternalID {
			id = "asks for another external id"
		}
		return "role " + role + " is not there, or its trust policy does not trust the gateway or " + id +
			" (chaim-gateway trust-policy prints the right one)"
	}
	return "AWS STS did not take the request for role " + role + ": the gateway's operator finds the reason in its log"
}
