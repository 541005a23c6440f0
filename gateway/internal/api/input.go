package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/issue"
)

const maxText = 256 // bytes of a parameter; cursors may be longer

func malformed(format string, args ...any) error {
	return &issue.Refusal{Code: issue.Malformed, Text: fmt.Sprintf(format, args...)}
}

// queryOf returns the parameters of a request. It refuses those that the operation does not take, so that a mistyped filter does
// not widen an answer. What it says holds no value, and only names that are known: either may be a secret.
func queryOf(r *http.Request, known []string) (url.Values, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, malformed("the query of the URL cannot be read")
	}
	for name, all := range values {
		switch {
		case !slices.Contains(known, name):
			return nil, malformed("the query of the URL has a parameter that this path does not take; it takes %s", listed(known))
		case len(all) > 1:
			return nil, malformed("the parameter %s is there more than once", name)
		case len(all[0]) > maxText && name != "cursor" || !utf8.ValidString(all[0]):
			return nil, malformed("the parameter %s is longer than %d bytes, or not UTF-8", name, maxText)
		}
	}
	return values, nil
}

func listed(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// input is the content of a body. Its secrets must be in no log.
type input struct{ secrets []string }

// read reads the body of a request into a struct of strings, numbers and booleans. It is strict: one JSON object, each field
// once and by its exact name.
func (c call) read(into any) error {
	kind, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return malformed("the body must be JSON, with the Content-Type application/json")
	}
	text, err := io.ReadAll(c.r.Body)
	if _, isTooLarge := errors.AsType[*http.MaxBytesError](err); isTooLarge {
		return malformed("the body is larger than %d bytes", maxBody)
	}
	if err != nil || !utf8.Valid(text) {
		return malformed("the body did not come in full, or is not UTF-8")
	}
	known := fieldsOf(into)
	if err := checkFields(text, known); err != nil {
		return err
	}
	if json.Unmarshal(text, into) != nil {
		return malformed("a field of the body has a value of another type than it must have; the fields are %s", listed(known))
	}
	return nil
}

// fieldsOf returns the names of the fields of a pointer to a struct in JSON.
func fieldsOf(of any) (names []string) {
	kind := reflect.TypeOf(of).Elem()
	for i := range kind.NumField() {
		name, _, _ := strings.Cut(kind.Field(i).Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

// checkFields checks that a text is one object whose fields are known and there once. The package encoding/json would take the
// last of several, and names in another case.
func checkFields(text []byte, known []string) error {
	notObject := malformed("the body must be one JSON object with the fields %s", listed(known))
	d := json.NewDecoder(bytes.NewReader(text))
	if first, err := d.Token(); err != nil || first != json.Delim('{') {
		return notObject
	}
	var seen []string
	for d.More() {
		key, err := d.Token()
		name, isName := key.(string)
		switch {
		case err != nil || !isName:
			return notObject
		case !slices.Contains(known, name):
			return malformed("the body has a field that this path does not take; it takes %s", listed(known))
		case slices.Contains(seen, name):
			return malformed("the body has the field %s more than once", name)
		}
		seen = append(seen, name)
		var value json.RawMessage
		if d.Decode(&value) != nil {
			return notObject
		}
	}
	if _, err := d.Token(); err != nil {
		return notObject
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return notObject
	}
	return nil
}

// limit returns how many entries a page should have; zero if the request does not say.
func (c call) limit() (int, error) {
	text := c.query.Get("limit")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, malformed("limit is a number from 1 on")
	}
	return n, nil
}

// time returns a parameter as a time; the zero time if the request does not have it.
func (c call) time(name string) (time.Time, error) {
	text := c.query.Get(name)
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, malformed("%s is a time such as 2026-12-01T14:00:00Z", name)
	}
	return t.UTC(), nil
}

// kind returns the parameter with the type of events.
func (c call) kind() audit.Type { return audit.Type(c.query.Get("type")) }

// seconds returns a lifetime, or zero if the request does not say one.
func seconds(n *int64, name string, least, most time.Duration) (time.Duration, error) {
	if n == nil {
		return 0, nil
	}
	if *n < int64(least/time.Second) || *n > int64(most/time.Second) {
		return 0, malformed("%s is a number from %d to %d", name, int64(least/time.Second), int64(most/time.Second))
	}
	return time.Duration(*n) * time.Second, nil
}
