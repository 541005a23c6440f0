package inifile

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// copyPairs are the copy of a kept profile's keys in [default].
func copyPairs(id string) []Pair {
	return []Pair{{"aws_access_key_id", id}, {SectionKey, "dev"}, {CopyKey, "C-" + id}}
}

const (
	settings = "[default]\napi = 8xx\nregion = us-east-1\nusertoken = t=1\n"
	copied   = "aws_access_key_id = A1\nsection = dev\nchaim_copy = C-A1\n"
	process  = "credential_process = cat '/h/chaim/credentials-ABCDEFGHIJKLMNOPQRSTUVWXYZ.json'\n"
)

func TestDefaultCopy(t *testing.T) {
	for _, tt := range []struct{ name, doc, want, back string }{
		{"empty file", "", "[default]\n" + copied, "[default]\n"},
		{"missing", "[a]\nk = v\n", "[a]\nk = v\n\n[default]\n" + copied, "[a]\nk = v\n\n[default]\n"},
		{"missing, last line incomplete", "[a]\nk = v", "[a]\nk = v\n[default]\n" + copied, "[a]\nk = v\n[default]\n"},
		{"missing below a BOM", "\ufeff[a]\nk = v\n", "\ufeff[a]\nk = v\n\n[default]\n" + copied, "\ufeff[a]\nk = v\n\n[default]\n"},
		{"only a header", "[default]\n", "[default]\n" + copied, "[default]\n"},
		{"incomplete header", "[default]", "[default]\n" + copied, "[default]\n"},
		{"header of another ending", "[a]\r\n[default]\nk = v\r\n", "[a]\r\n[default]\n" + strings.ReplaceAll(copied, "\n", "\r\n") + "k = v\r\n", "[a]\r\n[default]\nk = v\r\n"},
		{"only comments", "[default]\n# mine\n\n[a]\n", "[default]\n" + copied + "# mine\n\n[a]\n", "[default]\n# mine\n\n[a]\n"},
		{"settings", settings + "\n[a]\nk = v\n", "[default]\n" + copied + strings.TrimPrefix(settings, "[default]\n") + "\n[a]\nk = v\n", settings + "\n[a]\nk = v\n"},
		{"settings, incomplete", "[a]\n[default]\napi = x", "[a]\n[default]\n" + copied + "api = x", "[a]\n[default]\napi = x"},
		{"nested settings", "[default]\ns3 =\n  section = x\n\n", "[default]\n" + copied + "s3 =\n  section = x\n\n", "[default]\ns3 =\n  section = x\n\n"},
		{"keys of other sections", "[default]\nrole = r\naccountname = x\nexpstr = e\n", "[default]\n" + copied + "role = r\naccountname = x\nexpstr = e\n", "[default]\nrole = r\naccountname = x\nexpstr = e\n"},
		{
			"another was kept", "[default]\nregion = r\nSection=old\nAWS_Access_Key_Id: old\nexpires = 1\n# c\n",
			"[default]\nregion = r\nsection = dev\naws_access_key_id = A1\nchaim_copy = C-A1\n# c\n", "[default]\nregion = r\n# c\n",
		},
		{"process of the user", "[default]\ncredential_process = mine\n", "[default]\n" + copied + "credential_process = mine\n", "[default]\ncredential_process = mine\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := set([]byte(tt.doc), DefaultSection, copyPairs("A1"))
			require.NoError(t, err)
			assert.Equal(t, tt.want, string(got))

			pairs, exists, err := Parse(got).Managed(DefaultSection)
			require.NoError(t, err)
			assert.True(t, exists)
			assert.Equal(t, map[string]string{"aws_access_key_id": "A1", "section": "dev", "chaim_copy": "C-A1", "chaim_scope": ""}, pairs)

			again, err := set(got, DefaultSection, copyPairs("A1"))
			require.NoError(t, err)
			assert.Equal(t, tt.want, string(again), "the same values change nothing")

			renewed, err := set(got, DefaultSection, copyPairs("B2"))
			require.NoError(t, err)
			assert.Equal(t, strings.ReplaceAll(tt.want, "A1", "B2"), string(renewed))

			back, err := remove(renewed, DefaultSection)
			require.NoError(t, err)
			assert.Equal(t, tt.back, string(back))
		})
	}
}

func TestDefaultRefusals(t *testing.T) {
	for name, tt := range map[string]struct {
		doc   string
		pairs []Pair
		says  string
	}{
		"assumes a role":                {"[default]\nrole_arn = y\n", copyPairs("A"), "has role_arn"},
		"scope of a service":            {"[default]\naws_credential_scope = s3\n", copyPairs("A"), "has aws_credential_scope"},
		"process in place of a process": {"[default]\ncredential_process = mine\n", []Pair{{ProcessKey, "cat '/h/chaim/credentials-ABCDEFGHIJKLMNOPQRSTUVWXYZ.json'"}}, "has credential_process"},
		"indented by the user":          {"[default]\n  section = x\n", copyPairs("A"), "indented"},
		"indented under ours":           {"[default]\nsection =\n  x = y\n", copyPairs("A"), "indented"},
		"BOM above":                     {"\ufeff[default]\n", copyPairs("A"), "header"},
		"key twice":                     {"", []Pair{{SectionKey, "a"}, {SectionKey, "b"}}, "twice"},
	} {
		_, err := set([]byte(tt.doc), DefaultSection, tt.pairs)
		assert.ErrorContains(t, err, tt.says, name)
	}
	for _, key := range []string{"region", "role", MarkerKey, "duration", "gui_url", "expstr", "api", ""} {
		_, err := set(nil, DefaultSection, []Pair{{key, "x"}})
		assert.ErrorContains(t, err, "not a key", key)
	}
}

// TestDefaultIsOneSection checks that the rules of [default] hold for no other section.
func TestDefaultIsOneSection(t *testing.T) {
	for _, name := range []string{"p", "Default", "DEFAULT"} {
		for _, key := range []string{SectionKey, AliasKey} {
			_, err := set(nil, name, []Pair{{key, "x"}})
			assert.ErrorContains(t, err, "not a key", key)
			got, err := remove([]byte("["+name+"]\nregion = r\n"+key+" = x\n"), name)
			require.NoError(t, err)
			assert.Equal(t, "["+name+"]\n"+key+" = x\n", string(got))
		}
		got, err := remove([]byte("["+name+"]\naccountname = x\nchaim_scope = S\n"), name)
		require.NoError(t, err)
		assert.Empty(t, string(got))
	}
}

// defaultLines are lines that matter in and around [default].
var defaultLines = []string{
	"[default]\n", "[default]", "[default] # c\r\n", "[a]\n", "[b]\r\n", "# c\n", "\n", "\r\n", "  # c\n", "api = x\n", "api = x", "api = x\r\n", "region = r\n",
	"section = old\n", "Section=old", "alias : old\r\n", "aws_access_key_id=AKIA\n", "aws_session_token = T\n", "expires = 1\n", "s3 =\n", "  section = n\n",
	process, "credential_process = mine\n", "junk\n", "accountname = x\n", "\ufeff",
}

// FuzzDefaultCopy writes and removes a copy in [default] among profiles of scopes, in any order. Lines that are not managed
// must always stay.
func FuzzDefaultCopy(f *testing.F) {
	for i := range defaultLines {
		for j := range defaultLines {
			f.Add([]byte(nil), []byte{byte(i), byte(j)}, []byte{0, 1, 0, 2, 1, 0, 2})
			f.Add([]byte(nil), []byte{0, byte(i), byte(j)}, []byte{1, 0, 2, 1, 0, 1, 0})
			f.Add([]byte(nil), []byte{byte(j), 1, byte(i)}, []byte{0, 3, 0, 2, 4, 0})
		}
	}
	f.Fuzz(func(t *testing.T, doc, lines, edits []byte) {
		if len(doc) > 1<<10 || len(lines) > 8 || len(edits) > 8 {
			return
		}
		for _, i := range lines {
			doc = append(doc, defaultLines[int(i)%len(defaultLines)]...)
		}
		names := []string{DefaultSection, "p", "q"}
		for _, s := range Parse(doc).Sections() {
			if s.Name() == "p" || s.Name() == "q" || s.MayHave(ScopeKey) {
				return
			}
		}
		rest, err := remove(doc, DefaultSection)
		if err != nil {
			rest = doc
		}
		text, written := doc, map[string]bool{}
		requireWhole := func() {
			for line := range bytes.Lines(rest) {
				require.Contains(t, string(text), strings.TrimRight(string(line), "\r\n"))
			}
		}
		take := func(name string) {
			var err error
			text, err = remove(text, name)
			require.NoError(t, err)
			delete(written, name)
			requireWhole()
		}
		for i, edit := range edits {
			name := names[int(edit)%len(names)]
			if written[name] && edit/3%2 == 0 {
				take(name)
				continue
			}
			pairs := copyPairs(strings.Repeat("A", i+1))
			if name != DefaultSection {
				pairs = testPairs
			}
			out, err := set(text, name, pairs)
			if err != nil {
				require.False(t, written[name], "%s in %q", err, text)
				continue
			}
			written[name], text = true, out
			requireWhole()
			got, _, err := Parse(text).Managed(name)
			require.NoError(t, err)
			for _, p := range pairs {
				require.Equal(t, p.Value, got[p.Key])
			}
			again, err := set(text, name, pairs)
			require.NoError(t, err)
			require.Equal(t, string(text), string(again), "the same values change the text")
		}
		for _, name := range names {
			if written[name] {
				take(name)
			}
		}
	})
}
