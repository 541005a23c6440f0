package pyrepr

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// parseJSON reads a JSON document.
func parseJSON(text string) (any, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	r := reader{d, text}
	return r.value(0)
}

type reader struct {
	*json.Decoder
	text string
}

func (r reader) value(depth int) (any, error) {
	start := r.InputOffset()
	token, err := r.Token()
	if err != nil {
		return nil, fmt.Errorf("pyrepr: offset %d: not JSON", r.InputOffset()) // the decoder's error would quote the text
	}
	switch token := token.(type) {
	case string:
		if strings.Count(token, replacement) > replacements(r.text[start:r.InputOffset()]) {
			return nil, fmt.Errorf("pyrepr: offset %d: lone surrogate", r.InputOffset())
		}
	case json.Number:
		p := &parser{text: strings.ToLower(token.String())}
		return p.number()
	case json.Delim:
		if depth == maxDepth {
			return nil, fmt.Errorf("pyrepr: offset %d: too many open brackets", r.InputOffset())
		}
		if token == '[' {
			return r.array(depth)
		}
		return r.object(depth)
	}
	return token, nil
}

const replacement = string(utf8.RuneError)

// replacements counts how often a text has U+FFFD. The decoder also replaces a lone surrogate by it.
func replacements(text string) int {
	return strings.Count(text, replacement) + strings.Count(strings.ToLower(text), `\ufffd`)
}

func (r reader) array(depth int) (any, error) {
	items := []any{}
	for r.More() {
		v, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		items = append(items, v)
	}
	_, err := r.Token()
	return items, err
}

func (r reader) object(depth int) (any, error) {
	d := Dict{}
	for r.More() {
		key, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		value, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		d = append(d, Item{key, value})
	}
	_, err := r.Token()
	return d, err
}
