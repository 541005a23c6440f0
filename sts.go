package chaim

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/chaim-go/chaim/internal/awssts"
	"github.com/chaim-go/chaim/internal/profiles"
)

// STS gets keys of a role from AWS STS, by AssumeRole. RoleARN must be given; the zero value of every other field works. The
// AWS SDK's configuration decides about FIPS and dual-stack endpoints, AWS_ENDPOINT_URL_STS, AWS_CA_BUNDLE and proxies. Each
// Retrieve calls STS once, and reads the SDK's configuration again to find changed source keys. Use a [Monitor] or a
// [Client] to serve one set to many callers.
//
// An STS prints without Keys, Policy and ExternalID. Do not change it while in use. Any number of goroutines may use it.
//
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
type STS struct {
	// RoleARN is the ARN of the role, such as "arn:aws:iam::111111111111:role/CrossAccountReadOnly". It must be given.
	RoleARN string
	// Keys sign the request. Nil means the SDK's default chain: environment, profiles, SSO, web identity, container, EC2,
	// but no keys that chaim has lent.
	Keys aws.CredentialsProvider
	// Region is the region of the STS endpoint. Empty means the SDK's region, or else one of the role's partition.
	Region string
	// Endpoint is the URL of another STS, such as MinIO's: https, or http on a literal loopback address. Empty means AWS.
	Endpoint string
	// AllowInsecure accepts plain http to other addresses. The network can then read the keys.
	AllowInsecure bool

	// Duration is how long the keys are valid, as in [Options].
	Duration time.Duration
	// SessionName names the session in CloudTrail: 2 to 64 letters, digits and _ + = , . @ -. Empty means "asia-release-"
	// (with the build tag "dev" "asia-dev-"), the Unix time, and a random part.
	SessionName string
	// SourceIdentity names the person behind the session, in the same alphabet. Role chaining keeps it. Empty means none.
	SourceIdentity string
	// ExternalID is the external id that a third party's role requires. Empty means none.
	ExternalID string
	// Policy is a session policy, a JSON object. The keys have only rights that both it and the role allow. Empty means
	// none.
	Policy string
	// PolicyARNs are the ARNs of managed policies that limit the keys in the same way.
	PolicyARNs []string
	// Tags are the session tags.
	Tags map[string]string
	// TransitiveTags are the keys of the Tags that role chaining keeps.
	TransitiveTags []string

	// MFASerial is the serial number or ARN of the user's MFA device. It needs TokenCode.
	MFASerial string
	// TokenCode returns the device's six digits. Each Retrieve calls it once and needs new digits, because STS accepts a
	// code once. So chaim does not repeat a failed request with a code.
	TokenCode func(context.Context) (string, error)

	// HTTPClient sends the request, as [Options].HTTPClient does, in 10 seconds unless it has a Timeout. Nil means chaim's
	// own client.
	HTTPClient *http.Client
	// Logger gets warnings, without secrets. Nil means silence.
	Logger *slog.Logger
}

var _ aws.CredentialsProvider = (*STS)(nil)

// Retrieve asks STS for a set of keys. If STS answers that role chaining allows an hour only, it asks once more, for an
// hour, unless the request had an MFA code. The expiry is by the clock of this machine, even if that is wrong.
//
// A refusal is a [smithy.APIError] with STS's code. It wraps [ErrDenied] if STS refused the role or the keys. If the keys
// came too late the error wraps [ErrExpired]. After a failure that may pass Retrieve tries again, three times in all unless
// the SDK is configured otherwise, but never with an MFA code.
//
// [smithy.APIError]: https://pkg.go.dev/github.com/aws/smithy-go#APIError
func (s *STS) Retrieve(ctx context.Context) (aws.Credentials, error) {
	creds, err := s.asker().Retrieve(ctx)
	if err != nil {
		return aws.Credentials{Source: "chaim"}, err
	}
	return creds, nil
}

func (s *STS) asker() awssts.Asker {
	s = cmp.Or(s, new(STS))
	return awssts.Asker{STS: (*awssts.STS)(s), Files: profiles.AWSFiles{}, Log: cmp.Or(s.Logger, silent), Signer: signer{}}
}

// signer lets an Asker call retrieve.
type signer struct{}

func (signer) Retrieve(ctx context.Context, src aws.CredentialsProvider) (aws.Credentials, error) {
	return retrieve(ctx, src)
}

// Broker returns a [Broker] that asks STS for the role of each request. The request has the role's ARN, or its name or an
// alias such as "rro" with the account's 12-digit id. If s has a RoleARN, requests for any other role are refused. The
// Duration is the request's, and the Region too if s has none. All else is as in s.
func (s *STS) Broker() Broker { return s.asker() }

// String describes where the keys come from, without Keys, Policy and ExternalID.
func (s STS) String() string { return awssts.STS(s).String() }

// Format prints what String returns, whatever the verb.
func (s STS) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue keeps the secrets of Keys out of structured logs.
func (s STS) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText returns what String returns, so that JSON and other encoders show no secret.
func (s STS) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
