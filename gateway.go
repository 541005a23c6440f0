package chaim

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/pyliteral"
)

const (
	version = "0.1.0"

	connectTimeout = 3 * time.Second
	tlsTimeout     = 5 * time.Second
	// API Gateway may take 29 s to its first byte.
	// https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
	attemptTimeout = 35 * time.Second
	attempts       = 3
	retryBase      = 500 * time.Millisecond
	retryLimit     = 5 * time.Second
	maxRetryAfter  = 30 * time.Second // a longer pause is the caller's decision

	maxReplySize  = 1 << 20 // after inflating
	maxHeaderSize = 64 << 10
)

var errAttemptTimeout = fmt.Errorf("no complete reply within %s", attemptTimeout)

// gateway speaks to one chaim gateway.
type gateway struct {
	settings *Settings
	url      string // ends in a slash
	http     *http.Client
	owned    *http.Transport // ours to close, or nil
	log      *slog.Logger
}

func newGateway(s *Settings, where string, opts *Options) (*gateway, error) {
	endpoint, err := s.endpoint(where, opts.AllowInsecure)
	if err != nil {
		return nil, err
	}
	g := &gateway{settings: s, url: endpoint, log: opts.Logger}
	if _, err := s.endpoint(where, false); err != nil { // accepted only for AllowInsecure
		g.log.Warn("chaim: gateway is plain http, so anyone on the way can read the user token", "gateway", endpoint)
	}

	var client http.Client
	if opts.HTTPClient != nil {
		client = *opts.HTTPClient
	} else {
		if g.owned, err = newTransport(); err != nil {
			return nil, err
		}
		client.Transport = g.owned
	}
	client.CheckRedirect = refuseRedirect
	g.http = &client
	return g, nil
}

// refuseRedirect has the redirect taken for the reply. Go sends a form, and the token in it, again to wherever a 307 or
// 308 points.
func refuseRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func newTransport() (*http.Transport, error) {
	t := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: connectTimeout}).DialContext,
		TLSHandshakeTimeout:    tlsTimeout,
		MaxResponseHeaderBytes: maxHeaderSize,
		IdleConnTimeout:        90 * time.Second,
		ForceAttemptHTTP2:      true,
	}
	if bundle := os.Getenv("AWS_CA_BUNDLE"); bundle != "" {
		pem, err := os.ReadFile(bundle)
		if err != nil {
			return nil, errtext.Wrap(err, "reading AWS_CA_BUNDLE")
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("chaim: AWS_CA_BUNDLE %s holds no PEM certificate", bundle)
		}
		t.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	return t, nil
}

func (g *gateway) close() {
	if g.owned != nil {
		g.owned.CloseIdleConnections()
	}
}

// keys asks for credentials.
func (g *gateway) keys(ctx context.Context, account, role string, d time.Duration) (grant, error) {
	form := g.form(strings.Join([]string{account, role, durationText(d)}, ","))
	reply, err := g.call(ctx, "", form)
	if err != nil {
		return grant{}, err
	}
	keys, err := parseKeys(reply.Dict, account)
	if err != nil {
		return grant{}, err
	}
	keys.creds.Expires, err = expirationHere(keys.creds.Expires, reply.date, time.Now(), g.log)
	return keys, err
}

// accounts asks for the accounts that the gateway knows.
func (g *gateway) accounts(ctx context.Context) ([]Account, error) {
	reply, err := g.call(ctx, "", g.form("--list"))
	if err != nil {
		return nil, err
	}
	list, _ := reply.Get("accountlist")
	items, ok := sequence(list)
	if !ok {
		return nil, badReply("reply has no account list")
	}
	accounts := make([]Account, 0, len(items))
	for _, item := range items {
		fields, _ := sequence(item)
		if len(fields) != 2 {
			return nil, badReply("account list has an entry that is not a pair")
		}
		id, isID := fields[0].(string)
		name, isName := fields[1].(string)
		if !isID || !isName {
			return nil, badReply("account list has an entry that is not an id and a name")
		}
		accounts = append(accounts, Account{ID: id, Name: name})
	}
	return accounts, nil
}

// consoleURL asks for a signed-in console link.
func (g *gateway) consoleURL(ctx context.Context, creds AwsCreds, account string) (string, error) {
	form := url.Values{
		"accesskey": {creds.AccessKeyID},
		"secret":    {creds.SecretAccessKey},
		"session":   {creds.SessionToken},
		"duration":  {strconv.Itoa(int(time.Until(creds.Expires).Seconds()))},
		"username":  {g.settings.Username},
		"account":   {account},
		"useragent": {"chaim-go " + version},
	}
	reply, err := g.call(ctx, "gui", form, creds.SecretAccessKey, creds.SessionToken)
	if err != nil {
		return "", err
	}
	link := stringAt(reply.Dict, "url")
	if !isConsoleURL(link) {
		return "", badReply("reply has no https link")
	}
	return link, nil
}

func (g *gateway) form(text string) url.Values {
	form := url.Values{
		"text":         {text},
		"user_name":    {g.settings.Username},
		"token":        {g.settings.UserToken},
		"response_url": {"ignoreme"},
		"useragent":    {"chaim-go " + version},
	}
	if g.settings.SlackID != "" {
		form.Set("user_id", g.settings.SlackID)
	}
	if g.settings.WorkspaceID != "" {
		form.Set("team_id", g.settings.WorkspaceID)
	}
	return form
}

// gatewayReply is what a gateway answers with.
type gatewayReply struct {
	pyliteral.Dict
	date time.Time // by the gateway's clock; zero if it did not say
}

// call posts a form and returns the gateway's reply. What may pass is tried again, unless ctx asks for a single attempt;
// refusals are not. secrets are never in the error.
func (g *gateway) call(ctx context.Context, path string, form url.Values, secrets ...string) (gatewayReply, error) {
	secrets = append(secrets, g.settings.UserToken)
	for n := 0; ; n++ {
		r, err := g.attempt(ctx, path, form, secrets)
		if err == nil {
			return r, nil
		}
		if ctx.Err() != nil {
			return r, errtext.Wrap(context.Cause(ctx), "asking gateway %s", g.url)
		}
		var ge *GatewayError
		isReply := errors.As(err, &ge)
		if isReply && ge.retryAfter > maxRetryAfter || isFinal(err) || n+1 == attempts || isSingleAttempt(ctx) {
			return r, err
		}
		pause := equalJitter(retryBase, retryLimit, n, rand.Float64())
		if isReply {
			pause = max(pause, ge.retryAfter)
		}
		g.log.Info("chaim: gateway failed, will retry", "gateway", g.url, "pause", pause, "error", err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return r, errtext.Wrap(context.Cause(ctx), "asking gateway %s", g.url)
		}
	}
}

func (g *gateway) attempt(ctx context.Context, path string, form url.Values, secrets []string) (r gatewayReply, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, attemptTimeout, errAttemptTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		return r, errtext.Wrap(err, "asking gateway %s", g.url)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "chaim-go/"+version)

	resp, err := g.http.Do(req)
	if err != nil {
		return r, errtext.Wrap(networkError(ctx, err, g.settings.UserToken), "asking gateway %s", g.url)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReplySize+1))
	if err != nil {
		return r, errtext.Wrap(networkError(ctx, err, g.settings.UserToken), "asking gateway %s", g.url)
	}
	r.date, _ = http.ParseTime(resp.Header.Get("Date"))
	r.Dict, err = parseReply(resp, body, secrets)
	return r, err
}

// networkError names what went wrong on the way. Only errors that are known to tell of addresses, names and
// certificates are kept: others of net/http quote the peer's bytes, which may be keys or an echo of the token.
func networkError(ctx context.Context, err error, secrets ...string) error {
	var op *net.OpError
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case errors.As(err, &op):
		err = op
	case errors.As(err, &dns):
		err = dns
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return errUntrusted{scrub(err.Error(), maxForeignText, secrets...)}
	case errors.As(err, &timeout) && timeout.Timeout():
		err = errors.New("no complete reply came back in time")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		err = errors.New("it closed the connection")
	default:
		err = errors.New("no HTTP reply came back, from it or from the proxy")
	}
	return errtext.Chain(scrub(errtext.Unprefixed(err), maxForeignText, secrets...), err)
}

// errUntrusted is a TLS peer that could not be verified, which does not pass by itself. The library's own error would
// quote names of the peer's choice.
type errUntrusted struct{ text string }

func (e errUntrusted) Error() string { return e.text }

// isFinal reports whether asking again will not help.
func isFinal(err error) bool {
	var ge *GatewayError
	var reply interface{ HTTPStatusCode() int } // of STS, or of whatever service an SDK's provider asks
	switch {
	case errors.As(err, &ge):
		return ge.final
	case errors.As(err, &reply):
		return isFinalStatus(reply.HTTPStatusCode()) && retry.IsErrorThrottles(retry.DefaultThrottles).IsErrorThrottle(err) != aws.TrueTernary
	}
	return errors.As(err, new(errUntrusted)) || errors.As(err, new(*tls.CertificateVerificationError))
}

// pauseAskedFor is what the server that gave the error has asked for.
func pauseAskedFor(err error) time.Duration {
	var ge *GatewayError
	var refusal *stsError
	var reply *smithyhttp.ResponseError
	switch {
	case errors.As(err, &ge):
		return ge.retryAfter
	case errors.As(err, &refusal):
		return refusal.pause
	case errors.As(err, &reply) && reply.Response != nil:
		return retryAfter(reply.HTTPResponse().Header)
	}
	return 0
}

// parseReply classes a reply: the gateway's dict, its refusal, or what stands between it and us.
func parseReply(resp *http.Response, body []byte, secrets []string) (pyliteral.Dict, error) {
	status := resp.StatusCode
	switch {
	case status >= 300 && status < 400:
		return nil, &GatewayError{StatusCode: status, Message: "it redirects elsewhere, which would take the user token there; correct the gateway URL", final: true}
	case len(body) > maxReplySize:
		return nil, &GatewayError{StatusCode: status, Message: fmt.Sprintf("reply is larger than %d bytes", maxReplySize), final: true}
	}

	// The parts of all replies: a chaim gateway's, API Gateway's "message", a crashed Lambda's "errorType".
	var reply struct {
		StatusCode   json.RawMessage `json:"statusCode"`
		Text         json.RawMessage `json:"text"`
		Message      any             `json:"message"`
		ErrorType    string          `json:"errorType"`
		ErrorMessage string          `json:"errorMessage"`
	}
	if err := json.Unmarshal(body, &reply); err != nil {
		ge := &GatewayError{StatusCode: status, Message: "reply is not that of a chaim gateway but " + kindOfBody(resp, body)}
		ge.retryAfter, ge.final = retryAfter(resp.Header), isFinalStatus(status)
		return nil, ge
	}
	text := textOf(reply.Text)
	code := status
	if n, err := strconv.Atoi(strings.Trim(string(reply.StatusCode), `"`)); err == nil && status < 400 {
		code = n
	}
	if code >= 400 {
		ge := &GatewayError{StatusCode: code, retryAfter: retryAfter(resp.Header), final: isFinalStatus(code)}
		if message, ok := reply.Message.(string); ok && text == "" {
			text = message
		}
		ge.Kind, ge.Message = exceptionKind(scrub(text, maxForeignText, secrets...))
		return nil, ge
	}
	if reply.ErrorType != "" {
		return nil, &GatewayError{StatusCode: code, Kind: scrub(reply.ErrorType, maxForeignText, secrets...), Message: scrub(reply.ErrorMessage, maxForeignText, secrets...)}
	}
	if text == "" {
		return nil, badReply("reply has no text")
	}
	return parseText(text)
}

// parseText reads the dict in a reply's text, whose keys must be strings and stand there once.
func parseText(text string) (pyliteral.Dict, error) {
	value, err := pyliteral.Parse(text)
	if err != nil {
		return nil, badReply("text of the reply is neither a Python literal nor JSON")
	}
	dict, ok := value.(pyliteral.Dict)
	if !ok {
		return nil, badReply("text of the reply is not a dict")
	}
	seen := map[any]bool{}
	for _, item := range dict {
		key, ok := item.Key.(string)
		if !ok || seen[key] {
			return nil, badReply("text of the reply has repeated keys or keys that are not strings")
		}
		seen[key] = true
	}
	return dict, nil
}

// badReply is a reply with the right status and the wrong content.
func badReply(message string) *GatewayError {
	return &GatewayError{StatusCode: http.StatusOK, Message: message}
}

// isFinalStatus reports whether a status will still be the answer in a while.
func isFinalStatus(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return status >= 400 && status < 500
}

// textOf returns the text of a reply: a string, or the JSON itself from a gateway that does not quote it.
func textOf(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	return string(raw)
}

// kindOfBody describes a body without repeating any of it.
func kindOfBody(resp *http.Response, body []byte) string {
	kind := "something else"
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") || strings.HasPrefix(strings.TrimSpace(string(body)), "<") {
		kind = "an HTML page, perhaps a proxy's"
	}
	return fmt.Sprintf("%s (%d bytes)", kind, len(body))
}

// retryAfter reads the header of that name, in seconds or as a date (RFC 9110 section 10.2.3).
func retryAfter(h http.Header) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil && seconds >= 0 && seconds < 1<<20 {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

var accountIDRule = regexp.MustCompile(`^[0-9]{12}$`)

// parseKeys takes all of a set of keys out of a reply, or none of it.
func parseKeys(reply pyliteral.Dict, account string) (grant, error) {
	g := grant{creds: AwsCreds{
		AccessKeyID:     stringAt(reply, "accesskeyid"),
		SecretAccessKey: stringAt(reply, "secretkey"),
		SessionToken:    stringAt(reply, "sessiontoken"),
	}}
	if field := g.creds.malformed(); field != "" {
		return grant{}, badReply(field + " of the reply is missing or malformed")
	}
	value, _ := reply.Get("expires")
	unix, ok := unixSeconds(value)
	if !ok {
		return grant{}, badReply("expires of the reply is missing or is not a time in Unix seconds")
	}
	g.creds.Expires = time.Unix(unix, 0)

	// Keys for another account than the one asked for would send the work there.
	if id, _ := reply.Get("accountid"); id != nil && accountIDRule.MatchString(account) && id != account {
		return grant{}, badReply("reply has keys for another account")
	}
	g.account = account
	if name := stringAt(reply, "sectionname"); checkAccount(name) == nil {
		g.account = name
	}
	g.expiresStr = stringAt(reply, "expiresstr")
	if link := stringAt(reply, "url"); isConsoleURL(link) {
		g.url = link
	}
	return g, nil
}

// stringAt returns the string under a key, or "" where there is something else or nothing.
func stringAt(d pyliteral.Dict, key string) string {
	value, _ := d.Get(key)
	text, _ := value.(string)
	return text
}

// unixSeconds accepts the forms in which gateways send a time, between 1970 and the year 9999.
func unixSeconds(v any) (int64, bool) {
	const maxUnix = 253402300799
	var seconds float64
	switch v := v.(type) {
	case int64:
		return v, v > 0 && v <= maxUnix
	case float64:
		seconds = v
	case string:
		seconds, _ = strconv.ParseFloat(v, 64)
	}
	if seconds >= 1 && seconds <= maxUnix {
		return int64(seconds), true
	}
	return 0, false
}

// sequence returns the items of a list or a tuple.
func sequence(v any) ([]any, bool) {
	switch v := v.(type) {
	case []any:
		return v, true
	case pyliteral.Tuple:
		return v, true
	}
	return nil, false
}

func isConsoleURL(link string) bool {
	u, err := url.Parse(link)
	return err == nil && u.Scheme == "https" && u.Host != "" && !strings.ContainsFunc(link, func(r rune) bool { return r <= 0x20 || r > 0x7e })
}
