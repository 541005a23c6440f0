package pyliteral

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// canary stands for the secrets in a text; no error may hold it.
const canary = "kuLbJ8wanary"

func TestParse(t *testing.T) {
	huge, _ := new(big.Int).SetString("123456789012345678901234567890", 10)
	tests := []struct {
		name, text string
		want       any
	}{
		{"dict", `{'a': 1, 'b': None}`, Dict{{"a", int64(1)}, {"b", nil}}},
		{"empty containers", `[{}, [], ()]`, []any{Dict{}, []any{}, Tuple{}}},
		{"tuple of tuples", `(('1', 'a'), ('2', 'b'))`, Tuple{Tuple{"1", "a"}, Tuple{"2", "b"}}},
		{"tuple of one", `(1,)`, Tuple{int64(1)}},
		{"value in parentheses", `((1))`, int64(1)},
		{"tuple without parentheses", `1, 'a'`, Tuple{int64(1), "a"}},
		{"tuple of one without parentheses", "1,\n", Tuple{int64(1)}},
		{"trailing commas", `[{'a': 1,}, (1, 2,),]`, []any{Dict{{"a", int64(1)}}, Tuple{int64(1), int64(2)}}},
		{"repeated key", `{'a': 1, 'a': 2}`, Dict{{"a", int64(1)}, {"a", int64(2)}}},
		{"tuple as key", `{(1, (None, b'x')): 2}`, Dict{{Tuple{int64(1), Tuple{nil, []byte("x")}}, int64(2)}}},
		{"booleans", `[True, False]`, []any{true, false}},
		{"smallest int64", `-9223372036854775808`, int64(math.MinInt64)},
		{"int beyond int64", `123456789012345678901234567890`, huge},
		{"ints with a base", `[0xFf, 0o17, 0b_101]`, []any{int64(255), int64(15), int64(5)}},
		{"int with underscores", `1_000`, int64(1000)},
		{"zeros", `[00, 0_0, -0]`, []any{int64(0), int64(0), int64(0)}},
		{"floats", `[1., .5, 1e5, 1_0.0, 01.5, 1e400]`, []any{1.0, 0.5, 1e5, 10.0, 1.5, math.Inf(1)}},
		{"negative zero", `-0.0`, math.Copysign(0, -1)},
		{"complex", `[1j, (1-2j), -1+2j]`, []any{1i, 1 - 2i, -1 + 2i}},
		{"quotes", `["O'Brien", 'a"b', '\'']`, []any{"O'Brien", `a"b`, "'"}},
		{"adjacent strings", `'a' "b" r'\c' u'''d'''`, `ab\cd`},
		{"adjacent empty strings", `'' 'a' '' 'b'`, "ab"},
		{"escapes", `'\\\'\"\n\r\t\a\b\f\v\101\0\x41\u20ac\U0001f600'`, "\\'\"\n\r\t\a\b\f\vA\x00A€😀"},
		{"unknown escapes stay", `'\q\8\/'`, `\q\8\/`},
		{"escaped line ending", "'a\\\nb\\\r\nc'", "abc"},
		{"line endings become newlines", "'''a\r\nb\rc\nd'''", "a\nb\nc\nd"},
		{"raw string", `r'\n\'\\'`, `\n\'\\`},
		{"raw string with a line ending", "r'a\\\r\nb'", "a\\\nb"},
		{"bytes", `[b'a\x80\777', Rb'\x', b'\u0041' B'']`, []any{[]byte("a\x80\xff"), []byte(`\x`), []byte(`\u0041`)}},
		{"comments and newlines in brackets", "[1, # one\n\r\n 2 # two\n]", []any{int64(1), int64(2)}},
		{"joined lines", "\\\n1 \\\n, 2", Tuple{int64(1), int64(2)}},
		{"blank lines around", "\t# c\n \n'a' # d\n\n  # e", "a"},
		{"JSON", "\n {\"a\": [null, true, -1.5e3],\n \"a\": 1}\n ", Dict{{"a", []any{nil, true, -1500.0}}, {"a", int64(1)}}},
		{"JSON escapes", `["\/", "\ud83d\ude00", null]`, []any{"/", "😀", nil}},
		{"32 brackets", strings.Repeat("(", 32) + "1" + strings.Repeat(")", 32), int64(1)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if dump(got) != dump(tt.want) {
				t.Errorf("got %s, want %s", dump(got), dump(tt.want))
			}
		})
	}
}

// refused holds a text for every fault and the offset it is found at. Each has
// the canary, where one may stand, as %s.
var refused = []struct {
	name, text string
	offset     int
	why        fault
}{
	{"empty", "", 0, badEnd},
	{"comment only", "# %s", -1, badEnd},
	{"open dict", `{'a': '%s'`, -1, badEnd},
	{"missing value", `{'%s':`, -1, badEnd},
	{"name", `%s`, 0, badChar},
	{"name in a list", `[1, %s]`, 4, badChar},
	{"name after None", `None%s`, 4, badChar},
	{"call", `%s()`, 0, badChar},
	{"attribute", `'%s'.x`, -1, badChar},
	{"index", `['%s'][0]`, -1, badChar},
	{"wrong bracket", `['%s')`, -1, badChar},
	{"lone comma", `(,'%s')`, 1, badChar},
	{"two commas", `[1,,'%s']`, 3, badChar},
	{"two values", `1 '%s'`, 2, badChar},
	{"second line", "1\n'%s'", 2, badChar},
	{"JSON name in a literal", `['%s', null]`, -1, badChar},
	{"set", `{'%s'}`, -1, badChar},
	{"call of set", `set('%s')`, 0, badChar},
	{"unpacking", `{**'%s'}`, 1, badChar},
	{"ellipsis", `...`, 0, badChar},
	{"f-string", `f'%s'`, 0, badChar},
	{"byte order mark", "\ufeff'%s'", 0, badChar},
	{"no-break space", "\u00a0'%s'", 0, badChar},
	{"bad joined line", "\\ \n'%s'", 0, badChar},
	{"number with letters", `12%s`, 2, badChar},
	{"trailing underscore", `1_`, 1, badChar},
	{"two underscores", `1__%s`, 1, badChar},
	{"open exponent", `1e%s`, 1, badChar},
	{"wrong binary digit", `0b12`, 3, badChar},
	{"no digits", `0x%s`, 0, badNumber},
	{"leading zero", `01 # %s`, 0, leadingZero},
	{"too many digits", strings.Repeat("9", 4301), 0, longNumber},
	{"long float", "[." + strings.Repeat("9", 4300), 1, longNumber},
	{"sum of ints", `1 + 2 # %s`, 2, notComplex},
	{"sum of strings", `'%s' + 'a'`, -1, notComplex},
	{"imaginary first", `1j+2j`, 2, notComplex},
	{"two signs", `--1`, 1, badChar},
	{"sign of a signed number", `-(-1)`, 0, notComplex},
	{"sign of a string", `-'%s'`, 0, notComplex},
	{"sign of a boolean", `-True`, 0, notComplex},
	{"int too large for a complex", strings.Repeat("9", 400) + "+1j", 400, overflow},
	{"open string", `['%s`, 1, unclosed},
	{"open string on a line", "['%s\n']", 1, unclosed},
	{"open triple quotes", `'''%s''`, 0, unclosed},
	{"open raw string", `r'%s\'`, 0, unclosed},
	{"short escape", `'%s\x4'`, -1, badEscape},
	{"character out of range", `'%s\U00110000'`, -1, badEscape},
	{"lone surrogate", `'\ud800%s'`, 1, loneSurrogate},
	{"surrogate pair outside JSON", `'\ud83d\ude00%s'`, 1, loneSurrogate},
	{"lone surrogate in JSON", `["\ud800%s"]`, 2, loneSurrogate},
	{"swapped surrogates in JSON", `["\ude00\ud83d%s"]`, 2, loneSurrogate},
	{"named character", `'\N{%s}'`, 1, namedEscape},
	{"character in bytes", `b'é%s'`, 2, bytesNonASCII},
	{"str after bytes", `b'a' '%s'`, 5, bytesNextStr},
	{"bytes after str", `'%s' b'a'`, -1, bytesNextStr},
	{"indented", "\n '%s'", 2, badIndent},
	{"indented end", "'%s'\n ", -1, badIndent},
	{"list as key", `{['%s']: 1}`, 1, unhashable},
	{"dict in a tuple as key", `{('%s', {}): 1}`, 1, unhashable},
	{"33 brackets", strings.Repeat("[", 33) + `'%s'` + strings.Repeat("]", 33), 32, tooDeep},
	{"33 parentheses", strings.Repeat("(", 33) + `'%s'` + strings.Repeat(")", 33), 32, tooDeep},
	{"33 JSON objects", strings.Repeat(`{"":`, 33) + `"%s"` + strings.Repeat("}", 33), 128, tooDeep},
	{"open brackets without end", strings.Repeat("[", 1e6), 32, tooDeep},
	{"NUL", "'%s\x00'", -1, nulByte},
	{"not UTF-8", "'%s\xff'", -1, notUTF8},
}

// checkError fails unless err is made of an offset in text and a known fault,
// and nothing else.
func checkError(t *testing.T, text string, err error) {
	t.Helper()
	rest, ok := strings.CutPrefix(err.Error(), "pyliteral: offset ")
	offset, why, ok2 := strings.Cut(rest, ": ")
	n, convErr := strconv.Atoi(offset)
	if !ok || !ok2 || convErr != nil || n < 0 || n > len(text) {
		t.Errorf("error %q: want an offset from 0 to %d", err, len(text))
	}
	for _, tt := range refused {
		if why == string(tt.why) {
			return
		}
	}
	t.Errorf("error %q: want one of the known faults", err)
}

func TestParseRefused(t *testing.T) {
	for _, tt := range refused {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.ReplaceAll(tt.text, "%s", canary)
			v, err := Parse(text)
			if err == nil {
				t.Fatalf("got %s, want an error", dump(v))
			}
			if v != nil {
				t.Errorf("got %s with error %v", dump(v), err)
			}
			checkError(t, text, err)
			if !strings.HasSuffix(err.Error(), ": "+string(tt.why)) {
				t.Errorf("error %q, want %q", err, tt.why)
			}
			if at := fmt.Sprintf("offset %d:", tt.offset); tt.offset >= 0 && !strings.Contains(err.Error(), at) {
				t.Errorf("error %q, want %s", err, at)
			}
		})
	}
}

func TestErrorNeverQuotesText(t *testing.T) {
	for _, tt := range refused {
		// The canary as a string, a name, a comment, an escape and a number.
		for _, tail := range []string{"", canary, " '" + canary + "'", " # " + canary, `'\N{` + canary + `}'`, " 0x" + canary} {
			text := strings.ReplaceAll(tt.text, "%s", canary) + tail
			_, err := Parse(text)
			if err == nil {
				continue
			}
			checkError(t, text, err)
			if strings.Contains(err.Error(), canary) {
				t.Errorf("%s: error quotes the text: %v", tt.name, err)
			}
		}
	}
}

func TestGet(t *testing.T) {
	d := Dict{{"a", int64(1)}, {int64(1), "int"}, {"a", int64(2)}, {"none", nil}, {[]byte("b"), "bytes"}}
	for key, want := range map[string]any{"a": int64(2), "none": nil} {
		if got, ok := d.Get(key); !ok || got != want {
			t.Errorf("Get(%q) = %v, %v", key, got, ok)
		}
	}
	for _, key := range []string{"", "1", "b"} {
		if got, ok := d.Get(key); ok || got != nil {
			t.Errorf("Get(%q) = %v, %v", key, got, ok)
		}
	}
	if _, ok := Dict(nil).Get("a"); ok {
		t.Error("an empty dict has a key")
	}
}

func TestQuote(t *testing.T) {
	tests := []struct{ name, s, want string }{
		{"empty", "", `''`},
		{"plain", "a b", `'a b'`},
		{"single quote", "O'Brien", `"O'Brien"`},
		{"double quote", `a"b`, `'a"b'`},
		{"both quotes", `'"`, `'\'"'`},
		{"backslash", `a\b`, `'a\\b'`},
		{"controls", "\n\r\t\x00\x7f", `'\n\r\t\x00\x7f'`},
		{"printable", "é中😀", `'é中😀'`},
		{"not printable", "\u00a0\u2028\U0010ffff", `'\xa0\u2028\U0010ffff'`},
		{"not UTF-8", "a\xffb", "'a\ufffdb'"},
	}
	for _, tt := range tests {
		if got := Quote(tt.s); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

// Anything worse than linear time takes minutes here.
func TestLargeTexts(t *testing.T) {
	const n = 1 << 20
	repeat := strings.Repeat
	tests := []struct {
		name, text string
		ok         bool
	}{
		{"hexadecimal int", "0x" + repeat("f", n), true},
		{"underscores", "0b1" + repeat("_1", n), true},
		{"adjacent strings", repeat("'a'", n), true},
		{"adjacent empty strings", repeat("''  ", n), true},
		{"escapes", "'" + repeat(`\n`, n) + "'", true},
		{"quotes in triple quotes", "'''" + repeat(`''"`, n) + "'''", true},
		{"line endings", "'''" + repeat("\r", n) + "'''", true},
		{"comments", "[" + repeat("#\n", n) + "]", true},
		{"joined lines", repeat("\\\n", n) + "1", true},
		{"blank lines", repeat(" #\n", n) + "1", true},
		{"tuples as keys", "{" + repeat("((1,),):1,", n/8) + "}", true},
		{"list", repeat("1,", n), true},
		{"JSON", "[" + repeat("null,", n) + "true]", true},
		{"JSON with a bad end", "[" + repeat(`"\/",`, n) + "}", false},
		{"int", repeat("9", n), false},
		{"float", "1" + repeat("0", n) + "e-1", false},
		{"signs", repeat("-", n), false},
		{"open string after many", repeat("b'", n) + "'", false},
		{"not UTF-8", repeat("\ufffd", n) + "\xff", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Parse(tt.text); (err == nil) != tt.ok {
				t.Errorf("error %v, want accepted: %v", err, tt.ok)
			}
		})
	}
}

// corpus is what testdata/corpus.py prints; see there.
type corpus struct {
	Seed   int64
	Python string
	Quotes [][2]string
	Cases  []corpusCase
}

type corpusCase struct {
	Text    string
	Value   *string
	Differs string
	Version string
}

func readCorpus(tb testing.TB) corpus {
	tb.Helper()
	data, err := os.ReadFile("testdata/corpus.json")
	if err != nil {
		tb.Fatal(err)
	}
	return decodeCorpus(tb, data)
}

func decodeCorpus(tb testing.TB, data []byte) corpus {
	tb.Helper()
	var c corpus
	if err := json.Unmarshal(data, &c); err != nil {
		tb.Fatal(err)
	}
	if len(c.Cases) < 1500 || len(c.Quotes) < 200 {
		tb.Fatalf("corpus has %d cases and %d quotes", len(c.Cases), len(c.Quotes))
	}
	return c
}

// check compares Parse and Quote with the answers of CPython.
func (c corpus) check(t *testing.T) {
	accepted, differs := 0, 0
	for _, tc := range c.Cases {
		v, err := Parse(tc.Text)
		switch {
		case tc.Value != nil && err != nil:
			t.Errorf("%q: %v, want %s", tc.Text, err, *tc.Value)
		case tc.Value != nil && dump(v) != *tc.Value:
			t.Errorf("%q: got %s, want %s", tc.Text, dump(v), *tc.Value)
		case tc.Value == nil && err == nil:
			t.Errorf("%q: got %s, want an error (differs: %q)", tc.Text, dump(v), tc.Differs)
		}
		if err != nil {
			checkError(t, tc.Text, err)
		}
		if tc.Value != nil {
			accepted++
		}
		if tc.Differs != "" {
			differs++
		}
	}
	t.Logf("seed %d: %d texts, %d accepted, %d refused on purpose", c.Seed, len(c.Cases), accepted, differs)
	if min(accepted, len(c.Cases)-accepted) < 500 {
		t.Errorf("%d of %d texts accepted: the corpus is one-sided", accepted, len(c.Cases))
	}
	for _, q := range c.Quotes {
		if got := Quote(q[0]); got != q[1] {
			t.Errorf("Quote(%q) = %s, want %s", q[0], got, q[1])
		}
		if got, err := Parse(q[1]); err != nil || got != any(q[0]) {
			t.Errorf("Parse(%q) = %v, %v", q[1], got, err)
		}
	}
}

func TestCorpus(t *testing.T) {
	readCorpus(t).check(t)
}

// dump writes a value as corpus.py does.
func dump(v any) string {
	list := func(items []any) string {
		var s []string
		for _, item := range items {
			s = append(s, dump(item))
		}
		return strings.Join(s, ",")
	}
	switch v := v.(type) {
	case nil:
		return "n"
	case bool:
		if v {
			return "T"
		}
		return "F"
	case int64:
		return fmt.Sprintf("i%x", v)
	case *big.Int:
		if v.IsInt64() {
			return "an int64 as a big.Int"
		}
		return fmt.Sprintf("i%x", v)
	case float64:
		return fmt.Sprintf("f%016x", math.Float64bits(v))
	case complex128:
		return fmt.Sprintf("c%016x,%016x", math.Float64bits(real(v)), math.Float64bits(imag(v)))
	case string:
		return fmt.Sprintf("s%d:%s", len(v), v)
	case []byte:
		return fmt.Sprintf("b%x", v)
	case []any:
		return "[" + list(v) + "]"
	case Tuple:
		return "(" + list(v) + ")"
	case Dict:
		var s []string
		for _, item := range v {
			s = append(s, dump(item.Key)+"="+dump(item.Value))
		}
		return "{" + strings.Join(s, ",") + "}"
	}
	return fmt.Sprintf("a %T", v)
}

func FuzzParse(f *testing.F) {
	seeds := readCorpus(f).Cases
	if len(seeds) == 0 {
		f.Fatal("no seeds found")
	}
	for _, tc := range seeds {
		f.Add(tc.Text)
	}
	for text := range objects {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := Parse(text)
		again, errAgain := Parse(text)
		if fmt.Sprint(err) != fmt.Sprint(errAgain) || dump(v) != dump(again) {
			t.Errorf("Parse(%q) gives %s, %v and then %s, %v", text, dump(v), err, dump(again), errAgain)
		}
		if err != nil {
			checkError(t, text, err)
		}
		wide, errWide := ParseRepr(text)
		switch {
		case err == nil && (errWide != nil || dump(wide) != dump(v)):
			t.Errorf("ParseRepr(%q) gives %s, %v, Parse %s", text, dump(wide), errWide, dump(v))
		case errWide != nil:
			checkError(t, text, errWide)
		}

		valid := strings.ToValidUTF8(text, "\ufffd")
		got, err := Parse(Quote(text))
		if err != nil {
			t.Fatalf("Parse(Quote(%q)): %v", text, err)
		}
		if utf8.ValidString(text) && got != any(text) {
			t.Errorf("Parse(Quote(%q)) = %q", text, got)
		}
		if got, err := Parse("{" + Quote(valid) + ": [" + Quote(valid) + ",]}"); err != nil ||
			dump(got) != dump(Dict{{valid, []any{valid}}}) {
			t.Errorf("Quote(%q) in a dict: %v, %v", valid, got, err)
		}
	})
}

// keysReply is a reply of about 1.2 KB, as the gateway writes it.
var keysReply = Dict{
	{"accountid", "123456789012"},
	{"accountname", "team-dev"},
	{"role", "apu"},
	{"sectionname", "O'Brien"},
	{"accesskeyid", "EXAMPLEKEYID"},
	{"secretkey", "example/secret+key"},
	{"sessiontoken", strings.Repeat("EXAMPLE/session+token0", 37)},
	{"expires", int64(1536139015)},
	{"expirestr", "2018-09-05 09:16:55"},
	{"countrycode", "gb"},
	{"url", nil},
	{"usagelimit", false},
	{"warning", ""},
}

// keysReplyTexts returns keysReply as Python and as JSON.
func keysReplyTexts(tb testing.TB) (python, jsonText string) {
	var py, js []string
	for _, item := range keysReply {
		key := item.Key.(string)
		value := map[any]string{nil: "None", false: "False"}[item.Value]
		switch v := item.Value.(type) {
		case string:
			value = Quote(v)
		case int64:
			value = strconv.FormatInt(v, 10)
		}
		data, err := json.Marshal(item.Value)
		if err != nil {
			tb.Fatal(err)
		}
		py = append(py, Quote(key)+": "+value)
		js = append(js, strconv.Quote(key)+": "+string(data))
	}
	return "{" + strings.Join(py, ", ") + "}", "{" + strings.Join(js, ", ") + "}"
}

func TestKeysReply(t *testing.T) {
	python, jsonText := keysReplyTexts(t)
	for _, text := range []string{python, jsonText} {
		got, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.(Dict), keysReply) {
			t.Errorf("got %s, want %s", dump(got), dump(keysReply))
		}
	}
}

// The baseline is encoding/json reading the same reply as JSON into a map.
func BenchmarkParse(b *testing.B) {
	python, jsonText := keysReplyTexts(b)
	parse := func(text string) func(*testing.B) {
		return func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if _, err := Parse(text); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	b.Run("repr", parse(python))
	b.Run("json", parse(jsonText))
	b.Run("baseline=encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(jsonText)))
		for b.Loop() {
			var v map[string]any
			if err := json.Unmarshal([]byte(jsonText), &v); err != nil {
				b.Fatal(err)
			}
		}
	})
}
