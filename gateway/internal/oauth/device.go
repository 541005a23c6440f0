package oauth

import (
	"context"
	"crypto/rand"
	"errors"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/token"
	"github.com/chaim-go/chaim/internal/checkcode"
)

// The purposes of the digests of the two codes of a device.
const (
	deviceDigest = "code of a device"
	typedDigest  = "typed code of a device"
)

// Device is a program that waits for a person to type its code.
type Device struct {
	Program string // in its own words
	Host    string // in the program's words
	IP      string // the address that it asked from
	Created time.Time
}

// device begins the login of a program on a machine without a browser.
func (s *Server) device(w http.ResponseWriter, r *http.Request) {
	if !s.Settings.Device {
		refuse(w, http.StatusBadRequest, "unauthorized_client", "this gateway does not allow logins by a code: log in with the browser of this machine")
		return
	}
	form, isRead := s.read(w, r, "program", "host")
	if !isRead {
		return
	}
	from := s.from(r)
	if !s.begun.allow(from) {
		w.Header().Set("Retry-After", "6")
		refuse(w, http.StatusTooManyRequests, "temporarily_unavailable", "this address begins too many logins: wait a moment")
		return
	}
	code, typed, now := token.NewCode(), newTyped(), time.Now()
	ring := s.Ring.Ring()
	err := s.Database.BeginDevice(r.Context(), store.Flow{
		Digest: ring.Digest(deviceDigest, code.Reveal()), UserCode: ring.Digest(typedDigest, typed), Kind: store.DeviceFlow,
		Asker: store.Asker{
			Program: named(form.Get("program"), "an unnamed program"), Host: named(form.Get("host"), "an unnamed computer"), IP: shown(from),
		},
		Outcome: store.Outcome{State: store.FlowOpen}, Created: now, Expires: now.Add(deviceLife),
	})
	if err != nil {
		s.unavailable(w, "beginning a login", err)
		return
	}
	write(w, http.StatusOK, map[string]any{
		"device_code": code.Reveal(), "user_code": typed[:4] + "-" + typed[4:], "verification_uri": s.issuer() + "/device",
		"expires_in": int(deviceLife / time.Second), "interval": int(interval / time.Second),
	})
}

// newTyped returns a code for people: 34 bits, which are guessed with a person's session and a limit only.
func newTyped() string {
	code := make([]byte, 8)
	for i := range code {
		n, _ := rand.Int(rand.Reader, big.NewInt(int64(len(checkcode.Letters)))) // never fails
		code[i] = checkcode.Letters[n.Int64()]
	}
	return string(code)
}

// redeemDevice answers a program that asks whether its person has decided.
func (s *Server) redeemDevice(w http.ResponseWriter, r *http.Request, form url.Values) {
	now := time.Now()
	tooEarly := now.Add(time.Second - interval) // the network may bring two polls closer together
	f, err := s.find(r.Context(), deviceDigest, form.Get("device_code"), func(ctx context.Context, digest []byte) (store.Flow, error) {
		return s.Database.PollDevice(ctx, digest, now, tooEarly)
	})
	switch {
	case errors.Is(err, store.ErrNotFound):
		s.failed(w, r, "device")
	case err != nil:
		s.unavailable(w, "reading a login", err)
	case !now.Before(f.Expires):
		refuse(w, http.StatusBadRequest, "expired_token", "the code has expired: log in again")
	case f.Outcome.State == store.FlowDenied:
		refuse(w, http.StatusBadRequest, "access_denied", "the login was refused")
	case f.Outcome.State == store.FlowUsed:
		s.replayed(w, r, f)
	case f.Polled.After(tooEarly):
		refuse(w, http.StatusBadRequest, "slow_down", "")
	case f.Outcome.State == store.FlowOpen:
		refuse(w, http.StatusBadRequest, "authorization_pending", "")
	default:
		s.grant(w, r, f)
	}
}

// FindDevice returns the program that waits with a code that a user has typed. The error wraps [store.ErrNotFound] if there is
// none, or is an [*issue.Refusal] with [issue.Busy] if the user, or the address, has typed too many wrong ones.
func (s *Server) FindDevice(ctx context.Context, who issue.Who, typed string) (Device, error) {
	f, err := s.typedFlow(ctx, who, typed)
	return Device{f.Asker.Program, f.Asker.Host, f.Asker.IP, f.Created}, err
}

// DecideDevice lets the program that waits with a code sign in as the user of a browser, or refuses it. Errors are those of
// [Server.FindDevice]; [store.ErrConflict] means that it was decided before.
func (s *Server) DecideDevice(ctx context.Context, who issue.Who, typed string, allow bool) error {
	f, err := s.typedFlow(ctx, who, typed)
	if err != nil {
		return err
	}
	to, kind, result := store.Outcome{State: store.FlowDenied, User: who.User.Name, Token: who.Token.ID}, audit.LoginDenied, "denied"
	if allow {
		to.State, kind, result = store.FlowApproved, audit.LoginApproved, "approved"
	}
	err = s.append(ctx, store.Change{
		Events: []audit.Event{decision(who, kind, f)}, Effects: []store.Effect{store.DecideFlow(f.Digest, to, time.Now())}, IfAuth: who.View().Auth,
	})
	if err == nil {
		s.Web.Count("device", result)
	}
	return err
}

// typedFlow finds an open sign-in by the code that a user has typed.
func (s *Server) typedFlow(ctx context.Context, who issue.Who, typed string) (store.Flow, error) {
	if err := isBrowser(who); err != nil {
		return store.Flow{}, err
	}
	if !s.Settings.Device {
		return store.Flow{}, &issue.Refusal{Code: issue.NotAllowed, User: who.User.Name, Text: "this gateway does not allow logins by a code"}
	}
	// The try counts before the look, so that many tries at once count too.
	takeBack, pause := s.guesses.begin(who.User.Name, who.Actor.IP, time.Now())
	if pause > 0 {
		text := "too many wrong codes were typed: wait before you try again"
		return store.Flow{}, &issue.Refusal{Code: issue.Busy, User: who.User.Name, Text: text, RetryAfter: pause}
	}
	f, err := s.find(ctx, typedDigest, plainCode(typed), s.Database.FlowByUserCode)
	if err == nil && (f.Outcome.State != store.FlowOpen || !time.Now().Before(f.Expires)) {
		err = store.ErrNotFound
	}
	if !errors.Is(err, store.ErrNotFound) {
		takeBack()
	}
	if err != nil {
		return store.Flow{}, err
	}
	return f, nil
}

// plainCode is a typed code without what people put between its letters.
func plainCode(typed string) string {
	return strings.Map(func(c rune) rune {
		if strings.ContainsRune(checkcode.Letters, c) {
			return c
		}
		return -1
	}, strings.ToUpper(typed))
}
