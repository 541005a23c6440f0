package awssts

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/chaim-go/chaim/internal/awaiting"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/partition"
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

// SessionStore keeps MFA sessions longer than the process lives. user is a hash that tells apart users and their STS. Load
// returns no keys if it has none.
type SessionStore interface {
	Load(ctx context.Context, user, serial string) (aws.Credentials, error)
	Save(ctx context.Context, user, serial string, session aws.Credentials) error
}

// MFASession gives the keys of an MFA session of an IAM user. All MFASessions of a process share the session of a user and
// a device, and wait for each other.
type MFASession struct {
	Keys     aws.CredentialsProvider // of the user; nil means those of the SDK
	Device   Device
	Ask      AskCode
	Duration time.Duration // of a new session
	MinLeft  time.Duration // a session with less left is not used; zero means enough for a request
	Store    SessionStore  // nil means none
	Asker    Asker         // its STS says where STS is
}

// Retrieve returns the keys of the session, and begins it if there is none.
func (m MFASession) Retrieve(ctx context.Context) (session aws.Credentials, err error) {
	cfg, err := m.Asker.config(ctx, m.Keys != nil)
	if err != nil {
		return session, err
	}
	cfg.Region = cmp.Or(cfg.Region, partition.DefaultRegion)
	client, err := m.Asker.client(ctx, cfg, true)
	if err != nil {
		return session, err
	}
	own, err := m.Asker.keysOf(ctx, cmp.Or(m.Keys, cfg.Credentials))
	switch {
	case err != nil:
		return session, err
	case own.SessionToken != "":
		return session, fmt.Errorf("chaim: an MFA session begins with the long-term keys of an IAM user, but %s are temporary", keys.LastFour(own.AccessKeyID))
	}
	user := userID(own, client)
	d := m.Device.of(user, m.Asker.STS.HTTPClient)
	if err := d.take(ctx, m.Device); err != nil {
		return session, err
	}
	defer d.turn.Give()
	if session, err = m.held(ctx, d, user); err == nil && session.AccessKeyID == "" {
		session, err = m.begin(ctx, client, own, d, user)
	}
	if err == nil {
		m.Asker.nameSession(ctx, client, own, session)
	}
	return session, err
}

// userID tells apart users and the STS that they ask. A hash is safe to store, because a secret access key cannot be
// guessed. The secret is a part of it: access key ids and serial numbers are known to others.
func userID(own aws.Credentials, client *sts.Client) string {
	endpoint := aws.ToString(client.Options().BaseEndpoint) // empty for that of AWS
	return fmt.Sprintf("%x", sha256.Sum256(fmt.Appendf(nil, "%q", []string{own.AccessKeyID, own.SecretAccessKey, endpoint})))
}

// held returns the session of this process or of the store. It has no keys if there is none. err is set if the device gave
// no code a moment ago.
func (m MFASession) held(ctx context.Context, d *mfaDevice, user string) (session aws.Credentials, err error) {
	if session = d.held(); m.lasts(session) {
		return session, nil
	}
	if m.Store != nil {
		if session, err = m.Store.Load(ctx, user, m.Device.Serial); err == nil && m.lasts(session) && d.hold(session) {
			return session, nil
		}
	}
	return aws.Credentials{}, d.failed(m.Device)
}

func (m MFASession) lasts(session aws.Credentials) bool {
	return session.HasKeys() && time.Until(session.Expires) > max(m.MinLeft, minSessionLeft)
}

// begin begins a session, and keeps it.
func (m MFASession) begin(ctx context.Context, client *sts.Client, own aws.Credentials, d *mfaDevice, user string) (session aws.Credentials, err error) {
	err = withCode(ctx, m.Ask, m.Device, func(code string) error {
		defer awaiting.For(ctx, "AWS STS in "+client.Options().Region)()
		sent := time.Now()
		out, err := client.GetSessionToken(ctx, &sts.GetSessionTokenInput{
			DurationSeconds: aws.Int32(int32(m.Duration / time.Second)), SerialNumber: &m.Device.Serial, TokenCode: &code,
		}, func(o *sts.Options) { o.Credentials = fixed(own) })
		if err != nil {
			err = Failure(ctx, "STS", m.Asker.Files, err, own.SecretAccessKey, code)
			return errtext.Wrap(err, "beginning a session with MFA device %s", m.Device.name())
		}
		session, err = m.Asker.keysIn(out.Credentials, out.ResultMetadata, sent, m.Duration)
		return err
	})
	if err != nil {
		d.fail(ctx, m.Device, m.Ask, err)
		return aws.Credentials{}, err
	}
	d.hold(session)
	if m.Store != nil {
		if err := m.Store.Save(ctx, user, m.Device.Serial, session); err != nil {
			m.Asker.Log.Warn("chaim: MFA session is not kept for the next program", "error", err)
		}
	}
	return session, nil
}

// unusable are the codes of STS for keys that it no longer accepts, or does not know.
//
// https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html
var unusable = map[string]bool{
	"ExpiredToken": true, "ExpiredTokenException": true, "InvalidClientTokenId": true, "UnrecognizedClientException": true,
}

// isUnusable reports whether STS does not accept the keys that signed a request.
func isUnusable(err error) bool {
	var refusal smithy.APIError
	return errors.As(err, &refusal) && unusable[refusal.ErrorCode()]
}

// codeAsker sends the code of an MFA device with the request for a role.
type codeAsker struct {
	Asker
	ask    AskCode
	device Device
}

// Retrieve asks STS, and for another code if STS refuses one.
func (a codeAsker) Retrieve(ctx context.Context) (creds aws.Credentials, err error) {
	own, err := a.keysOf(ctx, a.STS.Keys)
	if err != nil {
		return creds, err
	}
	cfg, err := a.config(ctx, true)
	if err != nil {
		return creds, err
	}
	client, err := a.client(ctx, cfg, true)
	if err != nil {
		return creds, err
	}
	d := a.device.of(userID(own, client), a.STS.HTTPClient)
	if err := d.take(ctx, a.device); err != nil {
		return creds, err
	}
	defer d.turn.Give()
	if err := d.failed(a.device); err != nil {
		return creds, err
	}
	err = withCode(ctx, a.ask, a.device, func(code string) error {
		s := *a.STS
		s.Keys, s.MFASerial, s.TokenCode = fixed(own), a.device.Serial, func(context.Context) (string, error) { return code, nil }
		asker := a.Asker
		asker.STS = &s
		creds, err = asker.Retrieve(ctx)
		return err
	})
	if errors.As(err, new(noCode)) { // another role may accept the device's code
		d.fail(ctx, a.device, a.ask, err)
	}
	return creds, err
}
