package gatewayauth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/chaim-go/chaim/internal/callback"
	"github.com/chaim-go/chaim/internal/checkcode"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/httpx"
	"github.com/chaim-go/chaim/internal/keys"
)

// Login says how a person signs in.
type Login struct {
	// Program and Host are shown on the gateway's page, so that the person knows who asks.
	Program, Host string
	// Port is that of the address on this machine to which the browser returns. Zero means any.
	Port int
	// Device makes the person type a code into any browser. This machine then needs none.
	Device bool
	// Show tells the person which page to open.
	Show func(Page)
	// IsForeign reports whether a connection to this machine comes from another user. Nil means never.
	IsForeign func(peer, here netip.AddrPort) bool
}

// Page is the page at which a person signs in.
type Page struct {
	URL   string
	Code  string // to be typed there; empty without Device
	Check string // the page must show the same code; empty with Device
}

// Session is what a sign-in gives. It prints without the token.
type Session struct {
	User, Token string
	Expires     time.Time
}

// Format prints the user, whatever the verb.
func (s Session) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "gatewayauth.Session{User:%q Token:%s}", s.User, keys.Redacted(s.Token))
}

const (
	// callbackPath is the only path that gateways take.
	callbackPath = "/callback"

	// loginTime is how long a person has to sign in.
	loginTime = 10 * time.Minute

	// slowDown is how much longer the pauses between two questions become if the gateway asks for that.
	//
	// https://www.rfc-editor.org/rfc/rfc8628#section-3.5
	slowDown        = 5 * time.Second
	defaultInterval = 5 * time.Second

	codeGrant   = "authorization_code"
	deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"
)

// Login signs a person in. The error wraps [keys.ErrDenied] if the person or the gateway refuses.
func (s *Server) Login(ctx context.Context, l Login) (Session, error) {
	ctx, stop := context.WithTimeoutCause(ctx, loginTime, fmt.Errorf("no sign-in within %s", loginTime))
	defer stop()
	way := s.byBrowser
	if l.Device {
		way = s.byDevice
	}
	session, err := way(ctx, l)
	if err != nil {
		return Session{}, errtext.Wrap(err, "signing in to %s", s.URL)
	}
	return session, nil
}

// byBrowser lets a browser on this machine bring an authorization code, which PKCE binds to this program.
//
// https://www.rfc-editor.org/rfc/rfc7636
func (s *Server) byBrowser(ctx context.Context, l Login) (Session, error) {
	back, err := callback.Listen(callback.Config{Path: callbackPath, Port: l.Port, Issuer: s.URL, IsForeign: l.IsForeign})
	if err != nil {
		return Session{}, err
	}
	defer back.Close()
	verifier := rand.Text() + rand.Text() // 52 characters; the rule is 43 to 128
	sum := sha256.Sum256([]byte(verifier))
	challenge := base64.RawURLEncoding.EncodeToString(sum[:])
	l.Show(Page{URL: withQuery(s.ends.Authorize, url.Values{
		"response_type": {"code"}, "client_id": {clientID}, "redirect_uri": {back.URI}, "state": {back.State},
		"code_challenge_method": {"S256"}, "code_challenge": {challenge}, "program": {shown(l.Program)}, "host": {shown(l.Host)},
	}), Check: checkcode.Of(challenge)})
	code, err := back.Wait(ctx)
	if err != nil {
		return Session{}, err
	}
	form := url.Values{
		"grant_type": {codeGrant}, "client_id": {clientID}, "code": {code}, "code_verifier": {verifier}, "redirect_uri": {back.URI},
	}
	session, err := s.token(ctx, form)
	if isUnknown(err) {
		return s.settle(ctx, form, err)
	}
	return session, err
}

// withQuery adds parameters to an endpoint, which may have some.
func withQuery(end string, more url.Values) string {
	if strings.Contains(end, "?") {
		return end + "&" + more.Encode()
	}
	return end + "?" + more.Encode()
}

// byDevice lets a person type a code into a browser anywhere.
func (s *Server) byDevice(ctx context.Context, l Login) (Session, error) {
	if s.ends.Device == "" {
		return Session{}, errors.New("this gateway allows no sign-in with --device: leave it out, and use a browser on this machine")
	}
	var device struct {
		Code     string `json:"device_code"`
		UserCode string `json:"user_code"`
		Page     string `json:"verification_uri"`
		Expires  int    `json:"expires_in"`
		Interval int    `json:"interval"`
	}
	form := url.Values{"client_id": {clientID}, "program": {shown(l.Program)}, "host": {shown(l.Host)}}
	if err := s.post(ctx, s.ends.Device, form, &device); err != nil {
		return Session{}, err
	}
	switch {
	case device.Code == "" || device.UserCode == "":
		return Session{}, errors.New("reply has no code")
	case !s.isOwn(device.Page):
		return Session{}, fmt.Errorf("the gateway names a page of another server: %s", quoted(device.Page))
	}
	if lifetime := time.Duration(device.Expires) * time.Second; lifetime > 0 && lifetime < loginTime {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, lifetime, fmt.Errorf("no sign-in within %s, when the code ended", lifetime))
		defer stop()
	}
	l.Show(Page{URL: device.Page, Code: keys.Printable(device.UserCode)})
	interval := defaultInterval
	if device.Interval > 0 && device.Interval < int(loginTime/time.Second) {
		interval = time.Duration(device.Interval) * time.Second
	}
	return s.poll(ctx, device.Code, interval)
}

// poll asks for the token of a device's sign-in until a person has decided. A failure that may pass costs time, as the answer
// "slow_down" does, but not the sign-in.
//
// https://www.rfc-editor.org/rfc/rfc8628#section-3.5
func (s *Server) poll(ctx context.Context, code string, interval time.Duration) (Session, error) {
	form := url.Values{"grant_type": {deviceGrant}, "client_id": {clientID}, "device_code": {code}}
	var session Session
	var err error
	for {
		select { // also before the first question: a person is slower
		case <-time.After(interval):
		case <-ctx.Done():
			if isUnknown(err) {
				return s.settle(ctx, form, err)
			}
			return Session{}, context.Cause(ctx)
		}
		session, err = s.token(ctx, form)
		switch code := codeOf(err); {
		case code == "authorization_pending":
		case code == "slow_down", isUnknown(err) && !keys.IsFinal(err):
			interval += slowDown
		case code == "expired_token":
			return Session{}, errors.New("the code has ended")
		case code == "access_denied":
			return Session{}, errtext.Because(keys.ErrDenied, errors.New("the sign-in was refused in the browser"))
		case isUnknown(err):
			return s.settle(ctx, form, err)
		default:
			return session, err
		}
	}
}

// shown is a name as the gateway takes it: printable, and not too long.
func shown(name string) string {
	const longest = 64
	name = strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e {
			return '?'
		}
		return r
	}, name)
	return name[:min(len(name), longest)]
}

// quoted quotes a text of the gateway for an error.
func quoted(text string) string {
	return strconv.QuoteToASCII(httpx.Scrub(text, httpx.MaxText))
}
