package pyliteral

// newline returns the length of the line ending at offset i, or 0.
func (p *parser) newline(i int) int {
	switch {
	case p.at(i) == '\n':
		return 1
	case p.at(i) != '\r':
		return 0
	case p.at(i+1) == '\n':
		return 2
	}
	return 1
}

// continuation returns the length of the backslash and line ending at offset i
// that join two lines, or 0. Python wants something after them.
func (p *parser) continuation(i int) int {
	if n := p.newline(i + 1); p.at(i) == '\\' && n > 0 && i+1+n < len(p.text) {
		return 1 + n
	}
	return 0
}

// comment skips a comment, if there is one, up to its line ending.
func (p *parser) comment() {
	if p.at(p.i) == '#' {
		for p.i < len(p.text) && p.newline(p.i) == 0 {
			p.i++
		}
	}
}

// peek skips what may stand between two tokens and returns the first byte of
// the next one, or 0 at the end. Outside brackets a line ending is a token.
func (p *parser) peek() byte {
	for {
		p.comment()
		c := p.at(p.i)
		switch {
		case c == ' ' || c == '\t' || c == '\f':
			p.i++
		case p.continuation(p.i) > 0:
			p.i += p.continuation(p.i)
		case p.newline(p.i) > 0 && (p.depth > 0 || p.json):
			p.i += p.newline(p.i)
		default:
			return c
		}
	}
}

// begin skips what may stand before the value.
func (p *parser) begin() error {
	if p.json {
		return nil
	}
	for p.at(p.i) == ' ' || p.at(p.i) == '\t' {
		p.i++
	}
	return p.blank()
}

// end checks that nothing follows the value.
func (p *parser) end() error {
	p.peek()
	if n := p.newline(p.i); n > 0 {
		p.i += n
		if err := p.blank(); err != nil {
			return err
		}
	}
	if p.i < len(p.text) {
		return p.unexpected()
	}
	return nil
}

// blank skips the blank lines that start at p.i, and the indent of the line
// after them, which has to be empty. It measures as CPython does: a form feed
// resets the indent, and that of joined lines is that of the first one indented.
func (p *parser) blank() error {
	for {
		col, first := 0, 0
	indent:
		for {
			switch c := p.at(p.i); {
			case c == ' ' || c == '\t':
				col++
				p.i++
			case c == '\f':
				col = 0
				p.i++
			case p.continuation(p.i) > 0:
				if first == 0 {
					first = col
				}
				p.i += p.continuation(p.i)
			default:
				break indent
			}
		}
		commented := p.at(p.i) == '#'
		p.comment()
		switch n := p.newline(p.i); {
		case n > 0:
			p.i += n
		case commented:
			return nil
		case col > 0 || first > 0:
			return p.fail(p.i, badIndent)
		default:
			return nil
		}
	}
}
