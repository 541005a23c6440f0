package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/chaim-go/chaim/internal/httpx"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/lazyregexp"
	"github.com/chaim-go/chaim/internal/pyrepr"
)

// parseReply returns the dict in a gateway's reply, or an error: the gateway's refusal, or the reply of a proxy or another
// server. words redacts the texts of the reply.
func parseReply(resp *http.Response, body []byte, words httpx.Redaction) (pyrepr.Dict, error) {
	status := resp.StatusCode
	switch {
	case status >= 300 && status < 400:
		return nil, &httpx.Refusal{StatusCode: status, Message: "it redirects elsewhere, which would take the user token there; correct the gateway URL", Final: true}
	case len(body) > httpx.MaxReplySize:
		return nil, &httpx.Refusal{StatusCode: status, Message: fmt.Sprintf("reply is larger than %d bytes", httpx.MaxReplySize), Final: true}
	}

	// The fields of a chaim gateway, of API Gateway ("message") and of a crashed Lambda ("errorType").
	var reply struct {
		StatusCode   json.RawMessage `json:"statusCode"`
		Text         json.RawMessage `json:"text"`
		Message      any             `json:"message"`
		ErrorType    string          `json:"errorType"`
		ErrorMessage string          `json:"errorMessage"`
	}
	if err := json.Unmarshal(body, &reply); err != nil {
		r := &httpx.Refusal{StatusCode: status, Message: "reply is not that of a chaim gateway but " + httpx.KindOfBody(resp, body)}
		if status == http.StatusTooManyRequests || status >= 500 { // may come from a proxy in front of a real gateway
			r.Message = http.StatusText(status) + ", in " + httpx.KindOfBody(resp, body)
		}
		r.Pause, r.Final = httpx.PauseIn(resp.Header), httpx.IsFinalStatus(status)
		return nil, r
	}
	text := textOf(reply.Text)
	code := status
	if n, err := strconv.Atoi(strings.Trim(string(reply.StatusCode), `"`)); err == nil && status < 400 {
		code = n
	}
	if code >= 400 {
		r := &httpx.Refusal{StatusCode: code, Pause: httpx.PauseIn(resp.Header), Final: httpx.IsFinalStatus(code)}
		if message, ok := reply.Message.(string); ok && text == "" {
			text = message
		}
		r.Kind, r.Message = exceptionKind(words.Of(hideTokens(text)))
		return nil, r
	}
	if reply.ErrorType != "" {
		return nil, &httpx.Refusal{StatusCode: code, Kind: words.Of(reply.ErrorType), Message: words.Of(hideTokens(reply.ErrorMessage))}
	}
	if text == "" {
		return nil, badReply("reply has no text")
	}
	return parseText(text)
}

// userToken matches the tokens that gateways give to users. A refusal may quote another user's token.
var userToken = lazyregexp.New(`(?i)\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b`)

func hideTokens(text string) string { return userToken().ReplaceAllLiteralString(text, httpx.Hidden) }

// parseText parses the dict in a reply's text. Its keys must be strings, each once.
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

// textOf returns the text of a reply: a string, or the raw JSON if the gateway does not quote it.
func textOf(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	return string(raw)
}

var exceptionName = lazyregexp.New(`^(?:Error )?([A-Z][a-z]*[A-Z][A-Za-z]*)$`)

// exceptionKind returns the innermost exception name in a text such as
// "doStart: Error CredentialsGenerationFail: buildCredentials error: IncorrectCredentials: usertoken has expired",
// and the text after it.
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
			return kind, message // a sentence, which may quote account names
		}
		rest = tail
	}
}

// stringAt returns the string under a key, or "".
func stringAt(d pyrepr.Dict, key string) string {
	value, _ := d.Get(key)
	text, _ := value.(string)
	return text
}

// plainText returns a value as text. The gateway's database may give it as bytes. None is an empty text.
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

// accountIDOf returns a value as an account id, which may be a number without its leading zeros. None is an empty id.
func accountIDOf(value any) (id string, isID bool) {
	if number, isNumber := value.(int64); isNumber {
		id = fmt.Sprintf("%012d", number)
		return id, keys.IsAccountID(id)
	}
	id, isText := plainText(value)
	return id, isText && (id == "" || keys.IsAccountID(id))
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

// badReply is the error of a reply that a gateway would not send.
func badReply(message string) *httpx.Refusal {
	return &httpx.Refusal{StatusCode: http.StatusOK, Message: message}
}
