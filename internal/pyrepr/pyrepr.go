// Package pyrepr reads the text that repr of Python 3 writes for plain values, and JSON. It evaluates nothing. A chaim
// gateway answers with the repr of a dict inside a JSON string:
//
//	{'accountid': '123456789012', 'sectionname': "O'Brien", 'url': None}
//
// A dict or a JSON object is a [Dict], a list or a JSON array a []any, a tuple a [Tuple], a str a string, bytes a []byte,
// an int an int64 or, where it does not fit, a [*big.Int], and a float a float64. None and null are nil. Another object,
// such as datetime.date(2018, 9, 5), is an [Object]. A str with a lone surrogate is refused, as UTF-8 has none.
//
// The text may hold secrets. So an error gives only the offset in bytes where reading stopped, and a reason whose words
// never depend on the text.
package pyrepr

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/chaim-go/chaim/internal/lazyregexp"
)

const (
	maxDepth  = 32   // of brackets
	maxNumber = 4300 // digits; the limit of CPython
)

// Dict holds the items of a Python dict or a JSON object in the order of the text, repeated keys included.
type Dict []Item

// Item is one key of a [Dict] and its value.
type Item struct{ Key, Value any }

// Get returns the value of the last item with that key, as Python does, and whether there is one.
func (d Dict) Get(key string) (any, bool) {
	for i := len(d) - 1; i >= 0; i-- {
		if k, ok := d[i].Key.(string); ok && k == key {
			return d[i].Value, true
		}
	}
	return nil, false
}

// Tuple is a Python tuple.
type Tuple []any

// Object stands for any other Python object. Its content is not kept.
type Object struct{}

// Parse reads one repr or one JSON document.
func Parse(text string) (any, error) {
	p := &parser{text: text}
	switch {
	case !utf8.ValidString(text):
		return nil, p.fail("text is not UTF-8")
	case json.Valid([]byte(text)):
		return parseJSON(text)
	}
	v, err := p.value()
	if p.next(); err == nil && p.i < len(text) {
		err = p.fail("unexpected character")
	}
	if err != nil {
		return nil, err
	}
	return v, nil
}

// parser reads text from offset i on.
type parser struct {
	text  string
	i     int
	depth int // brackets that are open
}

// fail is an error at p.i. why is one of this package's own texts.
func (p *parser) fail(why string) error { return fmt.Errorf("pyrepr: offset %d: %s", p.i, why) }

// next skips blanks, and returns the byte at p.i; 0 at the end.
func (p *parser) next() byte {
	for p.i < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.i]) >= 0 {
		p.i++
	}
	if p.i == len(p.text) {
		return 0
	}
	return p.text[p.i]
}

var (
	stringStart = lazyregexp.New(`^[bu]?['"]`)
	numberRule  = lazyregexp.New(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?(e[+-]?[0-9]+)?`)
	octalRule   = lazyregexp.New(`^[0-7]{1,3}`)
	nameRule    = lazyregexp.New(`^[A-Za-z_][A-Za-z0-9_.]*`)
)

var names = map[string]any{"None": nil, "True": true, "False": false}

func (p *parser) value() (any, error) {
	c := p.next()
	rest := p.text[p.i:]
	switch {
	case c == '(':
		items, hasComma, err := p.items(')')
		if err == nil && len(items) == 1 && !hasComma {
			err = p.fail("a tuple of one without a comma")
		}
		return Tuple(items), err
	case c == '[':
		items, _, err := p.items(']')
		return items, err
	case c == '{':
		return p.dict()
	case stringStart().MatchString(rest):
		return p.str()
	case c == '-' || '0' <= c && c <= '9':
		return p.number()
	}
	name := nameRule().FindString(rest)
	v, isValue := names[name]
	switch {
	case strings.HasPrefix(rest[len(name):], "(") && name != "":
		p.i += len(name)
		return Object{}, p.arguments()
	case !isValue:
		return nil, p.fail("unexpected character")
	}
	p.i += len(name)
	return v, nil
}

func (p *parser) number() (any, error) {
	text := numberRule().FindString(p.text[p.i:])
	if text == "" || len(text) > maxNumber {
		return nil, p.fail("not a number")
	}
	p.i += len(text)
	if strings.ContainsAny(text, ".e") {
		f, _ := strconv.ParseFloat(text, 64) // too large a number is infinite, as in Python
		return f, nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, nil
	}
	n, _ := new(big.Int).SetString(text, 10) // text is digits
	return n, nil
}

// each skips an opening bracket, calls read for each item up to the closing bracket, and skips that. It reports whether
// there was a comma.
func (p *parser) each(end byte, read func() error) (hasComma bool, err error) {
	if p.depth++; p.depth > maxDepth {
		return false, p.fail("too many open brackets")
	}
	p.i++
	for p.next() != end {
		if err := read(); err != nil {
			return false, err
		}
		if p.next() != ',' {
			break
		}
		hasComma = true
		p.i++
	}
	if p.next() != end {
		return false, p.fail("unexpected character or end")
	}
	p.depth--
	p.i++
	return hasComma, nil
}

func (p *parser) items(end byte) (items []any, hasComma bool, err error) {
	items = []any{}
	hasComma, err = p.each(end, func() error {
		v, err := p.value()
		items = append(items, v)
		return err
	})
	return items, hasComma, err
}

// isHashable reports whether Python allows a value as a key.
func isHashable(v any) bool {
	switch v := v.(type) {
	case []any, Dict:
		return false
	case Tuple:
		for _, item := range v {
			if !isHashable(item) {
				return false
			}
		}
	}
	return true
}

func (p *parser) dict() (Dict, error) {
	d := Dict{}
	_, err := p.each('}', func() error {
		key, err := p.value()
		if err != nil {
			return err
		}
		switch {
		case p.next() != ':':
			return p.fail("no colon behind a key")
		case !isHashable(key):
			return p.fail("a list or dict as a key")
		}
		p.i++
		value, err := p.value()
		d = append(d, Item{key, value})
		return err
	})
	return d, err
}

// arguments skips the arguments of an object. Each may have a name, and may be a name itself, as in
// tzinfo=datetime.timezone.utc.
func (p *parser) arguments() error {
	_, err := p.each(')', func() error {
		p.next()
		name := nameRule().FindString(p.text[p.i:])
		if name != "" && strings.HasPrefix(p.text[p.i+len(name):], "=") {
			p.i += len(name) + 1
			name = nameRule().FindString(p.text[p.i:])
		}
		behind := p.text[p.i+len(name):]
		if name != "" && (strings.HasPrefix(behind, ",") || strings.HasPrefix(behind, ")")) {
			p.i += len(name)
			return nil
		}
		_, err := p.value()
		return err
	})
	return err
}

// simpleEscapes are the escapes of one character. repr writes five of them; people write the others.
var simpleEscapes = map[byte]byte{
	'\\': '\\', '\'': '\'', '"': '"', 'n': '\n', 'r': '\r', 't': '\t', 'a': '\a', 'b': '\b', 'f': '\f', 'v': '\v',
}

// hexEscapes tells how many digits follow.
var hexEscapes = map[byte]int{'x': 2, 'u': 4, 'U': 8}

// str reads a str or bytes.
func (p *parser) str() (any, error) {
	isBytes := p.text[p.i] == 'b'
	if isBytes || p.text[p.i] == 'u' {
		p.i++
	}
	quote := p.text[p.i]
	p.i++
	var out bytes.Buffer
	for {
		n := strings.IndexAny(p.text[p.i:], string(quote)+"\\\n")
		if n < 0 {
			return nil, p.fail("unterminated string")
		}
		part := p.text[p.i : p.i+n]
		if strings.ContainsAny(part, "\r\x00") || isBytes && strings.IndexFunc(part, func(r rune) bool { return r >= utf8.RuneSelf }) >= 0 {
			return nil, p.fail("a character that repr writes otherwise")
		}
		out.WriteString(part)
		p.i += n
		switch p.text[p.i] {
		case quote:
			p.i++
			if isBytes {
				return out.Bytes(), nil
			}
			return out.String(), nil
		case '\n':
			return nil, p.fail("unterminated string")
		}
		if err := p.escape(&out, isBytes); err != nil {
			return nil, err
		}
	}
}

// escape reads the escape at p.i.
func (p *parser) escape(out *bytes.Buffer, isBytes bool) error {
	text := p.text[p.i+1:]
	if text == "" {
		return p.fail("unterminated string")
	}
	if c, isSimple := simpleEscapes[text[0]]; isSimple {
		p.i += 2
		out.WriteByte(c)
		return nil
	}
	base, skip, digits := 16, 1, hexEscapes[text[0]]
	if octal := octalRule().FindString(text); octal != "" {
		base, skip, digits = 8, 0, len(octal)
	}
	if digits == 0 || len(text) < skip+digits || isBytes && digits > 3 {
		return p.fail("invalid escape")
	}
	v, err := strconv.ParseUint(text[skip:skip+digits], base, 32)
	if err != nil {
		return p.fail("invalid escape")
	}
	switch {
	case isBytes:
		out.WriteByte(byte(v))
	case v > utf8.MaxRune || !utf8.ValidRune(rune(v)):
		return p.fail("lone surrogate or no character")
	default:
		out.WriteRune(rune(v))
	}
	p.i += 1 + skip + digits
	return nil
}
