package awssts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/chaim-go/chaim/internal/awaiting"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/keys"
)

// Limits of an MFA session, which GetSessionToken begins.
//
// https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html
const (
	DefaultSession = 12 * time.Hour
	MaxSession     = 36 * time.Hour
)

// minSessionLeft is how long an MFA session must still be valid: a request signed with its keys takes a moment.
const minSessionLeft = 5 * time.Minute

// Device is an MFA device that gives a code.
type Device struct {
	Serial    string // its serial number or ARN
	Process   string // a command that prints the code; empty means that a person is asked
	Profile   string // of the AWS config file; empty if the device was given otherwise
	IsRefused bool   // AWS has refused the code before this one
}

// name describes the device in errors.
func (d Device) name() string {
	if d.Profile == "" {
		return d.Serial
	}
	return fmt.Sprintf("%s of profile %s", d.Serial, keys.QuoteShort(d.Profile))
}

// AskCode asks a person for the code of a device.
type AskCode func(ctx context.Context, d Device) (code string, err error)

// codeStep is how long a code is valid. AWS accepts it once, whoever sends it.
//
// https://www.rfc-editor.org/rfc/rfc6238#section-5.2
const codeStep = 30 * time.Second

// maxCodes is how many codes are sent before a refusal is final.
const maxCodes = 3

// MFACommand is the variable with a command that prints the code of an MFA device.
const MFACommand = "CHAIM_MFA_COMMAND"

// Code returns the code of a device: from its command, from that of [MFACommand], or from a person.
func (ask AskCode) Code(ctx context.Context, d Device) (code string, err error) {
	process := d.Process
	if process == "" {
		process = os.Getenv(MFACommand)
	}
	switch {
	case process != "":
		if d.IsRefused { // the command would print the same code again
			if err := pause(ctx, codeStep-time.Duration(time.Now().UnixNano())%codeStep); err != nil {
				return "", err
			}
		}
		code, err = output(ctx, process, "CHAIM_MFA_SERIAL="+d.Serial)
	case ask != nil:
		code, err = ask(ctx, d)
	default:
		err = fmt.Errorf("there is no terminal to ask for it on: set mfa_process in the profile or %s to a command that prints the code", MFACommand)
	}
	code = strings.TrimSpace(code)
	if err == nil && !tokenCodeRule().MatchString(code) {
		err = errors.New("it is not six digits")
	}
	if err != nil {
		return "", errtext.Wrap(err, "no code of MFA device %s", d.name())
	}
	return code, nil
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// mfaDevice has the turn of those who send codes of one device for one user, and the session that the last code began.
type mfaDevice struct {
	turn    chan struct{} // holds one element while the device is free
	session aws.Credentials
}

// devices are the MFA devices of this process, by access key id and serial number. All scopes of a process share them, so
// that a person is asked once.
var devices = struct {
	sync.Mutex
	known map[[2]string]*mfaDevice
}{known: map[[2]string]*mfaDevice{}}

// take waits for the turn at a device.
func take(ctx context.Context, keyID, serial string) (d *mfaDevice, done func(), err error) {
	devices.Lock()
	d = devices.known[[2]string{keyID, serial}]
	if d == nil {
		d = &mfaDevice{turn: make(chan struct{}, 1)}
		d.turn <- struct{}{}
		devices.known[[2]string{keyID, serial}] = d
	}
	devices.Unlock()
	select {
	case <-d.turn:
		return d, func() { d.turn <- struct{}{} }, nil
	case <-ctx.Done():
		return nil, nil, context.Cause(ctx)
	}
}

// SessionStore keeps MFA sessions longer than the process lives. Load returns no keys if it has none.
type SessionStore interface {
	Load(ctx context.Context, keyID, serial string) (aws.Credentials, error)
	Save(ctx context.Context, keyID, serial string, session aws.Credentials) error
}

// MFASession gives the keys of an MFA session of an IAM user. All MFASessions of a process share the session of a user and
// a device, and wait for each other.
type MFASession struct {
	Keys     aws.CredentialsProvider // of the user; nil means those of the SDK
	Device   Device
	Ask      AskCode
	Duration time.Duration // of a new session
	Store    SessionStore  // nil means none
	Asker    Asker         // its STS says where STS is
}

// Retrieve returns the keys of the session, and begins it if there is none.
func (m MFASession) Retrieve(ctx context.Context) (aws.Credentials, error) {
	src := m.Keys
	if src == nil {
		cfg, err := m.Asker.config(ctx, false)
		if err != nil {
			return aws.Credentials{}, err
		}
		src = cfg.Credentials
	}
	own, err := m.Asker.keysOf(ctx, src)
	switch {
	case err != nil:
		return own, err
	case own.SessionToken != "":
		return own, fmt.Errorf("chaim: an MFA session begins with the long-term keys of an IAM user, but %s are temporary", keys.LastFour(own.AccessKeyID))
	}
	d, done, err := take(ctx, own.AccessKeyID, m.Device.Serial)
	if err != nil {
		return own, err
	}
	defer done()
	if isFresh(d.session) {
		return d.session, nil
	}
	if m.Store != nil {
		if d.session, err = m.Store.Load(ctx, own.AccessKeyID, m.Device.Serial); err == nil && isFresh(d.session) {
			return d.session, nil
		}
	}
	if d.session, err = m.begin(ctx, own); err != nil {
		return aws.Credentials{}, err
	}
	if m.Store != nil {
		if err := m.Store.Save(ctx, own.AccessKeyID, m.Device.Serial, d.session); err != nil {
			m.Asker.Log.Warn("chaim: MFA session is not kept for the next program", "error", err)
		}
	}
	return d.session, nil
}

func isFresh(session aws.Credentials) bool {
	return session.HasKeys() && time.Until(session.Expires) > minSessionLeft
}

// begin begins a session.
func (m MFASession) begin(ctx context.Context, own aws.Credentials) (session aws.Credentials, err error) {
	cfg, err := m.Asker.regional(ctx)
	if err != nil {
		return session, err
	}
	client, err := m.Asker.client(ctx, cfg, true)
	if err != nil {
		return session, err
	}
	err = withCode(ctx, m.Ask, m.Device, func(code string) error {
		defer awaiting.For(ctx, "AWS STS in "+cfg.Region)()
		sent := time.Now()
		out, err := client.GetSessionToken(ctx, &sts.GetSessionTokenInput{
			DurationSeconds: aws.Int32(int32(m.Duration / time.Second)), SerialNumber: &m.Device.Serial, TokenCode: &code,
		}, func(o *sts.Options) { o.Credentials = fixed(own) })
		if err != nil {
			return Failure(ctx, "STS", m.Asker.Files, err, own.SecretAccessKey, code)
		}
		session, err = m.Asker.keysIn(out.Credentials, out.ResultMetadata, sent, m.Duration)
		return err
	})
	if err != nil {
		return session, errtext.Wrap(err, "beginning a session with MFA device %s", m.Device.name())
	}
	return session, nil
}

// withCode calls send with a code of a device, and with the next codes while AWS refuses them. Only one goroutine may send
// codes of a device at a time.
func withCode(ctx context.Context, ask AskCode, d Device, send func(code string) error) error {
	for sent := 1; ; sent++ {
		code, err := ask.Code(ctx, d)
		if err != nil {
			return err
		}
		if err = send(code); err == nil {
			return nil
		}
		if !isWrongCode(err) || sent == maxCodes {
			return codeSent{err}
		}
		d.IsRefused = true
	}
}

// isWrongCode reports whether STS refused the code of an MFA device. It says the same of a code that was used before.
func isWrongCode(err error) bool {
	var refusal smithy.APIError
	return errors.As(err, &refusal) && strings.HasPrefix(refusal.ErrorCode(), "AccessDenied") &&
		strings.Contains(refusal.ErrorMessage(), "MultiFactorAuthentication failed with invalid MFA one time pass code")
}
