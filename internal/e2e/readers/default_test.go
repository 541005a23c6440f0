//go:build readers

package readers

import (
	"bytes"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/internal/inifile"
)

// copyOf returns the copy of a kept profile's lines in [default].
func copyOf(k keys) []inifile.Pair {
	pairs := slices.DeleteFunc(pairsOf(k), func(p inifile.Pair) bool {
		return slices.Contains([]string{"expstr", "duration", "gui_url", "role", "region", inifile.MarkerKey, inifile.ScopeKey}, p.Key)
	})
	return append(pairs, inifile.Pair{Key: inifile.SectionKey, Value: "sredev"}, inifile.Pair{Key: inifile.AliasKey, Value: "dev"})
}

// requireCopy writes keys into [default], replaces them, and removes them. Readers must find the keys and the settings
// beside them. After the removal they must read what they read before, except keys that were copied there before.
// requireCopy returns false if all copies are refused.
func requireCopy(t *testing.T, doc []byte) bool {
	t.Helper()
	names := namesIn(doc)
	before := readAll(t, doc, names, "botocore", "JS v3", "Go v2")
	text := doc
	for _, k := range []keys{variants[3], firstKeys, secondKeys} {
		out, err := setSection(text, inifile.DefaultSection, copyOf(k))
		if err != nil {
			require.Equal(t, doc, text, "a renewal was refused: %v", err)
			continue // as for a process beside a process of the user
		}
		text = out
		after := readAll(t, text, names, "botocore", "JS v3", "Go v2")
		requireUnbroken(t, before, after, []string{inifile.DefaultSection}, map[string]keys{inifile.DefaultSection: k})
	}
	if bytes.Equal(doc, text) {
		return false
	}
	back, err := deleteSection(text, inifile.DefaultSection)
	require.NoError(t, err)
	requireUnbroken(t, before, readAll(t, back, names, "botocore", "JS v3", "Go v2"), []string{inifile.DefaultSection}, nil)
	left, _, err := inifile.Parse(back).Managed(inifile.DefaultSection)
	require.NoError(t, err)
	require.Equal(t, map[string]string{inifile.ScopeKey: ""}, left)
	return true
}

func TestDefaultCopy(t *testing.T) {
	for name, doc := range map[string]string{
		"missing":                   "[a]\n" + foreignKeys,
		"missing, incomplete line":  "[a]\naws_access_key_id = MINE\naws_secret_access_key = MS",
		"settings":                  "[default]\napi = 8xx\nregion = us-east-1\nusertoken = t=1\n\n[a]\n" + foreignKeys,
		"only a header":             "[a]\n" + foreignKeys + "[default]",
		"account that was set":      "[default]\nregion = r\nsection=old\nalias=old\n" + foreignKeys + "aws_session_token = MT\naws_security_token = MT\nexpires = 1\n[a]\n" + foreignKeys,
		"account that was set, CR":  "[default]\r\nsection=old\r\nAWS_Access_Key_Id : MINE\r\naws_secret_access_key=MS\r\nregion=r",
		"process that was set":      "[default]\ncredential_process = " + variants[3][3] + "\n",
		"process of the user":       "[default]\ncredential_process = mine\n" + foreignKeys,
		"nested settings":           "[a]\n" + foreignKeys + "[default]\n# c\ns3 =\n  region = x\n  section = y\nsection = old\n\n",
		"keys that are but foreign": "[default]\naccountname = x\nrole = y\nchaim = z\n",
	} {
		t.Run(name, func(t *testing.T) { require.True(t, requireCopy(t, []byte(doc))) })
	}
}

// TestDefaultCopyCorpus copies keys into the documents of the corpus and into the odd documents, also with [foo] or [p]
// renamed to [default].
func TestDefaultCopyCorpus(t *testing.T) {
	written := 0
	check := func(name string, doc []byte, other string) {
		for _, doc := range [][]byte{doc, bytes.ReplaceAll(doc, []byte(other), []byte("["+inifile.DefaultSection+"]"))} {
			t.Run(name, func(t *testing.T) {
				if requireCopy(t, doc) {
					written++
				}
			})
		}
	}
	for _, tt := range readCorpus(t) {
		check(tt.Name, tt.doc, "[foo]")
	}
	for name, doc := range oddDocuments {
		check(name, []byte(doc), "[p]")
	}
	assert.Greater(t, written, 100)
}
