package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/token"
)

// token answers a program that has a code.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	form, isRead := s.read(w, r, "grant_type", "code", "redirect_uri", "code_verifier", "device_code")
	if !isRead {
		return
	}
	switch grant := form.Get("grant_type"); {
	case grant == codeGrant:
		s.redeemCode(w, r, form)
	case grant == deviceGrant && s.Settings.Device:
		s.redeemDevice(w, r, form)
	default:
		refuse(w, http.StatusBadRequest, "unsupported_grant_type", "")
	}
}

// find returns the sign-in of a code, whichever key made its digest.
func (s *Server) find(ctx context.Context, purpose, code string, look func(context.Context, []byte) (store.Flow, error)) (store.Flow, error) {
	for _, digest := range s.Ring.Ring().Digests(purpose, code) {
		if f, err := look(ctx, digest); !errors.Is(err, store.ErrNotFound) {
			return f, err
		}
	}
	return store.Flow{}, store.ErrNotFound
}

const badCode = "the code is not one, has expired or was used: log in again"

func (s *Server) redeemCode(w http.ResponseWriter, r *http.Request, form url.Values) {
	f, err := s.find(r.Context(), codeDigest, form.Get("code"), s.Database.Flow)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && f.Kind != store.CodeFlow:
		s.failed(w, r, "code")
		return
	case err != nil:
		s.unavailable(w, "reading a login", err)
		return
	}
	isOwner := isVerified(form.Get("code_verifier"), f.Asker.Challenge) && form.Get("redirect_uri") == f.Asker.Redirect
	switch {
	case f.Outcome.State == store.FlowUsed:
		s.replayed(w, r, f)
	case !isOwner, f.Outcome.State != store.FlowApproved, !time.Now().Before(f.Expires):
		s.failed(w, r, "code")
	default:
		s.grant(w, r, f)
	}
}

// failed refuses a code.
func (s *Server) failed(w http.ResponseWriter, r *http.Request, kind string) {
	s.Web.Count(kind, "failed")
	if pause := s.Web.Failed(s.from(r)); pause > 0 {
		w.Header().Set("Retry-After", seconds(pause))
	}
	refuse(w, http.StatusBadRequest, "invalid_grant", badCode)
}

// replayed refuses a code that has made a token, and ends the token: two programs have the code, and one of them has stolen it.
func (s *Server) replayed(w http.ResponseWriter, r *http.Request, f store.Flow) {
	if v, err := s.People.View(r.Context()); err == nil && !v.Tokens[f.Outcome.Token].Revoked.IsZero() {
		s.failed(w, r, string(f.Kind)) // without a write, or strangers could keep the database busy
		return
	}
	e := s.event(r, audit.TokenRevoked, f, "token", f.Outcome.Token, "reason", "its code came twice")
	// It ends even if the one who asks does not wait for the answer.
	ctx, stop := context.WithTimeout(context.WithoutCancel(r.Context()), endTimeout)
	defer stop()
	err := s.Journal.Append(ctx, store.Change{
		Events: []audit.Event{e}, Effects: []store.Effect{store.RevokeToken(f.Outcome.Token, e.At)}, Raises: true,
	})
	if err != nil && !errors.Is(err, store.ErrConflict) { // which says that it is revoked
		s.unavailable(w, "ending the token of a code that came twice", err)
		return
	}
	s.failed(w, r, string(f.Kind))
}

// overtaken answers a request whose sign-in has changed since it was read.
func (s *Server) overtaken(w http.ResponseWriter, r *http.Request, f store.Flow) {
	now, err := s.Database.Flow(r.Context(), f.Digest)
	switch {
	case err != nil && !errors.Is(err, store.ErrNotFound):
		s.unavailable(w, "reading a login", err)
	case err == nil && now.Outcome.State == store.FlowUsed: // another request with the code was first
		s.replayed(w, r, now)
	default:
		s.failed(w, r, string(f.Kind))
	}
}

// event is an event of the user of a sign-in, caused by a request of a program.
func (s *Server) event(r *http.Request, kind audit.Type, f store.Flow, details ...string) audit.Event {
	e := audit.Event{
		Type: kind, At: time.Now(), Actor: audit.Actor{Kind: "user", Name: f.Outcome.User, IP: shown(s.from(r)), Agent: f.Asker.Program},
		Details: map[string]string{"kind": string(f.Kind), "from": f.Asker.IP},
	}
	for pair := range slices.Chunk(details, 2) {
		e.Details[pair[0]] = pair[1]
	}
	return e
}

// answer is that of the token endpoint: RFC 6749, section 5.1, with the name of the user.
type answer struct {
	Token    string `json:"access_token"`
	Type     string `json:"token_type"`
	Expires  int64  `json:"expires_in"`
	Username string `json:"username"`
}

// grant makes the token of an approved sign-in, and uses the sign-in up: both or neither.
func (s *Server) grant(w http.ResponseWriter, r *http.Request, f store.Flow) {
	for range attempts {
		v, err := s.People.View(r.Context())
		if err != nil {
			s.unavailable(w, "reading people", err)
			return
		}
		u, isUser := v.Users[f.Outcome.User]
		if !isUser || u.Disabled {
			s.failed(w, r, string(f.Kind))
			return
		}
		tokens, err := s.Database.TokensOf(r.Context(), f.Outcome.User, time.Now())
		if err != nil {
			s.unavailable(w, "reading the tokens of a user", err)
			return
		}
		text, row, change := s.newToken(r, v.Auth, f, tokens)
		err = s.Journal.Append(r.Context(), change)
		switch {
		case err == nil:
			s.Web.Count(string(f.Kind), "issued")
			write(w, http.StatusOK, answer{text.Reveal(), "Bearer", int64(time.Until(row.Expires) / time.Second), row.User})
			return
		case errors.Is(err, store.ErrConflict):
			s.overtaken(w, r, f)
			return
		case !errors.Is(err, store.ErrStale):
			s.unavailable(w, "recording a login", err)
			return
		}
	}
	s.unavailable(w, "recording a login", store.ErrStale)
}

// newToken makes the token of a sign-in, and the change that stores it. The user's oldest logins end if there are too many.
func (s *Server) newToken(r *http.Request, auth int64, f store.Flow, tokens []store.Token) (text token.Secret, row store.Token, c store.Change) {
	now := time.Now()
	label := fmt.Sprintf("%s on %s", f.Asker.Program, f.Asker.Host)
	text, row = s.Ring.Ring().New(store.CLIToken, f.Outcome.User, label, now.Add(s.Settings.Lifetime))
	e := s.event(r, audit.TokenCreated, f, "token", row.ID, "label", label, "expires", row.Expires.Format(time.RFC3339), "key", row.Seal.KeyID)
	c = store.Change{
		Events: []audit.Event{e}, Effects: []store.Effect{store.UseFlow(f.Digest, row.ID, now), store.AddToken(row)}, IfAuth: auth,
		Raises: true, // so that two logins at once cannot pass the limit together
	}
	for _, id := range surplus(tokens, s.Settings.TokensPerUser) {
		c.Events = append(c.Events, s.event(r, audit.TokenRevoked, f, "token", id, "reason", "the user has too many tokens"))
		c.Effects = append(c.Effects, store.RevokeToken(id, now))
	}
	return text, row, c
}

// surplus returns the logins that end for a new one, so that the user then has as many tokens as allowed. The tokens are active, the
// newest first. Those that a person made by hand count, but stay.
func surplus(tokens []store.Token, most int) (ids []string) {
	active := 0
	for _, t := range slices.Backward(tokens) {
		if t.Kind == store.CLIToken {
			ids = append(ids, t.ID)
		}
		if t.Kind != store.WebToken {
			active++
		}
	}
	return ids[:max(0, min(active+1-most, len(ids)))]
}

// revoke ends a token, whose holder needs no other proof: RFC 7009. A token that is none is ended.
func (s *Server) revoke(w http.ResponseWriter, r *http.Request) {
	form, isRead := s.read(w, r, "token", "token_type_hint")
	if !isRead {
		return
	}
	caller := issue.Caller{Way: issue.ByAPI, Token: form.Get("token"), IP: s.from(r), Agent: named(r.UserAgent(), "")}
	who, err := s.People.Authenticate(r.Context(), caller)
	refusal := (*issue.Refusal)(nil)
	switch isRefused := errors.As(err, &refusal); {
	case err == nil:
		err = s.end(r.Context(), who)
	case isRefused && refusal.Code == issue.BadToken:
		if pause := s.Web.Failed(caller.IP); pause > 0 {
			w.Header().Set("Retry-After", seconds(pause))
			refuse(w, http.StatusTooManyRequests, "temporarily_unavailable", "")
			return
		}
		err = nil
	case isRefused && refusal.Code != issue.Unavailable && refusal.Code != issue.Busy: // it has ended
		err = nil
	}
	if err != nil {
		s.unavailable(w, "ending a token", err)
		return
	}
	write(w, http.StatusOK, struct{}{})
}

// end revokes the token of a caller.
func (s *Server) end(ctx context.Context, who issue.Who) error {
	e := audit.Event{Type: audit.TokenRevoked, At: time.Now(), Actor: who.Actor, Details: map[string]string{"token": who.Token.ID, "reason": "logout"}}
	err := s.Journal.Append(ctx, store.Change{
		Events: []audit.Event{e}, Effects: []store.Effect{store.RevokeToken(who.Token.ID, e.At)}, Raises: true,
	})
	if errors.Is(err, store.ErrConflict) { // another request was first
		return nil
	}
	return err
}
