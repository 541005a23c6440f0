// Package gatewayapi asks a gateway over its JSON API, and checks everything in its replies.
package gatewayapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/gateway"
	"github.com/chaim-go/chaim/internal/httpx"
	"github.com/chaim-go/chaim/internal/humantime"
	"github.com/chaim-go/chaim/internal/keys"
)

// apiPath is below the URL of a gateway.
const apiPath = "api/v1/"

// Client asks one gateway as one user. All fields must be given, except for Expires. It prints without the token. Any number
// of goroutines may use it.
type Client struct {
	URL             string // ends in a slash
	Username, Token string
	Expires         time.Time // of the token; zero means unknown
	HTTP            *http.Client
	Log             *slog.Logger
}

var _ gateway.Asker = (*Client)(nil)

// Format prints the URL and the user, whatever the verb.
func (c *Client) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "gatewayapi.Client{URL:%q Username:%q}", c.URL, c.Username)
}

// question is one request. Its secrets must be in no error.
type question struct {
	method, path string
	body         any      // nil for none
	secrets      []string // of the body
	names        []string // that this machine gave, which may look like secrets but are none
}

// what names the question in errors, without its query, which the gateway may have made.
func (q question) what() string {
	path, _, _ := strings.Cut(q.path, "?")
	return path
}

// answer is the answer to a question. It may hold keys, and must not be printed.
type answer struct {
	sent time.Time // when the request was sent
	date time.Time // the Date header; zero without one
	text []byte    // JSON
}

// call asks, and reads the answer into into. It repeats failures that may pass, unless ctx asks for a single attempt, but no
// refusals. A token that has ended is not sent.
func (c *Client) call(ctx context.Context, q question, into any) (a answer, err error) {
	if now := time.Now(); !c.Expires.IsZero() && !now.Before(c.Expires) {
		return a, c.signedOut("the session ended "+humantime.Until(c.Expires, now), nil)
	}
	err = httpx.Persist(ctx, c.Log, c.URL, func(ctx context.Context) error {
		a, err = c.attempt(ctx, q)
		return err
	})
	switch {
	case err != nil && ctx.Err() != nil:
		return a, c.asking(err)
	case err != nil:
		return a, err
	case json.Unmarshal(a.text, into) != nil: // whose error could quote the reply
		return a, badReply("reply is JSON, but not that of a chaim gateway to " + q.what())
	}
	return a, nil
}

func (c *Client) attempt(ctx context.Context, q question) (a answer, err error) {
	req, err := c.request(ctx, q)
	if err != nil {
		return a, c.asking(err)
	}
	a.sent = time.Now()
	resp, body, err := httpx.Exchange(ctx, c.HTTP, req, append(q.secrets, c.Token)...)
	if err != nil {
		return a, c.asking(err)
	}
	a.date, _ = http.ParseTime(resp.Header.Get("Date"))
	words := httpx.Redaction{Limit: httpx.MaxText, Secrets: append(q.secrets, c.Token), Local: append(q.names, c.Username)}
	if err := c.refusalIn(resp, body, words); err != nil {
		return a, err
	}
	switch {
	case !json.Valid(body):
		return a, badReply("reply is not that of a chaim gateway with protocol v1 but " + httpx.KindOfBody(resp, body))
	case repeats(body, words):
		return a, finalReply("reply to " + q.what() + " repeats the user token or other secrets of the request, so nothing of it is used")
	}
	a.text = body
	return a, nil
}

func (c *Client) request(ctx context.Context, q question) (*http.Request, error) {
	var body io.Reader
	if q.body != nil {
		text, err := json.Marshal(q.body)
		if err != nil {
			return nil, fmt.Errorf("chaim: the question to %s cannot be written as JSON", q.path)
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, q.method, c.URL+apiPath+q.path, body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json, application/problem+json")
	req.Header.Set("Authorization", "Bearer "+c.Token)
	req.Header.Set("User-Agent", httpx.UserAgent)
	return req, nil
}

func (c *Client) asking(err error) error { return errtext.Wrap(err, "asking gateway %s", c.URL) }

func (c *Client) signedOut(why string, cause error) error {
	return &gateway.SignedOutError{Endpoint: c.URL, Why: why, Cause: cause}
}

// CheckToken asks who the token belongs to. It must be the user of the settings.
func (c *Client) CheckToken(ctx context.Context) error {
	var me struct {
		User string `json:"user"`
	}
	if _, err := c.call(ctx, question{method: http.MethodGet, path: "me"}, &me); err != nil {
		return err
	}
	if me.User != c.Username {
		return finalReply(fmt.Sprintf("the token is that of user %s, not of %s", c.quoted(me.User), keys.QuoteShort(c.Username)))
	}
	return nil
}
