package pyrepr

import (
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	huge, _ := new(big.Int).SetString("123456789012345678901234567890", 10)
	for text, want := range map[string]any{
		`{'a': 1, 'b': None}`:                                      Dict{{"a", int64(1)}, {"b", nil}},
		`[{}, [], ()]`:                                             []any{Dict{}, []any{}, Tuple{}},
		`(('1', 'a'), ('2', 'b'))`:                                 Tuple{Tuple{"1", "a"}, Tuple{"2", "b"}},
		`(1,)`:                                                     Tuple{int64(1)},
		" {'a': 1, 'a': 2,}\n":                                     Dict{{"a", int64(1)}, {"a", int64(2)}},
		`{(1, b'x'): True}`:                                        Dict{{Tuple{int64(1), []byte("x")}, true}},
		`-9223372036854775808`:                                     int64(math.MinInt64),
		`123456789012345678901234567890`:                           huge,
		`[0, -0.5, 1e+16, 1.5e-07, 1e400]`:                         []any{int64(0), -0.5, 1e16, 1.5e-07, math.Inf(1)},
		`["O'Brien", 'a"b', '\'"', u'u']`:                          []any{"O'Brien", `a"b`, `'"`, "u"},
		`'\\\'\"\n\r\t\a\b\f\v\101\0\x41'`:                         "\\'\"\n\r\t\a\b\f\vA\x00A",
		`'\xe9\u20ac\U0001f600é€😀'`:                                "é€😀é€😀",
		`b'a\x80\xff\'\\\377'`:                                     []byte("a\x80\xff'\\\xff"),
		`{"a": [null, true, -1.5e3, "\/"]}`:                        Dict{{"a", []any{nil, true, -1500.0, "/"}}},
		`["\ud83d\ude00", "\ufffd", 1E2]`:                          []any{"😀", "\ufffd", 100.0},
		`{"a": 1, "a": 2}`:                                         Dict{{"a", int64(1)}, {"a", int64(2)}},
		`datetime.datetime(2018, 9, 5)`:                            Object{},
		`(1, Decimal('1'), f(x=1, y=[()]))`:                        Tuple{int64(1), Object{}, Object{}},
		`d(1, tzinfo=datetime.timezone.utc, b=None, c=t(days=-1))`: Object{},
		strings.Repeat("[", 32) + strings.Repeat("]", 32):          nested(31),
	} {
		got, err := Parse(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
}

func nested(n int) any {
	list := []any{}
	for range n {
		list = []any{list}
	}
	return list
}

// canary stands for the secrets in a text.
const canary = "kuLbJ8wanary"

func TestParseRefused(t *testing.T) {
	for _, text := range []string{
		"", "%s", "'%s", "['%s'", "{'%s':", "{'%s'}", "{'%s', 1}", "[1, %s]", "None%s", "'%s'.x", "['%s'][0]", "['%s')", "(,'%s')", "[1,,'%s']",
		"1 '%s'", "'%s' 'x'", "('%s')", "['%s', null]", "f'%s'", "r'%s'", "'''%s'''", "\ufeff'%s'", "'%s\n'", `'%s\x4'`, `'%s\q'`, `'%s\`, `'%s\N{DIGIT ONE}'`,
		`'%s\U00110000'`, `'\ud800%s'`, `["\ud800%s"]`, `["%s", "\ude00\ud83d"]`, `b'\u0041%s'`, "12%s", "01", "1_000", "0x10", "1j", "1 + 2", "--1", "- 1", "+1",
		"-'%s'", "nan", "inf", ". 5", "set('%s'", "a('%s' 1)", "a(1)(2)", "-a(1)", "<memory at %s>", "# %s", "'%s'\x00", "'%s'\xff",
		strings.Repeat("9", 4301), strings.Repeat("[", 33) + strings.Repeat("]", 33), strings.Repeat("(1,", 33), strings.Repeat("a(", 40), "[" + strings.Repeat("{\"%s\":", 40),
	} {
		text = strings.ReplaceAll(text, "%s", canary)
		_, err := Parse(text)
		if assert.Error(t, err, text) {
			assert.Regexp(t, `^pyrepr: offset \d+: [a-z A-Z8-]+$`, err.Error(), text)
			assert.NotContains(t, err.Error(), canary)
		}
	}
}

func TestGet(t *testing.T) {
	d := Dict{{"a", 1}, {int64(1), 2}, {"a", 3}}
	v, ok := d.Get("a")
	assert.Equal(t, []any{3, true}, []any{v, ok}, "the last one counts")
	_, ok = d.Get("b")
	assert.False(t, ok)
}

func TestQuote(t *testing.T) {
	for s, want := range map[string]string{
		"": `''`, "a": `'a'`, "O'Brien": `"O'Brien"`, `'"`: `'\'"'`, "\\\n\r\t": `'\\\n\r\t'`, "\x00\x7f\u00a0\u2028\U000e0001é": `'\x00\x7f\xa0\u2028\U000e0001é'`,
		"\xff": `'` + "\ufffd" + `'`,
	} {
		assert.Equal(t, want, Quote(s))
	}
}

// FuzzParse checks that no text makes Parse panic or gets into an error, and that Parse reads what Quote writes.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{`{'a': (1, b'\x00', None), "b": [-1.5, True]}`, `{"a": [1, "\ud83d\ude00", null]}`, `d.d(1, x=y.z, w=[{}])`, `'\101\u20ac'`, "(1,)", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if v, err := Parse(text); err != nil {
			assert.Nil(t, v)
			assert.Regexp(t, `^pyrepr: offset \d+: [a-z A-Z8-]+$`, err.Error())
		}
		back, err := Parse(Quote(text))
		require.NoError(t, err)
		assert.Equal(t, string([]rune(text)), back)
	})
}

func TestLoneSurrogateBesideAReplacement(t *testing.T) {
	for _, text := range []string{`["\ufffd", "\ud800"]`, `["\ufffd\ud800"]`, "[\"\ufffd\", \"a\\udc00\"]"} {
		_, err := Parse(text)
		assert.ErrorContains(t, err, "lone surrogate", text)
	}
}
