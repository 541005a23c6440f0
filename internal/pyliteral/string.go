package pyliteral

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// opening is how a string literal begins: its prefix and its quotes.
type opening struct {
	bytes, raw bool
	quotes     string // as in the text: one or three
	size       int
}

// opening returns how the string literal at p.i begins, if there is one.
func (p *parser) opening() (opening, bool) {
	var o opening
	unicode := false
prefix:
	for {
		switch p.at(p.i + o.size) {
		case 'b', 'B':
			if o.bytes || unicode {
				return o, false
			}
			o.bytes = true
		case 'r', 'R':
			if o.raw || unicode {
				return o, false
			}
			o.raw = true
		case 'u', 'U':
			if o.size > 0 {
				return o, false
			}
			unicode = true
		default:
			break prefix
		}
		o.size++
	}
	start := p.i + o.size
	q := p.at(start)
	if q != '\'' && q != '"' {
		return o, false
	}
	n := 1
	if p.at(start+1) == q && p.at(start+2) == q {
		n = 3
	}
	o.quotes = p.text[start : start+n]
	o.size += n
	return o, true
}

// strings reads the string literals from p.i on: Python joins those that follow
// each other. All of them have to be bytes, or none.
func (p *parser) strings() (any, error) {
	first, _ := p.opening()
	s, err := p.literal(first)
	if err != nil {
		return nil, err
	}
	var joined strings.Builder
	for {
		p.peek()
		o, ok := p.opening()
		if !ok {
			break
		}
		if o.bytes != first.bytes {
			return nil, p.fail(p.i, bytesNextStr)
		}
		next, err := p.literal(o)
		if err != nil {
			return nil, err
		}
		if joined.Len() == 0 {
			joined.WriteString(s)
		}
		joined.WriteString(next)
	}
	if joined.Len() > 0 {
		s = joined.String()
	}
	if first.bytes {
		return []byte(s), nil
	}
	return s, nil
}

// literal reads the string literal that begins at p.i with o. Without an escape
// the result is a piece of the text.
func (p *parser) literal(o opening) (string, error) {
	begin := p.i
	p.i += o.size
	var out []byte
	from := p.i // text not yet copied to out
	for p.i < len(p.text) {
		c := p.text[p.i]
		switch {
		case c == o.quotes[0] && strings.HasPrefix(p.text[p.i:], o.quotes):
			s := p.text[from:p.i]
			p.i += len(o.quotes)
			if out != nil {
				s = string(append(out, s...))
			}
			return s, nil
		case c == '\n' || c == '\r':
			if len(o.quotes) == 1 {
				return "", p.fail(begin, unclosed)
			}
			out = append(append(out, p.text[from:p.i]...), '\n')
			p.i += p.newline(p.i)
			from = p.i
		case c == '\\' && o.raw:
			// The backslash stays, and so does what it keeps from its meaning.
			p.i++
			if n := p.newline(p.i); n > 0 {
				out = append(append(out, p.text[from:p.i]...), '\n')
				p.i += n
				from = p.i
			} else if c := p.at(p.i); c == '\\' || c == '\'' || c == '"' {
				p.i++
			}
		case c == '\\':
			out = append(out, p.text[from:p.i]...)
			var err error
			if out, err = p.escape(out, o.bytes); err != nil {
				return "", err
			}
			from = p.i
		case c >= utf8.RuneSelf && o.bytes:
			return "", p.fail(p.i, bytesNonASCII)
		default:
			p.i++
		}
	}
	return "", p.fail(begin, unclosed)
}

// escape reads the escape at p.i and appends what it stands for to out.
func (p *parser) escape(out []byte, bytes bool) ([]byte, error) {
	at := p.i
	c := p.at(at + 1)
	p.i += 2
	switch c {
	case '\n':
		return out, nil
	case '\r':
		p.i = at + 1 + p.newline(at+1)
		return out, nil
	case '\\', '\'', '"':
		return append(out, c), nil
	case 'a':
		return append(out, '\a'), nil
	case 'b':
		return append(out, '\b'), nil
	case 'f':
		return append(out, '\f'), nil
	case 'n':
		return append(out, '\n'), nil
	case 'r':
		return append(out, '\r'), nil
	case 't':
		return append(out, '\t'), nil
	case 'v':
		return append(out, '\v'), nil
	case '0', '1', '2', '3', '4', '5', '6', '7':
		v := rune(c - '0')
		for n := 1; n < 3 && '0' <= p.at(p.i) && p.at(p.i) <= '7'; n++ {
			v = v<<3 | rune(p.at(p.i)-'0')
			p.i++
		}
		return appendChar(out, v, bytes), nil
	case 'x':
		v, ok := p.hex(2)
		if !ok {
			return nil, p.fail(at, badEscape)
		}
		return appendChar(out, v, bytes), nil
	}
	switch {
	case c == 'u' && !bytes:
		return p.unicode(out, at, 4)
	case c == 'U' && !bytes:
		return p.unicode(out, at, 8)
	case c == 'N' && !bytes:
		return nil, p.fail(at, namedEscape)
	case c == '/' && p.json:
		return append(out, c), nil
	}
	// Not an escape: the backslash stays, and the rest is read as usual.
	p.i = at + 1
	return append(out, '\\'), nil
}

// unicode reads the digits of the escape at offset at and appends the character.
func (p *parser) unicode(out []byte, at, digits int) ([]byte, error) {
	v, ok := p.hex(digits)
	if !ok || v < 0 || v > utf8.MaxRune {
		return nil, p.fail(at, badEscape)
	}
	if utf16.IsSurrogate(v) {
		// Only JSON writes a character as two surrogates.
		if !p.json || p.at(p.i) != '\\' || p.at(p.i+1) != 'u' {
			return nil, p.fail(at, loneSurrogate)
		}
		p.i += 2
		low, ok := p.hex(4)
		if v = utf16.DecodeRune(v, low); !ok || v == utf8.RuneError {
			return nil, p.fail(at, loneSurrogate)
		}
	}
	return utf8.AppendRune(out, v), nil
}

// hex reads n hexadecimal digits.
func (p *parser) hex(n int) (v rune, ok bool) {
	for range n {
		d := digit(p.at(p.i))
		if d >= 16 {
			return 0, false
		}
		v = v<<4 | rune(d)
		p.i++
	}
	return v, true
}

// appendChar appends the character v, or in bytes its low byte.
func appendChar(out []byte, v rune, bytes bool) []byte {
	if bytes {
		return append(out, byte(v))
	}
	return utf8.AppendRune(out, v)
}
