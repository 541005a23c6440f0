// Package pyliteral reads Python literals, the way the repr of a dict, a list
// or a tuple writes them.
//
// The gateway answers with the repr of a Python dict inside a JSON string:
//
//	{'accountid': '123456789012', 'sectionname': "O'Brien", 'url': None}
//
// [Parse] reads such text without evaluating anything. It accepts what
// ast.literal_eval of CPython 3.11 accepts, and plain JSON. [Quote] writes a
// string the way repr does.
//
// # Values
//
// A dict or a JSON object is a [Dict], a list or a JSON array a []any, a tuple
// a [Tuple], a str a string, bytes a []byte. An int is an int64, or a
// [*big.Int] if it does not fit; a float is a float64, a complex a complex128.
// None and null are nil, True and true are true.
//
// [ParseRepr] also reads what stands for other objects, such as datetime.date(2018, 9, 5), as an [Object].
//
// # Differences from Python
//
// All of these are refused, although literal_eval accepts them:
//
//   - sets, set() and the ellipsis, which have no counterpart here
//   - more than 32 brackets open at once; parentheses around a single value
//     count as well
//   - strings holding a lone surrogate, which UTF-8 cannot represent. In Python
//     '\ud83d\ude00' is two of them; in JSON "\ud83d\ude00" is one character
//   - \N{…} escapes, which need a table of character names; repr writes none
//   - decimal numbers longer than 4,300 characters, underscores aside. CPython
//     has this limit for ints other than zero; here it covers floats too
//
// A dict keeps every item, repeated keys included.
//
// # Errors
//
// The text holds secrets, so an error says where reading stopped, as an offset
// in bytes, and why, in words that never depend on the text.
package pyliteral

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxDepth is how many brackets may be open at once.
const maxDepth = 32

// Dict is a Python dict or a JSON object: its items in the order of the text,
// repeated keys included.
type Dict []Item

// Item is one key of a [Dict] and its value.
type Item struct{ Key, Value any }

// Get returns the value of the last item whose key is the string key, as
// Python does, and whether there is one.
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

// Parse reads text, one Python literal or one JSON document, and returns its
// value. As in literal_eval, spaces before the literal, comments, blank lines,
// and a tuple without parentheses are fine. Strings without escapes share the
// memory of text.
func Parse(text string) (any, error) {
	p := parser{text: text}
	return p.parse()
}

// ParseRepr is Parse for a repr that may hold other objects than literals, such as those that a database gives for a date or
// a decimal. Where they stand as a name with arguments in parentheses, each is an [Object], and nothing is called.
func ParseRepr(text string) (any, error) {
	p := parser{text: text, objects: true}
	return p.parse()
}

// parse reads the whole text.
func (p *parser) parse() (any, error) {
	text := p.text
	if !utf8.ValidString(text) {
		for i, r := range text {
			if _, n := utf8.DecodeRuneInString(text[i:]); r == utf8.RuneError && n == 1 {
				return nil, p.fail(i, notUTF8)
			}
		}
	}
	if i := strings.IndexByte(text, 0); i >= 0 {
		return nil, p.fail(i, nulByte)
	}

	// JSON goes first, and never takes a repr for something else: a text that is
	// both has the same value in both, except for \/ and surrogate pairs, and
	// repr doubles a backslash and writes a pair for no string that we accept.
	p.json = json.Valid([]byte(text))

	if err := p.begin(); err != nil {
		return nil, err
	}
	v, err := p.top()
	if err != nil {
		return nil, err
	}
	if err := p.end(); err != nil {
		return nil, err
	}
	return v, nil
}

// Quote returns s as the repr of a Python 3 str: in single quotes, or in double
// quotes if s holds only single ones, with what is not printable escaped. What
// is printable depends on the version of Unicode, here that of Go. Bytes that
// are not UTF-8 become U+FFFD.
func Quote(s string) string {
	quote := '\''
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = '"'
	}
	var b strings.Builder
	b.Grow(len(s) + 2)
	b.WriteRune(quote)
	for _, r := range s {
		switch {
		case r == quote || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r <= 0xff:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	b.WriteRune(quote)
	return b.String()
}

// fault is why a text is refused. It is a type of its own so that no error can
// be made from a piece of the text.
type fault string

const (
	badChar       fault = "unexpected character"
	badEnd        fault = "unexpected end of text"
	badEscape     fault = "invalid escape"
	badIndent     fault = "unexpected indent"
	badNumber     fault = "invalid number"
	bytesNonASCII fault = "bytes with a character outside ASCII"
	bytesNextStr  fault = "bytes next to a str"
	leadingZero   fault = "int with a leading zero"
	longNumber    fault = "number too long"
	loneSurrogate fault = "lone surrogate"
	namedEscape   fault = "escape by character name"
	notComplex    fault = "arithmetic"
	notUTF8       fault = "text is not UTF-8"
	nulByte       fault = "NUL character"
	overflow      fault = "int too large for a complex"
	tooDeep       fault = "too many open brackets"
	unclosed      fault = "unterminated string"
	unhashable    fault = "unhashable dict key"
)

// parser reads text from offset i on.
type parser struct {
	text  string
	i     int
	depth int  // brackets open
	json  bool // text is a JSON document

	objects bool // are read as well as literals
}

func (p *parser) fail(at int, why fault) error {
	return fmt.Errorf("pyliteral: offset %d: %s", at, why)
}

// unexpected refuses the token at p.i.
func (p *parser) unexpected() error {
	if p.i >= len(p.text) {
		return p.fail(p.i, badEnd)
	}
	return p.fail(p.i, badChar)
}

// at returns the byte at offset i, or 0, which no text holds, past the end.
func (p *parser) at(i int) byte {
	if i < len(p.text) {
		return p.text[i]
	}
	return 0
}

// form tells apart what arithmetic may use: literal_eval allows a sign only
// before a number, and a sum only of a number, signed or not, and an imaginary.
type form int

const (
	other  form = iota
	number      // 1
	signed      // -1
)

// top reads the value of the whole text, which may be a tuple without
// parentheses.
func (p *parser) top() (any, error) {
	v, _, err := p.value()
	if err != nil || p.peek() != ',' {
		return v, err
	}
	t := Tuple{v}
	for p.peek() == ',' {
		p.i++
		if c := p.peek(); c == 0 || p.newline(p.i) > 0 {
			break
		}
		v, _, err := p.value()
		if err != nil {
			return nil, err
		}
		t = append(t, v)
	}
	return t, nil
}

// value reads one value and, if it is a number, what is added to it.
func (p *parser) value() (any, form, error) {
	left, f, err := p.operand()
	if err != nil {
		return nil, other, err
	}
	op := p.peek()
	if op != '+' && op != '-' {
		return left, f, nil
	}
	at := p.i
	p.i++
	if f == other {
		return nil, other, p.fail(at, notComplex)
	}
	p.peek()
	right, g, err := p.atom()
	if err != nil {
		return nil, other, err
	}
	im, ok := right.(complex128)
	if !ok || g != number {
		return nil, other, p.fail(at, notComplex)
	}
	re, ok := toFloat(left)
	if !ok {
		return nil, other, p.fail(at, notComplex)
	}
	if _, float := left.(float64); !float && math.IsInf(re, 0) {
		return nil, other, p.fail(at, overflow)
	}
	// The zeros matter for the sign of a zero: Python adds two complex numbers.
	if op == '+' {
		return complex(re+0, 0+imag(im)), other, nil
	}
	return complex(re-0, 0-imag(im)), other, nil
}

// operand reads one value, with a sign if it is a number.
func (p *parser) operand() (any, form, error) {
	sign := p.peek()
	if sign != '+' && sign != '-' {
		return p.atom()
	}
	at := p.i
	p.i++
	p.peek()
	v, f, err := p.atom()
	if err != nil {
		return nil, other, err
	}
	if f != number {
		return nil, other, p.fail(at, notComplex)
	}
	if sign == '-' {
		v = negate(v)
	}
	return v, signed, nil
}

// atom reads the value at p.i, without arithmetic outside of brackets.
func (p *parser) atom() (any, form, error) {
	switch c := p.at(p.i); {
	case c == '(':
		return p.parens()
	case c == '[':
		items, _, _, err := p.items(']')
		return items, other, err
	case c == '{':
		d, err := p.dict()
		return d, other, err
	case isDigit(c) || c == '.' && isDigit(p.at(p.i+1)):
		v, err := p.number()
		return v, number, err
	}
	if _, ok := p.opening(); ok {
		v, err := p.strings()
		return v, other, err
	}
	if n := p.name(); p.objects && !p.json && p.at(p.i+n) == '(' {
		p.i += n
		return Object{}, other, p.arguments()
	}
	for _, n := range names {
		if n.json == p.json && strings.HasPrefix(p.text[p.i:], n.name) {
			p.i += len(n.name)
			return n.value, other, nil
		}
	}
	return nil, other, p.unexpected()
}

// names need no check for what follows: no token may, that starts as a name.
var names = []struct {
	json  bool
	name  string
	value any
}{
	{false, "None", nil},
	{false, "True", true},
	{false, "False", false},
	{true, "null", nil},
	{true, "true", true},
	{true, "false", false},
}

// open skips an opening bracket.
func (p *parser) open() error {
	if p.depth++; p.depth > maxDepth {
		return p.fail(p.i, tooDeep)
	}
	p.i++
	return nil
}

// close skips a closing bracket.
func (p *parser) close() {
	p.depth--
	p.i++
}

// parens reads a tuple or a value in parentheses. What is in them keeps its
// form: -(1) is a signed number.
func (p *parser) parens() (any, form, error) {
	items, f, comma, err := p.items(')')
	if err != nil {
		return nil, other, err
	}
	if len(items) == 1 && !comma {
		return items[0], f, nil
	}
	return Tuple(items), other, nil
}

// items reads a bracket and the values up to the one that closes it. It returns
// the form of the last one too, and whether there was a comma.
func (p *parser) items(end byte) (items []any, f form, comma bool, err error) {
	if err := p.open(); err != nil {
		return nil, other, false, err
	}
	items = []any{}
	for p.peek() != end {
		var v any
		if v, f, err = p.value(); err != nil {
			return nil, other, false, err
		}
		items = append(items, v)
		if p.peek() != ',' {
			break
		}
		comma = true
		p.i++
	}
	if p.peek() != end {
		return nil, other, false, p.unexpected()
	}
	p.close()
	return items, f, comma, nil
}

// dict reads a dict.
func (p *parser) dict() (Dict, error) {
	if err := p.open(); err != nil {
		return nil, err
	}
	d := Dict{}
	for p.peek() != '}' {
		at := p.i
		k, _, err := p.value()
		if err != nil {
			return nil, err
		}
		if !hashable(k) {
			return nil, p.fail(at, unhashable)
		}
		if p.peek() != ':' {
			return nil, p.unexpected()
		}
		p.i++
		v, _, err := p.value()
		if err != nil {
			return nil, err
		}
		d = append(d, Item{k, v})
		if p.peek() != ',' {
			break
		}
		p.i++
	}
	if p.peek() != '}' {
		return nil, p.unexpected()
	}
	p.close()
	return d, nil
}

// hashable reports whether Python takes v as the key of a dict.
func hashable(v any) bool {
	switch v := v.(type) {
	case Dict, []any:
		return false
	case Tuple:
		for _, item := range v {
			if !hashable(item) {
				return false
			}
		}
	}
	return true
}
