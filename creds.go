package chaim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/chaim-go/chaim/internal/awsenv"
	"github.com/chaim-go/chaim/internal/remote"
)

// AwsCreds is one set of temporary AWS credentials. It is a value: it never changes and never renews itself.
//
// AwsCreds prints, logs and marshals to JSON without its secrets, but for what the package documentation says of fmt. In
// an unexported field keep an [atomic.Pointer] to it, or the [Client].
//
// An AwsCreds is an [aws.CredentialsProvider] and may be used by any number of goroutines.
//
// [atomic.Pointer]: https://pkg.go.dev/sync/atomic#Pointer
type AwsCreds struct {
	Region          string    // AWS region of the profile
	AccountID       string    // 12-digit id of the account; empty where the source does not tell
	AccessKeyID     string    // access key id; not a secret, but shown by its last four characters only
	SecretAccessKey string    // secret access key
	SessionToken    string    // session token
	Expires         time.Time // end of validity by the clock of this machine; zero means that the source named none
}

var _ aws.CredentialsProvider = AwsCreds{}

func credsFrom(c aws.Credentials, region string) AwsCreds {
	creds := AwsCreds{
		Region:          region,
		AccountID:       accountIDOf(c),
		AccessKeyID:     c.AccessKeyID,
		SecretAccessKey: c.SecretAccessKey,
		SessionToken:    c.SessionToken,
	}
	if c.CanExpire {
		creds.Expires = c.Expires
	}
	return creds
}

// accountIDOf is the account of keys; empty if what a provider says is no account id, which SDKs put into host names.
func accountIDOf(c aws.Credentials) string {
	if !remote.IsAccountID(c.AccountID) {
		return ""
	}
	return c.AccountID
}

func (c AwsCreds) sdk() aws.Credentials {
	return aws.Credentials{
		AccountID:       c.AccountID,
		AccessKeyID:     c.AccessKeyID,
		SecretAccessKey: c.SecretAccessKey,
		SessionToken:    c.SessionToken,
		Source:          "chaim",
		CanExpire:       !c.Expires.IsZero(),
		Expires:         c.Expires,
	}
}

// Retrieve returns the set as the AWS SDK for Go wants it. It returns an error wrapping [ErrExpired] once the set has
// expired, and an error for a set without keys, such as the zero value.
func (c AwsCreds) Retrieve(context.Context) (aws.Credentials, error) {
	switch {
	case c.AccessKeyID == "" || c.SecretAccessKey == "":
		return aws.Credentials{Source: "chaim"}, errors.New("chaim: this AwsCreds holds no keys")
	case c.Expired(0):
		return aws.Credentials{Source: "chaim"}, fmt.Errorf("%w at %s", ErrExpired, c.Expires.UTC().Format(time.RFC3339))
	}
	return c.sdk(), nil
}

// Expired reports whether the set is, or within slack will be, past its expiration. A set without keys is expired; a
// set without an expiration never is.
func (c AwsCreds) Expired(slack time.Duration) bool {
	if c.AccessKeyID == "" {
		return true
	}
	// Round drops the monotonic reading, which stands still while a machine is suspended.
	return !c.Expires.IsZero() && !c.Expires.After(time.Now().Round(0).Add(slack))
}

// Environ returns the set as environment variables, each "NAME=value": AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
// AWS_SESSION_TOKEN, and where they are known AWS_ACCOUNT_ID, AWS_REGION, AWS_DEFAULT_REGION and AWS_CREDENTIAL_EXPIRATION,
// and an empty value for each variable of this process that would win over them. CHAIM_LENT marks the keys as lent: a chaim
// that finds them asks STS for no others with them. Append it to os.Environ() for an
// exec.Cmd; a child cannot renew keys it was given this way. [Client.ChildEnviron] makes an environment without the others.
//
// Where this process has AWS_PROFILE, that becomes AWS_DEFAULT_PROFILE: the SDK for JavaScript would take the profile in
// place of the keys, and botocore fails where the profile has an empty name.
//
// Names: https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-envvars.html
func (c AwsCreds) Environ() []string {
	env, own := c.lent(), os.Environ()
	env = append(env, awsenv.Blank(own, env)...)
	return append(env, awsenv.Unnamed(own)...)
}

// lent is Environ without what takes other variables away.
func (c AwsCreds) lent() []string {
	env := []string{
		"AWS_ACCESS_KEY_ID=" + c.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY=" + c.SecretAccessKey,
		"AWS_SESSION_TOKEN=" + c.SessionToken,
		awsenv.Mark(c.AccessKeyID),
	}
	if c.Region != "" {
		env = append(env, "AWS_REGION="+c.Region, "AWS_DEFAULT_REGION="+c.Region)
	}
	if c.AccountID != "" {
		env = append(env, "AWS_ACCOUNT_ID="+c.AccountID)
	}
	if !c.Expires.IsZero() {
		env = append(env, "AWS_CREDENTIAL_EXPIRATION="+c.Expires.UTC().Format(time.RFC3339))
	}
	return env
}

// ProcessJSON returns the set, secrets included, as the document that a credential_process prints. It returns the
// errors of [AwsCreds.Retrieve].
//
// Format: https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html
func (c AwsCreds) ProcessJSON() ([]byte, error) {
	if _, err := c.Retrieve(context.Background()); err != nil {
		return nil, err
	}
	doc := processDocument{
		Version: 1, AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken, AccountID: c.AccountID,
	}
	if !c.Expires.IsZero() {
		doc.Expiration = c.Expires.UTC().Format(time.RFC3339)
	}
	return json.Marshal(doc)
}

type processDocument struct {
	Version         int
	AccessKeyID     string `json:"AccessKeyId"`
	SecretAccessKey string
	SessionToken    string `json:",omitempty"`
	Expiration      string `json:",omitempty"`
	AccountID       string `json:"AccountId,omitempty"`
}

// String describes the set without its secrets.
func (c AwsCreds) String() string {
	expires := "never"
	if !c.Expires.IsZero() {
		expires = c.Expires.UTC().Format(time.RFC3339)
	}
	return fmt.Sprintf("chaim.AwsCreds{Region:%q AccessKeyID:%q SecretAccessKey:%s SessionToken:%s AccountID:%q Expires:%s}",
		c.Region, lastFour(c.AccessKeyID), redacted(c.SecretAccessKey), redacted(c.SessionToken), c.AccountID, expires)
}

// Format prints what String returns, whatever the verb: %x or %d would otherwise print the fields.
func (c AwsCreds) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// LogValue keeps the secrets out of structured logs.
func (c AwsCreds) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalText returns what String returns, so that JSON, XML and text encoders show no secret. Use
// [AwsCreds.ProcessJSON] to hand the keys on.
func (c AwsCreds) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

func lastFour(id string) string {
	if len(id) <= 4 {
		return id
	}
	return "..." + id[len(id)-4:]
}
