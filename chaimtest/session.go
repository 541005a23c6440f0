package chaimtest

import (
	"encoding/xml"
	"net/http"
	"time"
)

// Limits of GetSessionToken.
//
// https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html
const (
	maxUserSession     = 129600 // seconds
	defaultUserSession = 12 * time.Hour
)

type sessionTokenResponse struct {
	XMLName   xml.Name   `xml:"https://sts.amazonaws.com/doc/2011-06-15/ GetSessionTokenResponse"`
	Keys      issuedKeys `xml:"GetSessionTokenResult>Credentials"`
	RequestID string     `xml:"ResponseMetadata>RequestId"`
}

// issuedKeys are new temporary keys in a reply.
type issuedKeys struct {
	AccessKeyID  string `xml:"AccessKeyId"`
	SecretKey    string `xml:"SecretAccessKey"`
	SessionToken string `xml:"SessionToken"`
	Expiration   string `xml:"Expiration"`
}

// sessionToken issues temporary keys of an IAM user.
func (x *exchange) sessionToken(caller *key) (any, *stsError) {
	if caller.isTemporary() {
		return nil, stsRefusal(http.StatusForbidden, "AccessDenied", "Cannot call GetSessionToken with session credentials")
	}
	lifetime, err := parseSeconds(x.form.Get("DurationSeconds"), defaultUserSession, maxUserSession)
	if err != nil {
		return nil, err
	}
	s, w := x.s, x.s.world
	s.mu.Lock()
	defer s.mu.Unlock()
	hasMFA, err := w.checkMFA(x.form.Get("SerialNumber"), x.form.Get("TokenCode"), trust{}, caller)
	if err != nil {
		return nil, err
	}
	k := &key{
		account: caller.account, user: caller.user, expires: w.now().Add(w.granted(lifetime)).Truncate(time.Second),
		marks: marks{hasMFA: hasMFA},
	}
	id := w.issue(k)
	return &sessionTokenResponse{
		Keys:      issuedKeys{id, k.secret, k.token, k.expires.UTC().Format(time.RFC3339)},
		RequestID: newUUID(),
	}, nil
}

type webIdentityResponse struct {
	XMLName   xml.Name   `xml:"https://sts.amazonaws.com/doc/2011-06-15/ AssumeRoleWithWebIdentityResponse"`
	Arn       string     `xml:"AssumeRoleWithWebIdentityResult>AssumedRoleUser>Arn"`
	Keys      issuedKeys `xml:"AssumeRoleWithWebIdentityResult>Credentials"`
	RequestID string     `xml:"ResponseMetadata>RequestId"`
}

// assumeRoleWithWebIdentity issues keys of a role for any token but an empty one.
func (x *exchange) assumeRoleWithWebIdentity() (any, *stsError) {
	ask, err := parseAssumeRole(x.form, false)
	if err != nil {
		return nil, err
	}
	s, w := x.s, x.s.world
	s.mu.Lock()
	defer s.mu.Unlock()
	a := w.account(ask.account)
	switch {
	case x.form.Get("WebIdentityToken") == "":
		return nil, stsRefusal(http.StatusBadRequest, "InvalidIdentityToken", "The token is missing")
	case a == nil || a.id != ask.account || !w.has(a, ask.role):
		return nil, stsRefusal(http.StatusForbidden, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
	}
	k := &key{
		account: a.id, role: ask.role, session: ask.session, user: "web", partition: ask.partition,
		expires: w.now().Add(w.granted(ask.duration)).Truncate(time.Second), marks: marks{chained: true},
	}
	id := w.issue(k)
	return &webIdentityResponse{
		Arn: k.arn(), Keys: issuedKeys{id, k.secret, k.token, k.expires.UTC().Format(time.RFC3339)}, RequestID: newUUID(),
	}, nil
}
