package inifile

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	settingPairs = []Pair{{"api", "8xx"}, {"region", "us-east-1"}, {"usertoken", "t=1"}}
	settingBody  = "api = 8xx\nregion = us-east-1\nusertoken = t=1\n"
)

func isSetting(key string) bool {
	return slices.Contains([]string{"api", "stage", "region", "username", "usertoken", "endpoint"}, key)
}

func TestSetKeys(t *testing.T) {
	for _, tt := range []struct{ name, doc, want string }{
		{"empty file", "", "[default]\n" + settingBody},
		{"missing", "[a]\nk = v\n", "[a]\nk = v\n\n[default]\n" + settingBody},
		{"missing, last line incomplete", "[a]\r\nk = v", "[a]\r\nk = v\r\n[default]\r\n" + strings.ReplaceAll(settingBody, "\n", "\r\n")},
		{"only a header", "[default]", "[default]\n" + settingBody},
		{"header of another ending", "[a]\r\n[default]\n", "[a]\r\n[default]\n" + strings.ReplaceAll(settingBody, "\n", "\r\n")},
		{"in place", "[default]\n# c\nREGION: old\nmine = x\nApi=old\n\n[a]\n", "[default]\n# c\nregion = us-east-1\nmine = x\napi = 8xx\nusertoken = t=1\n\n[a]\n"},
		{"owned and not given", "[default]\nstage = prod\nmine = x\nUserName = me\n", "[default]\n" + settingBody + "mine = x\n"},
		{"below the last owned line", "[default]\nmine = x\nregion = old\n# c\nyours = y\n", "[default]\nmine = x\nregion = us-east-1\napi = 8xx\nusertoken = t=1\n# c\nyours = y\n"},
		{"nested settings", "[default]\ns3 =\n  region = x\n  stage = y", "[default]\n" + settingBody + "s3 =\n  region = x\n  stage = y"},
		{"role and lines without a key", "[default]\nrole_arn = r\njunk\n= x\n[DEFAULT]\nrole_arn = r\n", "[default]\n" + settingBody + "role_arn = r\njunk\n= x\n[DEFAULT]\nrole_arn = r\n"},
		{"other sections", "[a]\napi = x\n[default]\n[b]\nstage = y\n", "[a]\napi = x\n[default]\n" + settingBody + "[b]\nstage = y\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := setKeys([]byte(tt.doc), DefaultSection, settingPairs, isSetting)
			require.NoError(t, err)
			assert.Equal(t, tt.want, string(got))

			again, err := setKeys(got, DefaultSection, settingPairs, isSetting)
			require.NoError(t, err)
			assert.Equal(t, tt.want, string(again), "the same values change nothing")
		})
	}
}

func TestSetKeysThatAreNotOwned(t *testing.T) {
	none := func(string) bool { return false }
	got, err := setKeys([]byte("[p]\nregion = r\nMine=old\n"), "p", []Pair{{"mine", "x"}}, none)
	require.NoError(t, err)
	assert.Equal(t, "[p]\nregion = r\nmine = x\n", string(got))

	got, err = setKeys(got, "p", nil, isSetting)
	require.NoError(t, err)
	assert.Equal(t, "[p]\nmine = x\n", string(got))

	all := func(string) bool { return true }
	got, err = setKeys([]byte("[p]\njunk\n= x\nk = v\n\n# c\n"), "p", nil, all)
	require.NoError(t, err)
	assert.Equal(t, "[p]\njunk\n= x\n\n# c\n", string(got), "a line without a key is nobody's")

	got, err = setKeys([]byte("[a]"), "p", nil, isSetting)
	require.NoError(t, err)
	assert.Equal(t, "[a]", string(got), "no section is made for nothing")
}

func TestSetKeysRefusals(t *testing.T) {
	for name, doc := range map[string]string{
		"section twice":        "[default]\n[a]\n[default]\n",
		"indented by somebody": "[default]\n  region = x\n",
		"indented under ours":  "[default]\nregion =\n  x = y\n",
		"padded header":        "[ default ]\nregion = x\n",
		"BOM above":            "\ufeff[default]\n",
		"misread next header":  "[default]\n[a\n",
		"bare carriage return": "[default]\nregion = x\ry\n",
		"not UTF-8":            "[\x00a\x00]\x00\n\x00",
	} {
		_, err := setKeys([]byte(doc), DefaultSection, settingPairs, isSetting)
		assert.ErrorContains(t, err, "line", name)
	}
	for _, key := range []string{"", "A", "a b", "a=b", "[a]", "#a", "a\nb", "\u00e9", strings.Repeat("x", 65)} {
		_, err := setKeys(nil, DefaultSection, []Pair{{key, "x"}}, isSetting)
		assert.ErrorContains(t, err, "lower-case", "%q", key)
	}
	for _, value := range []string{"", " x", "a\nb", "#x", "a;b", "a #b", "\u00e9"} {
		_, err := setKeys(nil, DefaultSection, []Pair{{"api", value}}, isSetting)
		assert.ErrorContains(t, err, "value for api", "%q", value)
	}
	_, err := setKeys(nil, DefaultSection, []Pair{{"api", "a"}, {"api", "b"}}, isSetting)
	assert.ErrorContains(t, err, "api is given twice")
}

// FuzzSetKeys sets keys and removes them again. All other lines stay as they are.
func FuzzSetKeys(f *testing.F) {
	for _, seed := range []string{"", "x", "[default]", "[default]\r\napi = x\r\n[b]\n", "[default]\ns3 =\n  api = n\nREGION: r\n# c\nstage = x", "[default]\n  api = x\n", "\ufeff[default]\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		set, err := setKeys(doc, DefaultSection, settingPairs, isSetting)
		if err != nil {
			return // refused, with the document untouched
		}
		again, err := setKeys(set, DefaultSection, settingPairs, isSetting)
		require.NoError(t, err)
		require.Equal(t, string(set), string(again))
		s, err := Parse(doc).Section(DefaultSection)
		require.NoError(t, err)
		if s == nil {
			require.True(t, bytes.HasPrefix(set, doc))
			return
		}
		bare, err := setKeys(doc, DefaultSection, nil, isSetting)
		require.NoError(t, err)
		left, err := setKeys(set, DefaultSection, nil, isSetting)
		require.NoError(t, err)
		require.Equal(t, string(bare), string(left))
		require.True(t, bytes.HasPrefix(bare, doc[:s.start]) && bytes.HasSuffix(bare, doc[s.end:]))
	})
}
