//go:build readers

package readers

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/internal/inifile"
)

const (
	maxDocument = 4 << 10
	maxLines    = 12
	maxEdits    = 6
)

// ownNames are the sections that a sequence of edits writes.
var ownNames = []string{"p", "q", "p.eu"}

// variants are the keys that it writes there. The empty one stands for a removal.
var variants = []keys{
	{},
	firstKeys,
	secondKeys,
	{3: "cat '/home/me/.aws/chaim/credentials-ABCDEFGHIJKLMNOPQRSTUVWXYZ.json'"},
}

// oddLines are lines on which readers disagree, and lines that matter near them.
var oddLines = []string{
	"[p]\n", "[q]\n", "[p.eu]\n", "[a]\n", "[a.b]\n", "[b c]\n", "[DEFAULT]\n", "[profile p]\n", "[]\n",
	"[ p ]\n", " [p]\n", "[p] # c\n", "[p]#c\n", "[p\n", "[p]]\n", "[[p]\n", "[p] ; [a]\n", "[a\n", "[a] x\n", "[a#b]\n", "  [a]\n", "\ufeff[a]\n", "\x1c[a]\n",
	"accountname = x\n", "chaim_scope = ZZ\n", "chaim_scope = ZZ+\n", "region = r\n", "region =\n", "region : x = y\n", "region #x = y\n", "\"region\" = x\n",
	"aws_access_key_id = OLD\n", "aws_secret_access_key = OLDS\n", "aws_session_token = OLDT\n", "aws_session_token =\n", "aws_security_token = OLDX\n",
	"AWS_Access_Key_Id: OLD\n", "aws_access_key_id\n", "\faws_access_key_id = FF\n", "  aws_access_key_id = n\n",
	"credential_process = x\n", "credential_process = cat '/h/chaim/credentials-ABCDEFGHIJKLMNOPQRSTUVWXYZ.json'\n", "role_arn = x\n", "sso_x = y\n",
	"s3 =\n", "  region = n\n", "\tregion = n\n", "\u00a0region = n\n", "mine = v\n", "mine =\n", "mine = # c\n", "mine = ;\n", "mine = \\\n", "  more\n", "  # c\n", "# c\n", "; c\n",
	"\n", " \n", "\r\n", "\r", "mine = v\r\n", "expires = a\rb = c\n", "junk\n", "= x\n", "a:b = c\n", "mine\u0085[p]\n", "#\u2028[p]\n", "\x00\n", "\xff = bad\n",
}

// FuzzEditSequence writes and removes sections in any document, or in one of odd lines. All other lines must stay.
// Readers must read the same as before, and the written keys. When all sections are removed, the document must be the
// same as at the start.
func FuzzEditSequence(f *testing.F) {
	seed := func(doc, lines []byte) {
		doc = doc[:min(len(doc), maxDocument)]
		f.Add(doc, lines, []byte{3, 6, 4, 0, 8})
		f.Add(doc, lines, []byte{4, 9, 5, 1, 3})
	}
	for _, tt := range readCorpus(f) {
		seed(bytes.ReplaceAll(tt.doc, []byte("foo"), []byte("p")), nil)
	}
	for _, doc := range oddDocuments {
		seed([]byte(doc), nil)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		lines := make([]byte, 3+random.IntN(maxLines-3))
		for i := range lines {
			lines[i] = byte(random.IntN(len(oddLines)))
		}
		seed(nil, lines)
	}
	f.Fuzz(func(t *testing.T, doc, lines, edits []byte) {
		if len(doc) > maxDocument || len(lines) > maxLines || len(edits) > maxEdits {
			return
		}
		for _, i := range lines {
			doc = append(doc, oddLines[int(i)%len(oddLines)]...)
		}
		checkSequence(t, doc, edits)
	})
}

func checkSequence(t testing.TB, doc, edits []byte) {
	names := append(namesIn(doc), ownNames...)
	before := readAll(t, doc, names, "botocore", "Go v2")
	isNew := !slices.ContainsFunc(inifile.Parse(doc).Sections(), func(s inifile.Section) bool { return slices.Contains(ownNames, s.Name()) })
	text := doc
	var touched []string
	want := map[string]keys{}
	remove := func(name string) {
		if _, isOurs := want[name]; !isOurs {
			return
		}
		delete(want, name)
		out, err := deleteSection(text, name)
		require.NoError(t, err)
		require.Equal(t, otherLines(text), otherLines(out), "foreign lines")
		text = out
	}
	for _, edit := range edits {
		name, k := ownNames[int(edit)%len(ownNames)], variants[int(edit)/len(ownNames)%len(variants)]
		if k == (keys{}) {
			remove(name)
		} else if out, err := set(t, text, name, pairsOf(k)); err == nil {
			text, want[name] = out, k
			touched = append(touched, name)
		}
		requireUnbroken(t, before, readAll(t, text, names, "botocore", "Go v2"), touched, want)
	}
	for _, name := range ownNames {
		remove(name)
	}
	if isNew {
		require.Equal(t, string(doc), string(text), "adding and removing is not the identity")
	}
}

// otherLines returns the lines that are neither blank nor a header or a managed line of our sections. It drops their
// endings, which may change if lines are removed.
func otherLines(doc []byte) []string {
	text := string(doc)
	for _, name := range ownNames {
		text = foreignLines([]byte(text), name)
	}
	var lines []string
	for line := range strings.Lines(text) {
		isOurs := slices.ContainsFunc(ownNames, func(name string) bool { return strings.HasPrefix(line, "["+name+"]") })
		if line = strings.TrimRight(line, "\r\n"); strings.TrimSpace(line) != "" && !isOurs {
			lines = append(lines, line)
		}
	}
	return lines
}
