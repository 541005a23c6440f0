package chaimtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Request is the record of a request. It never holds a token, a secret key, a signature, an external ID, an MFA code or a
// session policy.
type Request struct {
	Time time.Time // arrival, by the server's clock

	// Action is "Keys", "List" or "ConsoleLink" at the gateway, the requested action at STS, such as "AssumeRole" or
	// "GetCallerIdentity", "GetSigninToken" at the federation endpoint, and "CreateOAuth2Token" at AWS Sign-In. At the
	// Identity Center and at Organizations it is the operation, such as "ListAccounts", or the page, "Authorize" or "Device".
	// It is empty if the URL has no such service.
	Action string

	// Account and Role are the requested ones: at the gateway in the client's words, at STS the account id and role name of
	// the role's ARN. At the gateway an empty role is "rro". At the federation endpoint there are none.
	Account, Role string

	// Duration is the requested lifetime, after the gateway's rules for numbers; zero means that the request has none. At
	// the federation endpoint it is the lifetime of the console session.
	Duration time.Duration

	// Parameters are those of AssumeRole and GetSessionToken as the client sent them, by their names in the request, such as
	// "RoleSessionName" or "Tags.member.1.Key". The value of ExternalId, TokenCode and Policy is "***". Unknown parameters are
	// left out.
	Parameters map[string]string

	// User is the chaim user in the request, or at STS and the federation endpoint the user for whom the verified keys were
	// issued.
	User string

	Host       string // host, and port if any, of the request's URL
	UserAgent  string // the field "useragent" at the gateway, or else the header
	StatusCode int    // HTTP status of the answer; zero until it is sent
	Error      string // why the request was refused: text or "code: message"; "injected fault" for a Fault
}

// Requests returns the requests so far, in order of arrival.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Request, len(s.traffic.requests))
	for i, r := range s.traffic.requests {
		list[i] = *r
		list[i].Parameters = maps.Clone(r.Parameters)
	}
	return list
}

// Reset forgets the requests so far. It changes nothing else.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.traffic.requests = nil
}

// exchange is one request and its answer. As a ResponseWriter it records the status before the client can read it.
type exchange struct {
	http.ResponseWriter
	s        *Server
	r        *http.Request
	body     []byte
	form     url.Values
	tooLarge bool // body and form are incomplete
	answered bool
	rec      *Request // in Server.traffic, guarded by Server.mu
}

// exchangeKey is the context key of a request's exchange.
type exchangeKey struct{}

// Unwrap serves http.NewResponseController.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

func (x *exchange) WriteHeader(code int) {
	if !x.answered && code >= 200 {
		x.answered = true
		x.note(func(r *Request) { r.StatusCode = code })
	}
	x.ResponseWriter.WriteHeader(code)
}

func (x *exchange) Write(p []byte) (int, error) {
	if !x.answered {
		x.WriteHeader(http.StatusOK)
	}
	return x.ResponseWriter.Write(p)
}

// note changes the record.
func (x *exchange) note(change func(*Request)) {
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	change(x.rec)
}

func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	_, tooLarge := errors.AsType[*http.MaxBytesError](err)
	if err != nil && !tooLarge {
		panic(http.ErrAbortHandler) // the client left
	}
	r.Body = io.NopCloser(bytes.NewReader(body)) // a Fault may read it
	x := &exchange{
		ResponseWriter: w, s: s, body: body, tooLarge: tooLarge,
		rec: &Request{Host: r.Host, UserAgent: r.UserAgent()},
	}
	r = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x))
	x.r = r
	if !tooLarge {
		x.describe()
	}
	fault, latency := s.arrive(x.rec)
	if !s.pause(r, latency) {
		panic(http.ErrAbortHandler)
	}

	w.Header().Set("Date", s.Now().UTC().Format(http.TimeFormat))
	w.Header().Set("X-Amzn-Requestid", newUUID())
	if fault != nil {
		fault(x, r)
	} else {
		x.answer()
	}
	if !x.answered {
		x.WriteHeader(http.StatusOK)
	}
}

// answer answers a request without a fault.
func (x *exchange) answer() {
	switch {
	case x.tooLarge:
		x.note(func(r *Request) { r.Error = "request too large" })
		writeMessage(x, http.StatusRequestEntityTooLarge, "Request Too Long")
	case isOrganizations(x.r):
		x.organizations()
	case isSTS(x.r):
		x.sts()
	case isFederation(x.r):
		x.federation()
	case isOIDC(x.r):
		x.oidc()
	case isPortal(x.r):
		x.portal()
	case isLogin(x.r):
		x.login()
	default:
		x.gateway()
	}
}

// describe parses the form and fills the record, which is not shared yet.
func (x *exchange) describe() {
	sts, federation := isSTS(x.r), isFederation(x.r)
	query := string(x.body)
	if (sts || federation) && x.r.Method == http.MethodGet {
		query = x.r.URL.RawQuery
	}
	x.form, _ = url.ParseQuery(query) // fields that cannot be parsed are missing, and refused for that

	rec := x.rec
	if isOrganizations(x.r) {
		rec.Action = strings.TrimPrefix(x.r.Header.Get("X-Amz-Target"), organizationsTarget)
		return
	}
	if rec.Action = ssoAction(x.r); rec.Action != "" {
		rec.Account, rec.Role = x.r.URL.Query().Get("account_id"), x.r.URL.Query().Get("role_name")
		return
	}
	if isLogin(x.r) {
		rec.Action = "CreateOAuth2Token"
		return
	}
	if federation {
		if x.form.Get("Action") == getSigninToken {
			rec.Action = "GetSigninToken"
		}
		rec.Duration = seconds(x.form.Get(sessionDuration))
		return
	}
	if sts {
		rec.Action = x.form.Get("Action")
		rec.Duration = seconds(x.form.Get("DurationSeconds"))
		if _, account, role, ok := parseRoleARN(x.form.Get("RoleArn")); ok {
			rec.Account, rec.Role = account, role
		}
		if rec.Action == "AssumeRole" || rec.Action == "GetSessionToken" {
			rec.Parameters = recorded(x.form)
		}
		return
	}
	x.describeGateway()
}

// describeGateway is describe for a request to the gateway.
func (x *exchange) describeGateway() {
	rec := x.rec
	if agent := x.form.Get("useragent"); agent != "" {
		rec.UserAgent = agent
	}
	switch gatewayResource(x.r) {
	case resourceKeys:
		rec.User = x.form.Get("user_name")
		text := x.form.Get("text")
		ask, _ := parseOriginal(text)
		isOriginal := x.s.original() != nil
		switch {
		case isOriginal && ask.isList || !isOriginal && strings.TrimSpace(text) == listCommand:
			rec.Action = "List"
		case isOriginal:
			rec.Action = "Keys"
			rec.Account, rec.Role, rec.Duration = ask.account, ask.role, ask.duration
		default:
			rec.Action = "Keys"
			rec.Account, rec.Role, rec.Duration = parseAsk(text)
		}
	case resourceLink:
		rec.Action = "ConsoleLink"
		rec.User, rec.Account = x.form.Get("username"), x.form.Get("account")
		rec.Duration = seconds(x.form.Get("duration"))
	}
}

// arrive records a request, and returns its fault, if any, and its latency.
func (s *Server) arrive(rec *Request) (Fault, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rec.Time = s.world.now()
	t := &s.traffic
	t.requests = append(t.requests, rec)
	if len(t.faults) == 0 {
		return nil, t.latency
	}
	next := &t.faults[0]
	fault := next.fault
	if next.n > 0 {
		if next.n--; next.n == 0 {
			t.faults = slices.Delete(t.faults, 0, 1)
		}
	}
	if fault != nil {
		rec.Error = "injected fault"
	}
	return fault, t.latency
}

// pause waits for d. It returns false if the client left or the server closes.
func (s *Server) pause(r *http.Request, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}
