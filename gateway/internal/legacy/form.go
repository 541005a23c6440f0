package legacy

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/chaim-go/chaim/internal/httpx"
)

const (
	formType = "application/x-www-form-urlencoded"

	maxFields  = 64
	maxField   = 2 << 10  // bytes
	maxSession = 16 << 10 // of a session token, for which AWS states no limit
	maxAgent   = 200

	tokenPrefix = "chm1_" // of a user token
)

// knownFields are the fields that are read. Clients send more, such as response_url and Slack ids: those are ignored.
var knownFields = []string{"text", "user_name", "token", "useragent", "accesskey", "secret", "session", "username"}

// form holds the known fields of a request.
type form map[string]string

func (f form) get(field string) string { return f[field] }

// readForm reads a form. It refuses what could be read in two ways.
func readForm(r *http.Request) (form, *answer) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != formType || len(r.Header["Content-Type"]) > 1 || r.Header.Get("Content-Encoding") != "" {
		a := message(http.StatusUnsupportedMediaType, "Unsupported Media Type")
		return nil, &a
	}
	body, err := io.ReadAll(r.Body)
	if _, isTooLarge := errors.AsType[*http.MaxBytesError](err); isTooLarge {
		a := message(http.StatusRequestEntityTooLarge, "Request Too Long")
		return nil, &a
	}
	if err != nil {
		a := message(http.StatusBadRequest, "Bad Request: the body did not come in full")
		return nil, &a
	}
	f, err := parseForm(string(body))
	if err != nil {
		a := message(http.StatusBadRequest, "Bad Request: "+err.Error())
		return nil, &a
	}
	return f, nil
}

// parseForm parses a body. Its errors hold no part of it.
func parseForm(body string) (form, error) {
	if strings.Count(body, "&") >= maxFields {
		return nil, fmt.Errorf("the form has more than %d fields", maxFields)
	}
	values, err := url.ParseQuery(body)
	if err != nil {
		return nil, errors.New("the body is not a form")
	}
	f := form{}
	for _, field := range knownFields {
		value, err := one(values[field], field)
		if err != nil {
			return nil, err
		}
		f[field] = value
	}
	return f, nil
}

// one returns the only value of a field; empty if there is none.
func one(values []string, field string) (string, error) {
	limit := maxField
	if field == "session" {
		limit = maxSession
	}
	switch {
	case len(values) == 0:
		return "", nil
	case len(values) > 1:
		return "", fmt.Errorf("the field %s is there more than once", field)
	case len(values[0]) > limit:
		return "", fmt.Errorf("the field %s is longer than %d bytes", field, limit)
	case !utf8.ValidString(values[0]):
		return "", fmt.Errorf("the field %s is not UTF-8", field)
	}
	value := strings.TrimSpace(values[0])
	if !slices.Contains([]string{"token", "useragent"}, field) && strings.Contains(strings.ToLower(value), tokenPrefix) {
		return "", fmt.Errorf("the field %s holds a user token, which belongs into the field token", field) // else the log would keep it
	}
	if strings.ContainsFunc(value, unicode.IsControl) {
		return "", fmt.Errorf("the field %s has control characters", field)
	}
	return value, nil
}

// secrets returns the secrets of a request.
func (f form) secrets() []string { return []string{f["token"], f["secret"], f["session"]} }

// agent returns the caller's program in its own words, without what could be a secret: the log keeps it.
func (f form) agent(r *http.Request) string {
	agent := f.get("useragent")
	if agent == "" {
		agent = r.UserAgent()
	}
	const ellipsis = 3
	return httpx.Redaction{Limit: maxAgent - ellipsis, Secrets: f.secrets()}.Of(agent)
}

// isPython reports whether the client is cca or the Python module, which cannot ask for a console link later. Both call
// themselves cca; the Go client is "chaim-go" and asks when it needs one.
func (f form) isPython() bool {
	name, _, _ := strings.Cut(strings.ToLower(f.get("useragent")), " ")
	return name == "cca" || name == "chaim"
}
