package gatewayauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/httpx"
	"github.com/chaim-go/chaim/internal/humantime"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/lazyregexp"
)

const (
	// graceTime is how long an answer in which a session may have begun is waited for when nobody wants it any more.
	graceTime = 10 * time.Second

	// endTime is how long it may take to end a session.
	endTime = 15 * time.Second

	// mePath is below the URL of a gateway.
	mePath = "/api/v1/me"
)

var errEndTime = fmt.Errorf("no answer within %s", endTime)

var (
	tokenRule = lazyregexp.New(`^chm1_[A-Za-z0-9_-]{16,256}$`)
	userRule  = lazyregexp.New(`^[a-z0-9][a-z0-9._@-]{1,63}$`)
)

// maxLifetime is longer than any that a gateway gives.
const maxLifetime = 366 * 24 * time.Hour

// unknownError means that a code was sent, and that no answer tells whether a session has begun.
type unknownError struct{ error }

func (e unknownError) Unwrap() error { return e.error }

func isUnknown(err error) bool { return errors.As(err, new(unknownError)) }

// token sends a code, and checks all that comes: it goes into the credentials file. A session that cannot be used, or that
// nobody wants any more because ctx has ended, is ended again. The error is an [unknownError] if there may be a session that
// token does not know: [Server.settle] must follow.
func (s *Server) token(ctx context.Context, form url.Values) (Session, error) {
	if ctx.Err() != nil { // nothing has begun
		return Session{}, context.Cause(ctx)
	}
	longer, stop := s.outlasting(ctx)
	defer stop()
	return s.redeem(longer, ctx, form)
}

// redeem is token for a request that may go on when the session is not wanted any more, which is when wanted has ended.
func (s *Server) redeem(ctx, wanted context.Context, form url.Values) (Session, error) {
	var body json.RawMessage
	asked := time.Now()
	err := s.post(ctx, s.ends.Token, form, &body)
	switch {
	case err != nil && codeOf(err) == "":
		return Session{}, unknownError{err}
	case err != nil && wanted.Err() != nil:
		return Session{}, context.Cause(wanted)
	case err != nil:
		return Session{}, err
	}
	session, err := sessionIn(body, asked)
	if wanted.Err() != nil {
		err = context.Cause(wanted)
	}
	switch {
	case err == nil:
		return session, nil
	case session.Token == "":
		return Session{}, unknownError{err}
	}
	return Session{}, s.Abandon(ctx, session, err)
}

// sessionIn reads the answer with a token. If anything in it is wrong, the token is there all the same, to be ended.
func sessionIn(body []byte, asked time.Time) (session Session, err error) {
	var reply struct {
		Token   string `json:"access_token"`
		Type    string `json:"token_type"`
		Seconds int64  `json:"expires_in"`
		User    string `json:"username"`
	}
	if err := json.Unmarshal(body, &reply); err != nil { // which could quote the reply
		var only struct {
			Token string `json:"access_token"`
		}
		_ = json.Unmarshal(body, &only)
		return Session{Token: only.Token}, errors.New("reply is not that of a chaim gateway")
	}
	session = Session{User: reply.User, Token: reply.Token}
	hasEnd := reply.Seconds >= 1 && reply.Seconds <= int64(maxLifetime/time.Second)
	if hasEnd {
		session.Expires = asked.Add(time.Duration(reply.Seconds) * time.Second)
	}
	switch {
	case !tokenRule().MatchString(reply.Token) || !strings.EqualFold(reply.Type, "Bearer"):
		return session, errors.New("reply has no user token of a chaim gateway")
	case !userRule().MatchString(reply.User):
		return session, errors.New("reply has no user name of a chaim gateway")
	case !hasEnd:
		return session, errors.New("reply does not say how long the token is valid")
	}
	return session, nil
}

// settle follows an [unknownError] for a code. It sends the code once more, because a gateway ends the session of a code that
// comes twice. If the code had not arrived before, and the session is still wanted, that is the session.
func (s *Server) settle(ctx context.Context, form url.Values, unknown error) (Session, error) {
	again, stop := context.WithTimeoutCause(context.WithoutCancel(ctx), endTime, errEndTime)
	defer stop()
	session, err := s.redeem(keys.WithSingleAttempt(again, true), context.WithoutCancel(ctx), form)
	failed := unknown
	if ctx.Err() != nil && !errors.Is(unknown, context.Cause(ctx)) {
		cause := context.Cause(ctx)
		failed = errtext.Chain(fmt.Sprintf("%v; the last answer was: %s", cause, errtext.Unprefixed(unknown)), cause, unknown)
	}
	switch {
	case err == nil && ctx.Err() == nil:
		return session, nil
	case err == nil:
		return Session{}, s.Abandon(ctx, session, failed)
	case codeOf(err) != "":
		return Session{}, failed
	case isUnknown(err):
		return Session{}, errtext.Chain(fmt.Sprintf("%v; a session may have begun all the same: look for it on %s, and end it there", failed, PageOf(s.URL)), failed)
	}
	return Session{}, err
}

// outlasting returns a context that ends a while after ctx. end must be called.
func (s *Server) outlasting(ctx context.Context) (longer context.Context, end func()) {
	longer, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case <-longer.Done():
			return
		case <-ctx.Done():
		}
		s.log.Warn("chaim: a session may have begun, so the answer is waited for, to end it", "gateway", s.URL, "longest", graceTime)
		timer := time.NewTimer(graceTime)
		defer timer.Stop()
		select {
		case <-longer.Done():
		case <-timer.C:
			cancel(context.Cause(ctx))
		}
	})
	return longer, func() {
		cancel(nil)
		watching.Wait()
	}
}

// Abandon ends a session that cannot be used because of err, also if ctx has ended. The error is err, and says what became of
// the session.
func (s *Server) Abandon(ctx context.Context, session Session, err error) error {
	ctx, stop := context.WithTimeoutCause(keys.WithSingleAttempt(context.WithoutCancel(ctx), false), endTime, errEndTime)
	defer stop()
	if endErr := s.Revoke(ctx, session.Token); endErr != nil {
		return errtext.Chain(fmt.Sprintf("%v; the new session %s, because: %s", err, LivesOn(s.URL, session.Expires), errtext.Unprefixed(endErr)), err, endErr)
	}
	return errtext.Chain(fmt.Sprintf("%v; so the new session was ended again", err), err)
}

// Revoke ends a session. It is no error if the session has ended before.
//
// https://www.rfc-editor.org/rfc/rfc7009
func (s *Server) Revoke(ctx context.Context, token string) error {
	err := s.post(ctx, s.ends.Revoke, url.Values{"token": {token}, "token_type_hint": {"access_token"}, "client_id": {clientID}}, nil)
	if err != nil {
		return errtext.Wrap(err, "ending the session at %s", s.URL)
	}
	return nil
}

// RevokeLogin is Revoke for a token that another one has replaced in the credentials file. It leaves a token that was made by
// hand, as for an init string: the user has that elsewhere too. Only the gateway knows which is which.
func (s *Server) RevokeLogin(ctx context.Context, token string) error {
	ctx, stop := context.WithTimeoutCause(ctx, endTime, errEndTime)
	defer stop()
	var me struct {
		Token struct {
			Kind string `json:"kind"`
		} `json:"token"`
	}
	hasEnded := false
	err := httpx.Persist(ctx, s.log, s.URL, func(ctx context.Context) error {
		resp, body, err := s.send(ctx, http.MethodGet, s.URL+mePath, nil, token)
		if err != nil {
			return err
		}
		hasEnded = resp.StatusCode == http.StatusUnauthorized
		switch {
		case hasEnded:
			return nil
		case resp.StatusCode != http.StatusOK:
			return s.refusalIn(resp, body, []string{token})
		case json.Unmarshal(body, &me) != nil || me.Token.Kind == "":
			return httpx.Final{Text: "reply is not that of a chaim gateway but " + httpx.KindOfBody(resp, body)}
		}
		return nil
	})
	switch {
	case err != nil:
		return errtext.Wrap(err, "asking gateway %s whether 'chaim login' made the token", s.URL)
	case hasEnded || me.Token.Kind != "cli":
		return nil
	}
	return s.Revoke(ctx, token)
}

// PageOf is the page of a gateway that lists the sessions of a person, and ends them.
func PageOf(gateway string) string { return strings.TrimRight(gateway, "/") + "/keys" }

// LivesOn says of a session until when it lives, and where a person can end it. A zero time is not known.
func LivesOn(gateway string, expires time.Time) string {
	ends := ""
	if !expires.IsZero() {
		ends = " and ends " + humantime.Until(expires, time.Now())
	}
	return "lives on" + ends + " unless you end it on " + PageOf(gateway)
}
