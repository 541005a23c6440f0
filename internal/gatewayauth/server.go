// Package gatewayauth signs a person in to a gateway, which is the authorization server of the command chaim.
package gatewayauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/gateway"
	"github.com/chaim-go/chaim/internal/httpx"
	"github.com/chaim-go/chaim/internal/lazyregexp"
)

// metadataPath is below the URL of a gateway.
//
// https://www.rfc-editor.org/rfc/rfc8414
const metadataPath = "/.well-known/oauth-authorization-server"

// clientID is that of the command chaim at every gateway.
const clientID = "chaim-cli"

// Server is the authorization server of a gateway. Any number of goroutines may use it.
type Server struct {
	URL  string // of the gateway, without a slash at its end
	http *http.Client
	log  *slog.Logger
	ends endpoints
}

// endpoints are the URLs in a server's metadata.
type endpoints struct {
	Authorize string `json:"authorization_endpoint"`
	Token     string `json:"token_endpoint"`
	Device    string `json:"device_authorization_endpoint"` // empty if the gateway allows no sign-in by a device
	Revoke    string `json:"revocation_endpoint"`
}

// NotGatewayError means that a server answered, but is no chaim gateway at which a person can sign in.
type NotGatewayError struct{ URL, Why string }

// Error says what the server answered.
func (e *NotGatewayError) Error() string {
	return fmt.Sprintf("chaim: %s is no chaim gateway at which a person can sign in: %s", e.URL, e.Why)
}

// Find asks the server at a URL, https or http on a loopback address, whether it is a gateway. The error is a
// [*NotGatewayError] if it is not, which a failure that may pass does not tell. A gateway whose metadata name another server
// is an error too.
func Find(ctx context.Context, address string, client *http.Client, log *slog.Logger) (*Server, error) {
	const where = "the command line"
	checked, err := gateway.CheckURL(address, where, true)
	if err != nil {
		return nil, err
	}
	if u, err := url.Parse(checked); err != nil || u.Scheme == "http" && !httpx.IsLoopback(u) { // no flag accepts it
		return nil, fmt.Errorf("chaim: gateway URL in %s is plain http to %q: the user token would be readable on the way; use https, or a loopback address such as 127.0.0.1", where, u.Host)
	}
	s := &Server{URL: strings.TrimRight(checked, "/"), http: client, log: log}
	var resp *http.Response
	var body []byte
	err = httpx.Persist(ctx, log, s.URL, func(ctx context.Context) (err error) {
		resp, body, err = s.send(ctx, http.MethodGet, s.URL+metadataPath, nil, "")
		if err == nil && resp.StatusCode >= 400 && !httpx.IsFinalStatus(resp.StatusCode) { // as of a proxy while the gateway starts
			return s.refusalIn(resp, body, nil)
		}
		return err
	})
	if err != nil {
		return nil, s.asking(err)
	}
	return s, s.read(resp, body)
}

// read takes the endpoints from the metadata.
func (s *Server) read(resp *http.Response, body []byte) error {
	var metadata struct {
		Issuer  string   `json:"issuer"`
		Methods []string `json:"code_challenge_methods_supported"`
		endpoints
	}
	switch {
	case resp.StatusCode != http.StatusOK:
		return &NotGatewayError{s.URL, fmt.Sprintf("it answered %d to %s", resp.StatusCode, metadataPath)}
	case len(body) > httpx.MaxReplySize || json.Unmarshal(body, &metadata) != nil || metadata.Issuer == "":
		return &NotGatewayError{s.URL, "it answered with " + httpx.KindOfBody(resp, body)}
	case metadata.Issuer != s.URL:
		return fmt.Errorf("chaim: the gateway at %s says that its URL is %s: give that one if you trust it", s.URL, quoted(metadata.Issuer))
	case !slices.Contains(metadata.Methods, "S256"):
		return fmt.Errorf("chaim: the gateway at %s takes no PKCE challenge of the method S256, without which chaim signs in nowhere", s.URL)
	}
	for name, end := range map[string]string{
		"authorization": metadata.Authorize, "token": metadata.Token, "revocation": metadata.Revoke, "device authorization": metadata.Device,
	} {
		if isOptional := name == "device authorization" && end == ""; !isOptional && !s.isOwn(end) {
			return fmt.Errorf("chaim: the gateway at %s names another server as its %s endpoint: %s", s.URL, name, quoted(end))
		}
	}
	s.ends = metadata.endpoints
	return nil
}

// isOwn reports whether an address is at the origin of the gateway. A code and a token must go nowhere else.
func (s *Server) isOwn(address string) bool {
	own, err := url.Parse(s.URL)
	end, endErr := url.Parse(address)
	isOdd := strings.ContainsFunc(address, func(r rune) bool { return r <= 0x20 || r > 0x7e || r == '\\' })
	return err == nil && endErr == nil && !isOdd && end.Scheme == own.Scheme && end.Host == own.Host && end.User == nil && end.Fragment == ""
}

// refusedError is an error of the OAuth protocol.
type refusedError struct {
	code, about string
}

func (e *refusedError) Error() string {
	if e.about == "" {
		return "chaim: the gateway answered " + e.code
	}
	return "chaim: the gateway answered " + e.code + ": " + e.about
}

// IsFinal is true: the gateway has decided.
func (e *refusedError) IsFinal() bool { return true }

// codeOf returns the code of an OAuth error in err, or "".
func codeOf(err error) string {
	refused := (*refusedError)(nil)
	if errors.As(err, &refused) {
		return refused.code
	}
	return ""
}

var errorRule = lazyregexp.New(`^[a-z][a-z_]{0,39}$`)

// post sends a form, and reads the JSON answer into into, unless that is nil. It repeats failures that may pass. The values
// of the form are in no error.
func (s *Server) post(ctx context.Context, end string, form url.Values, into any) error {
	return httpx.Persist(ctx, s.log, s.URL, func(ctx context.Context) error {
		resp, body, err := s.send(ctx, http.MethodPost, end, form, "")
		if err != nil {
			return err
		}
		if resp.StatusCode != http.StatusOK {
			return s.refusalIn(resp, body, secretsIn(form))
		}
		if into != nil && json.Unmarshal(body, into) != nil { // whose error could quote the reply
			return httpx.Final{Text: "reply is not that of a chaim gateway but " + httpx.KindOfBody(resp, body)}
		}
		return nil
	})
}

func (s *Server) refusalIn(resp *http.Response, body []byte, secrets []string) error {
	var refused struct {
		Code  string `json:"error"`
		About string `json:"error_description"`
	}
	status := resp.StatusCode
	isOAuth := status >= 400 && status < 500 && status != http.StatusTooManyRequests
	if isOAuth && json.Unmarshal(body, &refused) == nil && errorRule().MatchString(refused.Code) {
		return &refusedError{refused.Code, httpx.Scrub(refused.About, httpx.MaxText, secrets...)}
	}
	return &httpx.Refusal{
		StatusCode: status, Message: http.StatusText(status) + ", in " + httpx.KindOfBody(resp, body),
		Final: httpx.IsFinalStatus(status) || status < 400, Pause: httpx.PauseIn(resp.Header),
	}
}

// send sends one request. A nil form is for none, and so is an empty bearer.
func (s *Server) send(ctx context.Context, method, address string, form url.Values, bearer string) (*http.Response, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, nil, err
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", httpx.UserAgent)
	return httpx.Exchange(ctx, s.http, req, append(secretsIn(form), bearer)...)
}

// secretsIn returns the values of a form that are secrets.
func secretsIn(form url.Values) (secrets []string) {
	for _, name := range []string{"code", "code_verifier", "device_code", "token"} {
		secrets = append(secrets, form[name]...)
	}
	return secrets
}

func (s *Server) asking(err error) error { return errtext.Wrap(err, "asking gateway %s", s.URL) }
