package inifile

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// changed returns a text after a change.
func changed(text []byte, change func(d *Document) error) ([]byte, error) {
	d := Parse(text)
	if err := change(d); err != nil {
		return nil, err
	}
	return d.Bytes(), nil
}

func set(text []byte, name string, pairs []Pair) ([]byte, error) {
	return changed(text, func(d *Document) error { return d.Set(name, pairs) })
}

func setKeys(text []byte, name string, pairs []Pair, owned func(string) bool) ([]byte, error) {
	return changed(text, func(d *Document) error { return d.SetKeys(name, pairs, owned) })
}

func remove(text []byte, name string) ([]byte, error) {
	return changed(text, func(d *Document) error { return d.Delete(name) })
}

// assertParsed checks that a document has the sections that Parse finds in its text.
func assertParsed(t *testing.T, d *Document) {
	t.Helper()
	type place struct {
		name       string
		start, end int
	}
	places := func(d *Document) (all []place) {
		for i := range d.sections {
			s := &d.sections[i]
			all = append(all, place{s.Name(), s.start, s.end})
		}
		return all
	}
	assert.Equal(t, places(Parse(d.text)), places(d))
}

// FuzzDocument changes a text many times, without parsing it again.
func FuzzDocument(f *testing.F) {
	f.Add([]byte("[a]\nk = v\n[p]\naccountname = x\n# c\n\n[b]\n"), []byte("\x00\x01\x02\x10\x11\x20"))
	f.Add([]byte("\ufeff[a]\r\nk = v"), []byte("\x00\x10\x01\x11\x02\x12"))
	f.Add([]byte("[p]\naccountname = x\n\ufeff[q]\naccountname = y\n# note\n"), []byte("\x10\x11"))
	f.Add([]byte("[p]\nx"), []byte("\x00\x10\x00\x01"))
	f.Fuzz(func(t *testing.T, text, moves []byte) {
		d := Parse(text)
		for _, move := range moves[:min(len(moves), 32)] {
			name := string("pqr"[move&3%3])
			before := d.Bytes()
			var err error
			switch move >> 4 & 3 {
			case 0:
				err = d.Set(name, testPairs)
			case 1:
				err = d.Delete(name)
			case 2:
				err = d.Set(name, keptPairs)
			case 3:
				err = d.SetKeys(name, []Pair{{"k", "v"}}, func(string) bool { return false })
			}
			if err != nil {
				assert.Equal(t, string(before), string(d.Bytes()), "an error changes nothing")
			}
			assertParsed(t, d)
		}
	})
}

// TestByteOrderMarkThatBecomesTheFirst has a byte order mark become the first of the text. Before, it was a part of a
// header, which it hid from some readers.
func TestByteOrderMarkThatBecomesTheFirst(t *testing.T) {
	d := Parse([]byte("[a]\naccountname = x\n\ufeff[c]\naccountname = y\n# note\n"))
	assertDeleted(t, d, "a", "\ufeff[c]\naccountname = y\n# note\n")
	assertDeleted(t, d, "c", "\ufeff# note\n")
}

func assertDeleted(t *testing.T, d *Document, name, want string) {
	t.Helper()
	assert.NoError(t, d.Delete(name))
	assert.Equal(t, want, string(d.Bytes()))
	assertParsed(t, d)
}

// TestEndingOfTheSection has a section whose line endings differ from that of the first line.
func TestEndingOfTheSection(t *testing.T) {
	d := Parse([]byte("# mine\r\n[x]\r\nk = v"))
	assert.NoError(t, d.Set("p", testPairs))
	text := bytes.Clone(d.Bytes())
	for _, eol := range []string{"\n", "\r\n"} {
		next := strings.ReplaceAll("[q]\nrole = r\naccountname = y\n", "\n", eol)
		d := Parse(append(bytes.Clone(text), next...))
		assertDeleted(t, d, "p", "# mine\r\n[x]\r\nk = v\r\n"+next+"chaim_scope = +"+eol)
		assertDeleted(t, d, "q", "# mine\r\n[x]\r\nk = v")
	}
}

func TestEmptyTextIsNotNil(t *testing.T) {
	d := Parse([]byte("[a]\naccountname = x\n"))
	assert.NoError(t, d.Delete("a"))
	assert.NotNil(t, d.Bytes())
	assert.Empty(t, d.Bytes())
}
