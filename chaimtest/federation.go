package chaimtest

import (
	"encoding/json"
	"errors"
	"html"
	"net/http"
	"strconv"
	"strings"
)

const (
	federationPath  = "/federation"
	getSigninToken  = "getSigninToken"
	sessionDuration = "SessionDuration"
)

// isFederation reports whether a request is for the endpoint that exchanges keys for a sign-in token.
func isFederation(r *http.Request) bool {
	return r.URL.Path == federationPath && (strings.HasPrefix(r.Host, "signin.") || strings.Contains(r.Host, ".signin."))
}

// federation answers as the federation endpoint of AWS does.
func (x *exchange) federation() {
	token, user, err := x.signIn()
	if err != nil {
		x.note(func(r *Request) { r.Error = err.Error() })
		writePage(x, http.StatusBadRequest, err.Error())
		return
	}
	x.note(func(r *Request) { r.User = user })
	writeJSON(x, http.StatusOK, struct{ SigninToken string }{token})
}

// signIn returns a sign-in token for keys that the server has issued, and their user.
func (x *exchange) signIn() (token, user string, err error) {
	if m := x.r.Method; m != http.MethodPost && m != http.MethodGet {
		return "", "", errors.New("method not allowed")
	}
	var session struct {
		ID    string `json:"sessionId"`
		Key   string `json:"sessionKey"`
		Token string `json:"sessionToken"`
	}
	if x.form.Get("Action") != getSigninToken || json.Unmarshal([]byte(x.form.Get("Session")), &session) != nil {
		return "", "", errors.New("malformed request")
	}
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	k := x.s.world.keys[session.ID]
	switch {
	case k == nil || k.token == "" || !equal(k.secret, session.Key) || !equal(k.token, session.Token):
		return "", "", errors.New("the credentials are not valid temporary credentials")
	case !x.s.world.now().Before(k.expires):
		return "", "", errors.New("the credentials have expired")
	case k.role == "":
		return "", "", errors.New("the credentials are of a user's session, not of a role")
	case !x.form.Has(sessionDuration):
	case k.chained:
		return "", "", errors.New("SessionDuration cannot be used with credentials obtained by role chaining")
	default:
		if n, err := strconv.Atoi(x.form.Get(sessionDuration)); err != nil || n < minSession || n > maxSession {
			return "", "", errors.New("SessionDuration is not a number of seconds from 900 to 43200")
		}
	}
	return newSecret(240), k.user, nil
}

// writePage answers with an HTML page, as the sign-in host does except for tokens.
func writePage(w http.ResponseWriter, status int, text string) {
	page := "<!DOCTYPE html>\n<html><head><title>Error</title></head><body><p>" + html.EscapeString(text) + "</p></body></html>\n"
	write(w, status, "text/html; charset=utf-8", page)
}
