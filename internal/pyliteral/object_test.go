package pyliteral

import (
	"strings"
	"testing"
)

// objects are reprs with objects that are no literals, and the dump of what they are read as, "" where they are refused.
var objects = map[string]string{
	"datetime.datetime(2018, 9, 5, 9, 16, 55, 1)":                     "a pyliteral.Object",
	"(1, Decimal('1'), b'x', None)":                                   "(i1,a pyliteral.Object,b78,n)",
	"a(x=1, y='%s', z=[(1,)], w={'k': b(None)},)":                     "a pyliteral.Object",
	"d.d(1, tzinfo=datetime.timezone.utc)":                            "a pyliteral.Object",
	"d.d(1, tzinfo=datetime.timezone(datetime.timedelta(days=-1)))":   "a pyliteral.Object",
	"[nan1(nan), Nonesuch(), _x(b), brr('b'), u1(-1), x ( 1 )]":       "",
	"[nan1(nan), Nonesuch(), _x(b), brr('b'), u1(-1), x(\n1\n, inf)]": "[a pyliteral.Object,a pyliteral.Object,a pyliteral.Object,a pyliteral.Object,a pyliteral.Object,a pyliteral.Object]",
	"%s":               "",
	"[%s]":             "",
	"a.b":              "",
	"a(1)(2)":          "",
	"a(1) + 1j":        "",
	"-a(1)":            "",
	"a(1":              "",
	"a(1 2)":           "",
	"a(=1)":            "",
	"a('%s":            "",
	"1a(1)":            "",
	".a(1)":            "",
	"\u00e9(1)":        "",
	"<memory at 0x7f>": "",
	"None(1":           "",
}

func TestParseRepr(t *testing.T) {
	for text, want := range objects {
		text = strings.ReplaceAll(text, "%s", canary)
		if _, err := Parse(text); err == nil {
			t.Errorf("Parse(%q) reads what is no literal", text)
		}
		v, err := ParseRepr(text)
		if want == "" {
			if err == nil {
				t.Errorf("ParseRepr(%q) gives %s, want an error", text, dump(v))
				continue
			}
			checkError(t, text, err)
			continue
		}
		if err != nil || dump(v) != want {
			t.Errorf("ParseRepr(%q) gives %s, %v, want %s", text, dump(v), err, want)
		}
	}
}

// The parentheses of objects count as brackets.
func TestParseReprDepth(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("a(x=", n) + "1" + strings.Repeat(")", n) }
	if _, err := ParseRepr(nested(maxDepth)); err != nil {
		t.Error(err)
	}
	for _, n := range []int{maxDepth + 1, 1 << 20} {
		if _, err := ParseRepr(nested(n)); err == nil || !strings.HasSuffix(err.Error(), string(tooDeep)) {
			t.Errorf("%d brackets: %v", n, err)
		}
	}
}

// What Parse reads is the same to ParseRepr.
func TestParseReprCorpus(t *testing.T) {
	for _, tc := range readCorpus(t).Cases {
		v, err := Parse(tc.Text)
		if err != nil {
			continue
		}
		if wide, err := ParseRepr(tc.Text); err != nil || dump(wide) != dump(v) {
			t.Errorf("ParseRepr(%q) gives %s, %v, want %s", tc.Text, dump(wide), err, dump(v))
		}
	}
}
