package remote

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/chaim-go/chaim/internal/lazyregexp"
	"github.com/chaim-go/chaim/internal/pyrepr"
)

// Refusal is a gateway's error, or an answer that is not one of a chaim gateway.
type Refusal struct {
	StatusCode int
	Kind       string // the gateway's exception name, if any
	Message    string // fit to be shown
	IsFinal    bool   // asking again will not help
	RetryAfter time.Duration
}

// Error describes the refusal.
func (r *Refusal) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "chaim: gateway answered %d", r.StatusCode)
	for _, s := range []string{r.Kind, r.Message} {
		if s != "" {
			b.WriteString(": " + s)
		}
	}
	return b.String()
}

// parseReply classes a reply: the gateway's dict, its refusal, or what stands between it and us. Its words go through the
// redaction.
func parseReply(resp *http.Response, body []byte, words redaction) (pyrepr.Dict, error) {
	status := resp.StatusCode
	switch {
	case status >= 300 && status < 400:
		return nil, &Refusal{StatusCode: status, Message: "it redirects elsewhere, which would take the user token there; correct the gateway URL", IsFinal: true}
	case len(body) > maxReplySize:
		return nil, &Refusal{StatusCode: status, Message: fmt.Sprintf("reply is larger than %d bytes", maxReplySize), IsFinal: true}
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
		r := &Refusal{StatusCode: status, Message: "reply is not that of a chaim gateway but " + kindOfBody(resp, body)}
		if status == http.StatusTooManyRequests || status >= 500 { // which gateways, too, leave to what stands before them
			r.Message = http.StatusText(status) + ", in " + kindOfBody(resp, body)
		}
		r.RetryAfter, r.IsFinal = retryAfter(resp.Header), isFinalStatus(status)
		return nil, r
	}
	text := textOf(reply.Text)
	code := status
	if n, err := strconv.Atoi(strings.Trim(string(reply.StatusCode), `"`)); err == nil && status < 400 {
		code = n
	}
	if code >= 400 {
		r := &Refusal{StatusCode: code, RetryAfter: retryAfter(resp.Header), IsFinal: isFinalStatus(code)}
		if message, ok := reply.Message.(string); ok && text == "" {
			text = message
		}
		r.Kind, r.Message = exceptionKind(words.of(hideTokens(text)))
		return nil, r
	}
	if reply.ErrorType != "" {
		return nil, &Refusal{StatusCode: code, Kind: words.of(reply.ErrorType), Message: words.of(hideTokens(reply.ErrorMessage))}
	}
	if text == "" {
		return nil, badReply("reply has no text")
	}
	return parseText(text)
}

// userToken matches what gateways make users' tokens of, as a refusal may quote one that is not ours.
var userToken = lazyregexp.New(`(?i)\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b`)

func hideTokens(text string) string { return userToken().ReplaceAllLiteralString(text, hidden) }

// parseText reads the dict in a reply's text, whose keys must be strings and stand there once.
func parseText(text string) (pyrepr.Dict, error) {
	value, err := pyrepr.Parse(text)
	if _, isObject := value.(pyrepr.Object); err != nil || isObject {
		return nil, badReply("text of the reply is neither a Python literal nor JSON")
	}
	dict, ok := value.(pyrepr.Dict)
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

var exceptionName = lazyregexp.New(`^(?:Error )?([A-Z][a-z]*[A-Z][A-Za-z]*)$`)

// exceptionKind finds the innermost exception name in a text such as
// "doStart: Error CredentialsGenerationFail: buildCredentials error: IncorrectCredentials: usertoken has expired",
// and what follows it.
func exceptionKind(text string) (kind, message string) {
	message = text
	rest := text
	for {
		link, tail, ok := strings.Cut(rest, ": ")
		name := exceptionName().FindStringSubmatch(link)
		switch {
		case !ok:
			return kind, message
		case name != nil:
			kind, message = name[1], tail
		case strings.Contains(link, " ") && !strings.HasSuffix(link, " error"):
			return kind, message // a sentence, which may quote names
		}
		rest = tail
	}
}

// stringAt returns the string under a key, or "" where there is something else or nothing.
func stringAt(d pyrepr.Dict, key string) string {
	value, _ := d.Get(key)
	text, _ := value.(string)
	return text
}

// plainText is a text, which a database of the gateway's may have as bytes. None is an empty one.
func plainText(value any) (text string, isText bool) {
	switch value := value.(type) {
	case nil:
		return "", true
	case string:
		return value, true
	case []byte:
		return string(value), true
	}
	return "", false
}

// accountIDOf is an account id, which a gateway may have as a number, without its zeros in front. None is an empty one.
func accountIDOf(value any) (id string, isID bool) {
	if number, isNumber := value.(int64); isNumber {
		id = fmt.Sprintf("%012d", number)
		return id, IsAccountID(id)
	}
	id, isText := plainText(value)
	return id, isText && (id == "" || IsAccountID(id))
}

// sequence returns the items of a list or a tuple.
func sequence(v any) ([]any, bool) {
	switch v := v.(type) {
	case []any:
		return v, true
	case pyrepr.Tuple:
		return v, true
	}
	return nil, false
}

// badReply is a reply with the right status and the wrong content.
func badReply(message string) *Refusal { return &Refusal{StatusCode: http.StatusOK, Message: message} }
