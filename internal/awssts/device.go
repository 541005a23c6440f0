package awssts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
	"weak"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/turn"
)

// Device is an MFA device that gives a code.
type Device struct {
	Serial    string // its serial number or ARN
	Process   string // a command that prints the code; empty means that a person is asked
	Profile   string // of the AWS config file; empty if the device was given otherwise
	IsRefused bool   // AWS has refused the code before this one
}

// String describes the device without its command, which may hold the secret that makes the codes.
func (d Device) String() string {
	return fmt.Sprintf("chaim.MFADevice{Serial:%q Profile:%q IsRefused:%t}", d.Serial, d.Profile, d.IsRefused)
}

// Format prints what String returns, whatever the verb.
func (d Device) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, d.String()) }

// LogValue keeps the command out of structured logs.
func (d Device) LogValue() slog.Value { return slog.StringValue(d.String()) }

// MarshalText returns what String returns, so that JSON and other encoders show no command.
func (d Device) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// name describes the device in errors.
func (d Device) name() string {
	if d.Profile == "" {
		return d.Serial
	}
	return fmt.Sprintf("%s of profile %s", d.Serial, keys.QuoteShort(d.Profile))
}

// command returns the command that prints the code, and where it is set. Only the latter may be shown.
func (d Device) command() (text, place string) {
	if d.Process != "" {
		return d.Process, "mfa_process"
	}
	return os.Getenv(MFACommand), MFACommand
}

// AskCode asks a person for the code of a device.
type AskCode func(ctx context.Context, d Device) (code string, err error)

// codeStep is how long a code is valid. AWS accepts each code once.
//
// https://www.rfc-editor.org/rfc/rfc6238#section-5.2
const codeStep = 30 * time.Second

// maxCodes is how many codes are sent before a refusal is final.
const maxCodes = 3

// MFACommand is the variable with a command that prints the code of an MFA device.
const MFACommand = "CHAIM_MFA_COMMAND"

// Code returns the code of a device: from its command, from that of [MFACommand], or from a person.
func (ask AskCode) Code(ctx context.Context, d Device) (code string, err error) {
	command, place := d.command()
	switch {
	case command != "":
		if d.IsRefused { // the command would print the same code again
			if err := pause(ctx, codeStep-time.Duration(time.Now().UnixNano())%codeStep); err != nil {
				return "", err
			}
		}
		if code, err = output(ctx, command, "CHAIM_MFA_SERIAL="+d.Serial); err != nil {
			err = fmt.Errorf("%s: %w", place, err)
		}
	case ask != nil:
		code, err = patiently(ctx, func() (string, error) { return ask(ctx, d) })
	default:
		err = fmt.Errorf("there is no terminal to ask for it on: set mfa_process in the profile or %s to a command that prints the code", MFACommand)
	}
	if err == nil {
		code, err = CleanCode(code)
	}
	if err != nil {
		return "", noCode{errtext.Wrap(err, "no code of MFA device %s", d.name())}
	}
	return code, nil
}

// CleanCode returns a code without blanks, which some devices show in it.
func CleanCode(text string) (code string, err error) {
	code = strings.Join(strings.Fields(text), "")
	if !tokenCodeRule().MatchString(code) {
		return "", errors.New("it is not six digits")
	}
	return code, nil
}

// askGrace is how long a question may go on after the end of its context: it may have to restore a terminal.
const askGrace = time.Second

// patiently returns the answer of ask. If ctx ends and ask does not, it returns without an answer, so that other callers can
// ask.
func patiently(ctx context.Context, ask func() (string, error)) (string, error) {
	type answer struct {
		text string
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		text, err := ask()
		answers <- answer{text, err}
	}()
	select {
	case got := <-answers:
		return got.text, got.err
	case <-ctx.Done():
	}
	grace := time.NewTimer(askGrace)
	defer grace.Stop()
	select {
	case <-answers:
	case <-grace.C:
	}
	return "", context.Cause(ctx)
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

// noCode means that a device gave no code, or none that STS accepts.
type noCode struct{ error }

func (e noCode) Unwrap() error { return e.error }

// IsFinal reports that another attempt cannot help: a person or a command would be asked again.
func (noCode) IsFinal() bool { return true }

// mfaDevice is a device of one user in this process: the turn to send its codes, and the result of the last code.
type mfaDevice struct {
	turn turn.Lock

	mu      sync.Mutex      // guards what follows
	session aws.Credentials // that the last code began
	refused string          // access key id of a session that AWS no longer accepts
	failure failure
}

// failure is why the last caller got no session.
type failure struct {
	err     error
	at      time.Time
	command string // that was to print the code
}

// devices are the MFA devices of this process. All scopes of a process share them, so that a person is asked once.
var devices sync.Map

// deviceKey tells devices apart. A test with an HTTP client of its own shares no device with the tests beside it.
type deviceKey struct {
	user, serial string
	client       weak.Pointer[http.Client]
}

// of returns the device of a user. client asks STS, and may be nil.
func (d Device) of(user string, client *http.Client) *mfaDevice {
	known, _ := devices.LoadOrStore(deviceKey{user, d.Serial, weak.Make(client)}, &mfaDevice{})
	return known.(*mfaDevice)
}

// take waits for the turn to send codes.
func (m *mfaDevice) take(ctx context.Context, d Device) error {
	if err := m.turn.Take(ctx); err != nil {
		return errtext.Wrap(err, "waiting for the code of MFA device %s", d.name())
	}
	return nil
}

// held returns the session, which may have ended.
func (m *mfaDevice) held() aws.Credentials {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.session
}

// hold keeps a session, unless AWS no longer accepts it. isHeld reports whether it is kept.
func (m *mfaDevice) hold(session aws.Credentials) (isHeld bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if session.AccessKeyID == m.refused {
		return false
	}
	m.session, m.failure = session, failure{}
	return true
}

// fail remembers why there is no code, so that a person is not asked once for each of many roles. It ignores the end of ctx,
// and a caller that cannot ask: they say nothing about the device.
func (m *mfaDevice) fail(ctx context.Context, d Device, ask AskCode, err error) {
	command, _ := d.command()
	if ctx.Err() != nil || command == "" && ask == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failure = failure{err, time.Now(), command}
}

// failed returns the failure of the last 30 seconds, unless the code comes from another command now. Nil means none.
func (m *mfaDevice) failed(d Device) error {
	command, _ := d.command()
	m.mu.Lock()
	defer m.mu.Unlock()
	if f := m.failure; f.err != nil && f.command == command && time.Since(f.at).Abs() < codeStep {
		return f.err
	}
	return nil
}

// drop drops the session with this access key id. It reports whether there was one.
func (m *mfaDevice) drop(keyID string) (isKnown bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.session.AccessKeyID == keyID {
		m.session, m.refused = aws.Credentials{}, keyID
	}
	return m.refused == keyID
}

// forget drops the session with this access key id, which AWS no longer accepts. It reports whether there was one.
func forget(keyID string) (isKnown bool) {
	devices.Range(func(_, d any) bool {
		isKnown = d.(*mfaDevice).drop(keyID) || isKnown
		return true
	})
	return isKnown
}

// withCode calls send with a code of a device, and with the next codes while AWS refuses them. Only one goroutine may send
// codes of a device at a time.
func withCode(ctx context.Context, ask AskCode, d Device, send func(code string) error) error {
	for sent := 1; ; sent++ {
		code, err := ask.Code(ctx, d)
		if err != nil {
			return err
		}
		switch err = send(code); {
		case err == nil:
			return nil
		case !isWrongCode(err):
			return codeSent{err}
		case sent == maxCodes:
			return noCode{err}
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
