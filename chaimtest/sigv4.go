package chaimtest

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const (
	sigAlgorithm = "AWS4-HMAC-SHA256"
	sigTime      = "20060102T150405Z"
	sigDay       = "20060102"
	sigWindow    = 15 * time.Minute

	signatureMismatch = "SignatureDoesNotMatch"
)

// signature is a parsed Authorization header.
type signature struct {
	keyID, day, region, service, terminator string
	headers                                 []string // lower case
	value                                   string
}

// parseAuthorization reads the header "AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…".
func parseAuthorization(header string) (sig signature, ok bool) {
	algorithm, rest, _ := strings.Cut(header, " ")
	if algorithm != sigAlgorithm {
		return sig, false
	}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "Credential":
			scope := strings.Split(value, "/")
			if len(scope) != 5 {
				return sig, false
			}
			sig.keyID, sig.day, sig.region, sig.service, sig.terminator = scope[0], scope[1], scope[2], scope[3], scope[4]
		case "SignedHeaders":
			sig.headers = strings.Split(value, ";")
		case "Signature":
			sig.value = value
		}
	}
	return sig, sig.keyID != "" && len(sig.headers) > 0 && sig.value != ""
}

// verify returns the keys that signed the request, or the refusal of AWS.
func (x *exchange) verify() (*key, *stsError) { return x.verifyFor("sts") }

// verifyFor is verify for a service.
func (x *exchange) verifyFor(service string) (*key, *stsError) {
	fail := func(code, format string, args ...any) (*key, *stsError) {
		return nil, stsRefusal(http.StatusForbidden, code, format, args...)
	}
	header := x.r.Header.Get("Authorization")
	if header == "" {
		return fail("MissingAuthenticationToken", "Request is missing Authentication Token")
	}
	sig, ok := parseAuthorization(header)
	if !ok {
		return nil, stsRefusal(http.StatusBadRequest, "IncompleteSignature",
			"Authorization header is not a complete "+sigAlgorithm+" signature")
	}
	date := x.r.Header.Get("X-Amz-Date")
	signed, err := time.Parse(sigTime, date)
	if err != nil {
		return nil, stsRefusal(http.StatusBadRequest, "IncompleteSignature",
			"Authorization header requires existence of an 'X-Amz-Date' header in ISO-8601 basic format")
	}

	x.s.mu.Lock()
	k, now := x.s.world.keys[sig.keyID], x.s.world.now().UTC()
	x.s.mu.Unlock()
	if k == nil || !equal(k.token, x.r.Header.Get("X-Amz-Security-Token")) {
		return fail("InvalidClientTokenId", "The security token included in the request is invalid.")
	}
	const code = signatureMismatch
	early, late := now.Add(-sigWindow), now.Add(sigWindow)
	switch {
	case sig.service != service:
		return fail(code, "Credential should be scoped to correct service: '%s'.", service)
	case sig.terminator != "aws4_request":
		return fail(code, "Credential should be scoped with a valid terminator: 'aws4_request'.")
	case sig.day != signed.Format(sigDay):
		return fail(code, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%s'.",
			sig.day, signed.Format(sigDay))
	case signed.Before(early):
		return fail(code, "Signature expired: %s is now earlier than %s (%s - 15 min.)",
			date, early.Format(sigTime), now.Format(sigTime))
	case signed.After(late):
		return fail(code, "Signature not yet current: %s is still later than %s (%s + 15 min.)",
			date, late.Format(sigTime), now.Format(sigTime))
	case !slices.Contains(sig.headers, "host"):
		return fail(code, "'Host' must be a 'SignedHeader' in the AWS Authorization.")
	case !equal(x.expected(sig, k, signed), sig.value):
		return nil, x.mismatch(sig, date)
	case !k.expires.IsZero() && !now.Before(k.expires):
		return fail("ExpiredToken", "The security token included in the request is expired")
	}
	return k, nil
}

// expected signs the request again, with the same headers as the client, and returns the signature.
func (x *exchange) expected(sig signature, k *key, at time.Time) string {
	r := &http.Request{
		Method: x.r.Method,
		URL:    &url.URL{Scheme: "http", Host: x.r.Host, Path: x.r.URL.Path, RawPath: x.r.URL.RawPath, RawQuery: x.r.URL.RawQuery},
		Host:   x.r.Host,
		Header: http.Header{},
	}
	for _, name := range sig.headers {
		switch name {
		case "host", "x-amz-date", "x-amz-security-token": // the signer sets them
		case "content-length":
			r.ContentLength = x.r.ContentLength // the signer signs it only if it is set
		default:
			r.Header[http.CanonicalHeaderKey(name)] = x.r.Header.Values(name)
		}
	}
	sum := sha256.Sum256(x.body)
	creds := aws.Credentials{AccessKeyID: sig.keyID, SecretAccessKey: k.secret, SessionToken: k.token}
	if err := v4.NewSigner().SignHTTP(x.r.Context(), creds, r, hex.EncodeToString(sum[:]), sig.service, sig.region, at); err != nil {
		return "" // matches no signature
	}
	again, _ := parseAuthorization(r.Header.Get("Authorization"))
	return again.value
}

// mismatch refuses a wrong signature. As AWS does, it quotes the text that should have been signed, session token included.
func (x *exchange) mismatch(sig signature, date string) *stsError {
	hash := func(b []byte) string {
		sum := sha256.Sum256(b)
		return hex.EncodeToString(sum[:])
	}
	var headers strings.Builder
	for _, name := range sig.headers {
		value := strings.Join(x.r.Header.Values(name), ",")
		switch name {
		case "host":
			value = x.r.Host
		case "content-length":
			value = strconv.FormatInt(x.r.ContentLength, 10)
		}
		headers.WriteString(name + ":" + value + "\n")
	}
	query := strings.ReplaceAll(x.r.URL.Query().Encode(), "+", "%20")
	canonical := strings.Join([]string{
		x.r.Method, x.r.URL.EscapedPath(), query, headers.String(), strings.Join(sig.headers, ";"), hash(x.body),
	}, "\n")
	scope := strings.Join([]string{sig.day, sig.region, sig.service, sig.terminator}, "/")
	toSign := strings.Join([]string{sigAlgorithm, date, scope, hash([]byte(canonical))}, "\n")

	const text = "The request signature we calculated does not match the signature you provided. " +
		"Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
	return stsRefusal(http.StatusForbidden, signatureMismatch,
		"%s\n\nThe Canonical String for this request should have been\n'%s'\n\nThe String-to-Sign should have been\n'%s'\n",
		text, canonical, toSign)
}
