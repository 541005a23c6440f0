package oauth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"time"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/token"
)

// codeDigest is the purpose of the digests of codes.
const codeDigest = "code of a login"

// Authorize is a request of the command to sign in, whose parameters are right.
type Authorize struct {
	Redirect  string // http://127.0.0.1:PORT/callback or http://[::1]:PORT/callback
	State     string
	Challenge string // of PKCE
	Program   string // in its own words
	Host      string // in the program's words
}

// Params are the parameters of the request, and no others that came with it.
func (a Authorize) Params() url.Values {
	return url.Values{
		"response_type": {"code"}, "client_id": {clientID}, "redirect_uri": {a.Redirect}, "state": {a.State},
		"code_challenge": {a.Challenge}, "code_challenge_method": {"S256"}, "program": {a.Program}, "host": {a.Host},
	}
}

var (
	challengeRule = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)
	verifierRule  = regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`)
)

// CheckAuthorize returns the request in the parameters of a page. The error says what is wrong with it: such a request is shown
// to the person, and never sent back, since its redirect may be an attacker's.
func (s *Server) CheckAuthorize(params url.Values) (Authorize, error) {
	bad := func(text string) (Authorize, error) {
		return Authorize{}, &issue.Refusal{Code: issue.BadLogin, Text: "this is no login of chaim: " + text}
	}
	for name, values := range params {
		if len(values) > 1 {
			return bad("it has a parameter twice: " + named(name, "one"))
		}
	}
	redirect := params.Get("redirect_uri")
	switch {
	case params.Get("response_type") != "code" || params.Get("client_id") != clientID:
		return bad("it is of another program")
	case !isLoopback(redirect):
		return bad("its answer would not go to a program on this machine")
	case params.Get("code_challenge_method") != "S256" || !challengeRule.MatchString(params.Get("code_challenge")):
		return bad("it is not protected by PKCE with S256")
	case params.Get("state") == "" || len(params.Get("state")) > maxState:
		return bad("it has no state")
	}
	return Authorize{
		Redirect: redirect, State: params.Get("state"), Challenge: params.Get("code_challenge"),
		Program: named(params.Get("program"), "an unnamed program"), Host: named(params.Get("host"), "an unnamed computer"),
	}, nil
}

// isLoopback reports whether an address is exactly that of a program of this machine: RFC 8252, section 7.3. The name localhost
// may be another machine's.
func isLoopback(text string) bool {
	u, err := url.Parse(text)
	if err != nil {
		return false
	}
	at, err := netip.ParseAddrPort(u.Host)
	if err != nil || at.Port() == 0 || at.Addr() != netip.AddrFrom4([4]byte{127, 0, 0, 1}) && at.Addr() != netip.IPv6Loopback() {
		return false
	}
	return text == "http://"+at.String()+"/callback"
}

// Approve lets a program sign in as the user of a browser, and returns the address that tells the program. The user must have
// pressed the button.
func (s *Server) Approve(ctx context.Context, who issue.Who, a Authorize, from netip.Addr) (redirect string, err error) {
	if err := isBrowser(who); err != nil {
		return "", err
	}
	code, now := token.NewCode(), time.Now()
	f := store.Flow{
		Digest: s.Ring.Ring().Digest(codeDigest, code.Reveal()), Kind: store.CodeFlow, Created: now, Expires: now.Add(codeLife),
		Asker:   store.Asker{Program: a.Program, Host: a.Host, IP: shown(from), Redirect: a.Redirect, Challenge: a.Challenge},
		Outcome: store.Outcome{State: store.FlowApproved, User: who.User.Name, Token: who.Token.ID},
	}
	err = s.append(ctx, store.Change{Events: []audit.Event{decision(who, audit.LoginApproved, f)}, Effects: []store.Effect{store.AddFlow(f)}, IfAuth: who.View().Auth})
	if err != nil {
		return "", err
	}
	s.Web.Count("code", "approved")
	return s.back(a, "code", code.Reveal()), nil
}

// Deny records that the user of a browser refuses a login, and returns the address that tells the program. The login is refused
// also if that cannot be recorded.
func (s *Server) Deny(ctx context.Context, who issue.Who, a Authorize, from netip.Addr) (redirect string) {
	f := store.Flow{Kind: store.CodeFlow, Asker: store.Asker{Program: a.Program, Host: a.Host, IP: shown(from)}}
	_ = s.append(ctx, store.Change{Events: []audit.Event{decision(who, audit.LoginDenied, f)}}) // which logs the error
	s.Web.Count("code", "denied")
	return s.back(a, "error", "access_denied")
}

// back is the address of the answer. It names the gateway: RFC 9207.
func (s *Server) back(a Authorize, name, value string) string {
	return a.Redirect + "?" + url.Values{name: {value}, "state": {a.State}, "iss": {s.issuer()}}.Encode()
}

// isBrowser refuses all but browsers: a program must not let another one in.
func isBrowser(who issue.Who) error {
	if who.Token.Kind != store.WebToken {
		return &issue.Refusal{Code: issue.NotAllowed, User: who.User.Name, Text: "only a person with a browser can let a program sign in"}
	}
	return nil
}

// from is the address of a caller, proven or not.
func (s *Server) from(r *http.Request) netip.Addr {
	addr, _ := s.Web.Address(r)
	return addr
}

func shown(addr netip.Addr) string {
	if !addr.IsValid() {
		return ""
	}
	return addr.String()
}

// decision is the event of a person's answer to a login.
func decision(who issue.Who, kind audit.Type, f store.Flow) audit.Event {
	return audit.Event{Type: kind, At: time.Now(), Actor: who.Actor, Details: map[string]string{
		"kind": string(f.Kind), "program": f.Asker.Program, "host": f.Asker.Host, "from": f.Asker.IP,
	}}
}

// append records a change that a person decided on a page.
func (s *Server) append(ctx context.Context, c store.Change) error {
	err := s.Journal.Append(ctx, c)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrStale):
		return &issue.Refusal{Code: issue.Unavailable, Text: "people or tokens have just changed: try again", RetryAfter: time.Second}
	case errors.Is(err, store.ErrConflict):
		return err
	}
	s.Web.Log.Error("a decision about a login could not be recorded", "error", err)
	return &issue.Refusal{Code: issue.Unavailable, Text: "the gateway's database cannot be used at the moment: try again", RetryAfter: time.Second}
}

// isVerified compares the verifier of PKCE with the challenge.
func isVerified(verifier, challenge string) bool {
	if !verifierRule.MatchString(verifier) {
		return false
	}
	sum := sha256.Sum256([]byte(verifier))
	return subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(challenge)) == 1
}

func seconds(d time.Duration) string { return strconv.Itoa(max(1, int(d/time.Second))) }
