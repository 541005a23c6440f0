package chaim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/chaim-go/chaim/internal/awsprofile"
	"github.com/chaim-go/chaim/internal/awssts"
)

// MFADevice is a device whose code is needed:
//
//	Serial    string // its serial number or ARN
//	Process   string // a command that prints the code, such as mfa_process of a profile; empty means that a person is asked
//	Profile   string // the profile of the AWS config file that names the device; may be empty
//	IsRefused bool   // AWS refused the code before; it accepts each code once
//
// It prints without Process, which may hold the secret that makes the codes.
type MFADevice = awssts.Device

// MFASessions keep the keys of MFA sessions, each by its user and the serial number of the device:
//
//	Load(ctx context.Context, user, serial string) (aws.Credentials, error)
//	Save(ctx context.Context, user, serial string, session aws.Credentials) error
//
// user is a hash of the user's keys and of the STS that they are for. Load returns no keys, and no error, if there are none.
// After an error of Load chaim begins a new session. An error of Save is only logged. The keys are secrets: a file for them
// must be private. Many goroutines may call the methods at once.
type MFASessions = awssts.SessionStore

// MFASession provides the keys of an MFA session of an IAM user. AWS STS begins the session (GetSessionToken) for the user's
// long-term keys and a code of an MFA device. As the Keys of an [STS], an MFASession needs one code for any number of roles.
// Device must be given; the zero value of every other field works. Any number of goroutines may use it. In a process, all
// MFASessions with the same user's keys, device, STS endpoint and HTTPClient share the session.
//
// With keys of a session STS gives keys of a role for an hour at most. Of STS they may call only AssumeRole and
// GetCallerIdentity, and they do not sign in to the console.
//
// https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html
type MFASession struct {
	// Keys are those of the user. Nil means the SDK's default chain.
	Keys aws.CredentialsProvider
	// Device gives the code. Its Serial must be given.
	Device MFADevice
	// TokenCode asks a person for the code, once for all callers that wait for the device. If it fails, all of them fail. It is
	// not called if the Device has a Process, or CHAIM_MFA_COMMAND is set: these are commands that print the code. Nil means
	// that only they do.
	TokenCode func(ctx context.Context, d MFADevice) (string, error)
	// Duration is how long a new session is valid: whole seconds, 15 minutes to 36 hours. Zero means 12 hours, as at AWS.
	Duration time.Duration
	// Sessions keep the session longer than the process lives. Nil means that it ends with the process.
	Sessions MFASessions
	// Region is that of the STS endpoint. Empty means the SDK's.
	Region string
	// AllowInsecure accepts plain http to an STS that is not on a loopback address. The network can then read keys.
	AllowInsecure bool
	// HTTPClient sends the request, as [STS].HTTPClient does. Nil means chaim's own client.
	HTTPClient *http.Client
	// Logger gets warnings, without secrets. Nil means silence.
	Logger *slog.Logger
}

var _ aws.CredentialsProvider = MFASession{}

// Retrieve returns the keys of the session, and begins it if there is none or if it ends soon. If AWS refuses a code, it
// asks for up to two more. Keys that are temporary, and fields that cannot be used, are errors. Otherwise the error is one
// of [STS.Retrieve], or that of TokenCode.
func (m MFASession) Retrieve(ctx context.Context) (aws.Credentials, error) {
	lifetime := cmp.Or(m.Duration, awssts.DefaultSession)
	if err := awsprofile.CheckSerial(m.Device.Serial); err != nil {
		return aws.Credentials{}, err
	}
	if lifetime < 15*time.Minute || lifetime > awssts.MaxSession || lifetime%time.Second != 0 {
		return aws.Credentials{}, errors.New("chaim: MFASession.Duration is not whole seconds between 15 minutes and 36 hours")
	}
	s := STS{Region: m.Region, AllowInsecure: m.AllowInsecure, HTTPClient: m.HTTPClient, Logger: m.Logger}
	return awssts.MFASession{
		Keys: m.Keys, Device: m.Device, Ask: m.TokenCode, Duration: lifetime, Store: m.Sessions, Asker: s.asker(),
	}.Retrieve(ctx)
}

// String describes the session without Keys.
func (m MFASession) String() string {
	return fmt.Sprintf("chaim.MFASession{Serial:%q}", m.Device.Serial)
}

// Format prints what String returns, whatever the verb.
func (m MFASession) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, m.String()) }

// LogValue keeps the secrets of Keys out of structured logs.
func (m MFASession) LogValue() slog.Value { return slog.StringValue(m.String()) }

// MarshalText returns what String returns, so that JSON and other encoders show no secret.
func (m MFASession) MarshalText() ([]byte, error) { return []byte(m.String()), nil }
