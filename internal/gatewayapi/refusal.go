package gatewayapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/httpx"
	"github.com/chaim-go/chaim/internal/lazyregexp"
)

// problem is a refusal of the API.
//
// https://www.rfc-editor.org/rfc/rfc9457
type problem struct {
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Code   string `json:"code"`
	URL    string `json:"url"`
}

// errTooLarge means that a reply was larger than chaim reads.
var errTooLarge = errors.New("reply too large")

var codeRule = lazyregexp.New(`^[a-z][a-z_]{0,39}$`)

// refusalIn returns the error in a reply: the gateway's refusal, or the reply of a proxy or another server. words redacts
// the texts of the reply.
func (c *Client) refusalIn(resp *http.Response, body []byte, words httpx.Redaction) error {
	status := resp.StatusCode
	refusal := &httpx.Refusal{StatusCode: status, Final: httpx.IsFinalStatus(status), Pause: httpx.PauseIn(resp.Header)}
	switch {
	case status >= 300 && status < 400:
		refusal.Message, refusal.Final = "it redirects elsewhere, which would take the user token there; correct the gateway URL", true
		return refusal
	case len(body) > httpx.MaxReplySize:
		refusal.Message, refusal.Final = fmt.Sprintf("reply is larger than %d bytes", httpx.MaxReplySize), true
		return errtext.Chain(refusal.Error(), refusal, errTooLarge)
	case status >= 200 && status < 300:
		return nil
	}
	var p problem
	if json.Unmarshal(body, &p) != nil || !codeRule().MatchString(p.Code) {
		refusal.Message = "reply is not that of a chaim gateway with protocol v1 but " + httpx.KindOfBody(resp, body)
		if status == http.StatusTooManyRequests || status >= 500 { // may come from a proxy in front of a real gateway
			refusal.Message = http.StatusText(status) + ", in " + httpx.KindOfBody(resp, body)
		}
		return refusal
	}
	refusal.Kind, refusal.Message = p.Code, words.Of(p.Detail)
	if refusal.Message == "" {
		refusal.Message = words.Of(p.Title)
	}
	switch p.Code {
	case "refused_by_sts": // with the status of a gateway whose server fails, but AWS has decided
		refusal.Final = true
	case "expired_token":
		return c.signedOut("the session has ended", refusal)
	case "bad_token":
		return c.signedOut("the gateway does not accept the user token, which may have been revoked", refusal)
	}
	if page := c.ownPage(p.URL, words); page != "" {
		refusal.Message += "; see " + page
	}
	return refusal
}

// ownPage returns a URL if it is a page of the gateway that may be shown, or else "". A refusal must lead nowhere else.
func (c *Client) ownPage(text string, words httpx.Redaction) string {
	page, err := url.Parse(text)
	own, ownErr := url.Parse(c.URL)
	if err != nil || ownErr != nil || text == "" || page.User != nil || page.Scheme != own.Scheme || !strings.EqualFold(page.Host, own.Host) {
		return ""
	}
	if words.Of(text) != text { // too long, not printable, or with something that could be a secret
		return ""
	}
	return text
}

// quoted quotes a text of the gateway for an error. own are the names that this machine gave.
func (c *Client) quoted(text string, own ...string) string {
	const longest = 128
	return strconv.QuoteToASCII(httpx.Redaction{Limit: longest, Secrets: []string{c.Token}, Local: own}.Of(text))
}

// repeats reports whether a string anywhere in JSON has one of the secrets in it. The names in a reply are shown and stored.
func repeats(text []byte, words httpx.Redaction) bool {
	var all strings.Builder // a search in each string alone would be slow for a long list
	for d := json.NewDecoder(bytes.NewReader(text)); ; {
		token, err := d.Token()
		if err != nil { // at the end
			return words.Holds(all.String())
		}
		if s, isString := token.(string); isString {
			all.WriteString(s + "\n")
		}
	}
}

// finalReply is the error of a reply that another attempt cannot change.
func finalReply(message string) *httpx.Refusal {
	return &httpx.Refusal{StatusCode: http.StatusOK, Message: message, Final: true}
}

// badReply is the error of a reply that a gateway would not send.
func badReply(message string) *httpx.Refusal {
	return &httpx.Refusal{StatusCode: http.StatusOK, Message: message}
}
