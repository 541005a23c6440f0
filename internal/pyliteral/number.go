package pyliteral

import (
	"math/big"
	"math/bits"
	"strconv"
	"strings"
)

// maxDigits is CPython's limit for decimal ints, which take quadratic time. For
// floats it stays far below the exponents that strconv keeps exact.
const maxDigits = 4300

// number reads the number at p.i, which has no sign.
func (p *parser) number() (any, error) {
	if base := radix(p.at(p.i), p.at(p.i+1)); base != 0 {
		return p.radixInt(base)
	}
	start, float := p.i, false
	p.digits(10)
	if p.at(p.i) == '.' {
		float = true
		p.i++
		p.digits(10)
	}
	if c := p.at(p.i); c == 'e' || c == 'E' {
		n := 1
		if c := p.at(p.i + 1); c == '+' || c == '-' {
			n = 2
		}
		if isDigit(p.at(p.i + n)) {
			float = true
			p.i += n
			p.digits(10)
		}
	}
	text := strings.ReplaceAll(p.text[start:p.i], "_", "")
	if len(text) > maxDigits {
		return nil, p.fail(start, longNumber)
	}
	imaginary := p.at(p.i) == 'j' || p.at(p.i) == 'J'
	if imaginary {
		p.i++
	}
	if imaginary || float {
		// The only error is that text is out of range: an infinity, in Python too.
		f, _ := strconv.ParseFloat(text, 64)
		if imaginary {
			return complex(0, f), nil
		}
		return f, nil
	}
	if text[0] == '0' && strings.Trim(text, "0") != "" {
		return nil, p.fail(start, leadingZero)
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, nil
	}
	n, _ := new(big.Int).SetString(text, 10) // text is digits only
	return n, nil
}

// radix returns the base of an int that begins with zero and c, or 0.
func radix(zero, c byte) int {
	if zero == '0' {
		switch c {
		case 'x', 'X':
			return 16
		case 'o', 'O':
			return 8
		case 'b', 'B':
			return 2
		}
	}
	return 0
}

// radixInt reads an int with a prefix. Python sets no limit to its length, so
// the digits are packed into bytes, which takes linear time.
func (p *parser) radixInt(base int) (any, error) {
	start := p.i
	p.i += 2
	if p.at(p.i) == '_' {
		p.i++
	}
	first := p.i
	p.digits(base)
	if p.i == first {
		return nil, p.fail(start, badNumber)
	}
	text := p.text[first:p.i]
	width := bits.Len(uint(base)) - 1
	packed := make([]byte, len(text)*width/8+1)
	var acc, n uint
	last := len(packed) - 1
	for i := len(text) - 1; i >= 0; i-- {
		if text[i] == '_' {
			continue
		}
		acc |= uint(digit(text[i])) << n
		if n += uint(width); n >= 8 {
			packed[last] = byte(acc)
			last--
			acc >>= 8
			n -= 8
		}
	}
	if n > 0 {
		packed[last] = byte(acc)
	}
	return fit(new(big.Int).SetBytes(packed)), nil
}

// digits skips the digits of base at p.i, with single underscores between them.
func (p *parser) digits(base int) {
	for first := true; ; first = false {
		i := p.i
		if !first && p.at(i) == '_' {
			i++
		}
		if digit(p.at(i)) >= base {
			return
		}
		p.i = i + 1
	}
}

// digit returns the value of c as a digit of base 16 or less, or 16.
func digit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return 16
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// fit returns n as an int64 if it fits.
func fit(n *big.Int) any {
	if n.IsInt64() {
		return n.Int64()
	}
	return n
}

// toFloat returns the float of a real number, infinite for an int too large.
func toFloat(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case *big.Int:
		f, _ := v.Float64()
		return f, true
	case float64:
		return v, true
	}
	return 0, false
}

// negate returns -v for a number v.
func negate(v any) any {
	switch v := v.(type) {
	case int64:
		return -v
	case *big.Int:
		return fit(new(big.Int).Neg(v))
	case float64:
		return -v
	case complex128:
		return complex(-real(v), -imag(v))
	}
	return v
}
