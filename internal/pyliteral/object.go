package pyliteral

// Object stands for a Python object that is no literal, such as Decimal('1'). What it was is not kept.
type Object struct{}

// name returns the length of the dotted name of ASCII letters at p.i, or 0.
func (p *parser) name() int {
	n := 0
	for c := p.at(p.i); c == '_' || 'a' <= c|0x20 && c|0x20 <= 'z' || n > 0 && (isDigit(c) || c == '.'); c = p.at(p.i + n) {
		n++
	}
	return n
}

// arguments skips those of an object, with their parentheses. Each may have a name before it, and be a name alone.
func (p *parser) arguments() error {
	if err := p.open(); err != nil {
		return err
	}
	for p.peek() != ')' {
		if err := p.argument(); err != nil {
			return err
		}
		if p.peek() != ',' {
			break
		}
		p.i++
	}
	if p.peek() != ')' {
		return p.unexpected()
	}
	p.close()
	return nil
}

func (p *parser) argument() error {
	if n := p.name(); p.at(p.i+n) == '=' && n > 0 { // as in tzinfo=datetime.timezone.utc
		p.i += n + 1
		p.peek()
	}
	if n := p.name(); n > 0 && (p.at(p.i+n) == ',' || p.at(p.i+n) == ')') {
		p.i += n
		return nil
	}
	_, _, err := p.value()
	return err
}
