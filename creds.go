package chaim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/chaim-go/chaim/internal/awsenv"
	"github.com/chaim-go/chaim/internal/keys"
)

// AwsCreds is one set of temporary AWS credentials. It is a value: it never changes and never renews itself. Any number of
// goroutines may use it, also as an [aws.CredentialsProvider].
//
// It prints, logs and marshals to JSON without its secrets, except as the package documentation says. In an unexported field
// keep an [atomic.Pointer] to it, or the [Client].
//
// [atomic.Pointer]: https://pkg.go.dev/sync/atomic#Pointer
type AwsCreds struct {
	Region          string    // AWS region of the profile
	AccountID       string    // 12-digit id of the account; empty if unknown
	AccessKeyID     string    // access key id; no secret, but only its last four characters are printed
	SecretAccessKey string    // secret access key
	SessionToken    string    // session token
	Expires         time.Time // expiry by the clock of this machine; zero if the source gave none
}

var _ aws.CredentialsProvider = AwsCreds{}

func credsFrom(c aws.Credentials, region string) AwsCreds {
	creds := AwsCreds{
		Region:          region,
		AccessKeyID:     c.AccessKeyID,
		SecretAccessKey: c.SecretAccessKey,
		SessionToken:    c.SessionToken,
	}
	if keys.IsAccountID(c.AccountID) { // SDKs put it into host names
		creds.AccountID = c.AccountID
	}
	if c.CanExpire {
		creds.Expires = c.Expires
	}
	return creds
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

// Retrieve returns the set for the AWS SDK for Go. The error wraps [ErrExpired] if the set has expired. A set without keys,
// such as the zero value, is also an error.
func (c AwsCreds) Retrieve(context.Context) (aws.Credentials, error) {
	switch {
	case c.AccessKeyID == "" || c.SecretAccessKey == "":
		return aws.Credentials{Source: "chaim"}, errors.New("chaim: this AwsCreds holds no keys")
	case c.Expired(0):
		return aws.Credentials{Source: "chaim"}, fmt.Errorf("%w at %s", ErrExpired, c.Expires.UTC().Format(time.RFC3339))
	}
	return c.sdk(), nil
}

// Expired reports whether the set expires within slack. A set without keys has expired, one without an expiry never does.
func (c AwsCreds) Expired(slack time.Duration) bool {
	if c.AccessKeyID == "" {
		return true
	}
	// Round drops the monotonic clock, which stops while a machine is suspended.
	return !c.Expires.IsZero() && !c.Expires.After(time.Now().Round(0).Add(slack))
}

// Environ returns the set as environment variables, each "NAME=value": AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
// AWS_SESSION_TOKEN and, if they are known, AWS_ACCOUNT_ID, AWS_REGION, AWS_DEFAULT_REGION and AWS_CREDENTIAL_EXPIRATION.
// Variables of this process that SDKs prefer get an empty value. CHAIM_LENT marks the keys as lent, so that a chaim in the
// child does not ask STS for other keys with them. Append the result to os.Environ() for an exec.Cmd. [Client.ChildEnviron]
// removes the other variables instead. A child cannot renew these keys.
//
// If this process has AWS_PROFILE, its value moves to AWS_DEFAULT_PROFILE: the SDK for JavaScript would prefer the profile
// to the keys, and botocore fails if the name is empty.
//
// Names: https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-envvars.html
func (c AwsCreds) Environ() []string {
	env, own := c.lent(), os.Environ()
	env = append(env, awsenv.Blank(own, env)...)
	return append(env, awsenv.Unnamed(own)...)
}

// lent is Environ without the empty variables.
func (c AwsCreds) lent() []string { return awsenv.OfKeys(c.sdk(), c.Region) }

// ProcessJSON returns the document that a credential_process prints, with the secrets. Errors are those of Retrieve.
//
// Format: https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html
func (c AwsCreds) ProcessJSON() ([]byte, error) {
	if _, err := c.Retrieve(context.Background()); err != nil {
		return nil, err
	}
	return keys.ProcessJSON(c.sdk())
}

// String describes the set without its secrets.
func (c AwsCreds) String() string {
	expires := "never"
	if !c.Expires.IsZero() {
		expires = c.Expires.UTC().Format(time.RFC3339)
	}
	return fmt.Sprintf("chaim.AwsCreds{Region:%q AccessKeyID:%q SecretAccessKey:%s SessionToken:%s AccountID:%q Expires:%s}",
		c.Region, keys.LastFour(c.AccessKeyID), keys.Redacted(c.SecretAccessKey), keys.Redacted(c.SessionToken), c.AccountID, expires)
}

// Format prints what String returns, whatever the verb: %x or %d would otherwise print the fields.
func (c AwsCreds) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// LogValue keeps the secrets out of structured logs.
func (c AwsCreds) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalText returns the text of String, so that encoders show no secret. To pass the keys on use [AwsCreds.ProcessJSON].
func (c AwsCreds) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// ChildEnviron returns environ, each "NAME=value", for a child process that must use the client's credentials and no others:
// without variables that some SDK or tool would prefer or add, and with those of [Client.Environ]. Set an exec.Cmd's Env to
// ChildEnviron(os.Environ()); with nil it returns only the client's variables. It leaves out CHAIM_TOKEN too: append that
// for a child that uses the gateway itself.
//
// A tool may still prefer its own files and settings: see docs/tools.md. Before [Client.RequestKeys] has succeeded the child
// finds no credentials. The result holds keys only with [Options].NoProfile.
func (c *Client) ChildEnviron(environ []string) []string { return awsenv.Child(environ, c.lent()) }

// Environ returns the variables that make a child process use the profile, each "NAME=value": AWS_PROFILE,
// AWS_DEFAULT_PROFILE (which boto3 prefers), AWS_REGION, AWS_DEFAULT_REGION and AWS_SHARED_CREDENTIALS_FILE. If the file is
// not in its usual place, some SDKs also need AWS_CREDENTIAL_PROFILES_FILE and AWS_SDK_LOAD_CONFIG. Variables of this
// process that SDKs prefer get an empty value. With [Options].NoProfile the result is [AwsCreds.Environ] of the current set.
// Append it to os.Environ() for an exec.Cmd, or better use [Client.ChildEnviron].
func (c *Client) Environ() []string {
	env := c.lent()
	if creds := c.Creds(); creds.AccessKeyID != "" && c.opts.NoProfile {
		return creds.Environ()
	}
	return append(env, awsenv.Blank(os.Environ(), env)...)
}

// lent returns the variables that make a child use the client's credentials.
func (c *Client) lent() []string {
	if c == nil || c.opts == nil {
		return awsenv.OfProfile("", "", "")
	}
	if creds := c.Creds(); c.opts.NoProfile && creds.AccessKeyID != "" {
		return creds.lent()
	}
	profile, path := "", c.book.Path()
	if c.scope != nil {
		path = c.scope.Path()
	}
	if c.scope != nil && c.keeper.Held() != nil {
		profile = c.Profile()
	}
	return awsenv.OfProfile(profile, c.opts.Region, path)
}
