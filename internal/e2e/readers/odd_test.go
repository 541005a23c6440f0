//go:build readers

package readers

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/internal/inifile"
)

const foreignKeys = "aws_access_key_id = MINE\naws_secret_access_key = MS\n"

// oddDocuments are documents in which readers disagree on what belongs to [p]. FuzzEditSequence or people found them.
var oddDocuments = map[string]string{
	"token for all sections":          "[DEFAULT]\naws_security_token = LEAK\n\n[a]\n" + foreignKeys,
	"keys for all sections":           "[DEFAULT]\n" + foreignKeys,
	"role for all sections":           "[DEFAULT]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = a\n\n[a]\n" + foreignKeys,
	"only a BOM":                      "\ufeff",
	"BOM above":                       "\ufeff[p]\naccountname = x\n[a]\n" + foreignKeys,
	"BOM above the next section":      "[p]\naccountname = x\n\ufeff[mine]\n" + foreignKeys,
	"BOM before a key":                "[p]\naccountname = x\n\ufeffaws_access_key_id = z\n",
	"header that Python takes":        "\x1c[p]\nk = v\n",
	"next header that Python takes":   "[p]\naccountname = x\n\x1c[mine]\n" + foreignKeys,
	"comment adjacent to header":      "[p]#note\naccountname = x\n",
	"comment adjacent to next header": "[p]\naccountname = x\n[mine]#c\n" + foreignKeys,
	"junk after next header":          "[p]\naccountname = x\n[mine] junk\n" + foreignKeys,
	"brackets after next header":      "[p]\naccountname = x\n[mine] # [x]\n" + foreignKeys,
	"next header not closed":          "[p]\naccountname = x\n[mine\n" + foreignKeys,
	"next name with a hash":           "[p]\naccountname = x\n[a#b]\n" + foreignKeys,
	"next name starts with a hash":    "[p]\naccountname = x\n[#a]\n" + foreignKeys,
	"next header indented":            "[p]\naccountname = x\n  [mine]\n" + foreignKeys,
	"next header under a key":         "[p]\naccountname = x\nmine =\n  [mine]\n" + foreignKeys,
	"CR in a comment":                 "[p]\naccountname = x\n# old\raws_access_key_id = OLD\n",
	"CR in the header's comment":      "[p] # c\raws_access_key_id = OLD\naccountname = x\n",
	"CR in a key of the user":         "[p]\naccountname = x\nmine = y\raws_access_key_id = OLD\n",
	"vertical tab before a key":       "[p]\naccountname = x\nmine =\n\vaws_access_key_id = z\n",
	"next line before a key":          "[p]\naccountname = x\nmine =\n\u0085aws_access_key_id = z\n",
	"comment as parent of a key":      "[p]\ns3 = # c\n  aws_access_key_id = b\naccountname = x\n",
	"comment between parent and key":  "[p]\ns3 =\n# c\n  aws_access_key_id = b\naccountname = x\n",
	"key behind a comment mark":       "[p]\naccountname = x\naws_access_key_id #c = z\n",
	"key in quotes":                   "[p]\naccountname = x\n\"aws_access_key_id\" = z\n",
	"key twice":                       "[p]\naccountname = x\nregion = a\nRegion = b\n",
	"key under a line without one":    "[p]\naccountname = x\njunk\n  aws_access_key_id = n\n",
	"indented header below DEFAULT":   "[DEFAULT]\nmine = v\n  [a]\naws_security_token = LEAK\n",
	"comment behind a vertical tab":   "[p]\naccountname = x\n \v# c\n",
	"profile of the config file":      "[profile p]\n" + foreignKeys,
}

// TestOddDocuments demands that a section is either refused, or written so that all readers find it and all else.
func TestOddDocuments(t *testing.T) {
	for name, doc := range oddDocuments {
		for form, k := range map[string]keys{"keys": firstKeys, "process": variants[3]} {
			t.Run(name+"/"+form, func(t *testing.T) {
				out, err := set(t, []byte(doc), "p", pairsOf(k))
				if err != nil {
					return // refused, so the document stays as it is
				}
				names := append(namesIn([]byte(doc)), "p", "mine")
				before := readAll(t, []byte(doc), names, "botocore", "JS v3", "Go v2")
				requireUnbroken(t, before, readAll(t, out, names, "botocore", "JS v3", "Go v2"), []string{"p"}, map[string]keys{"p": k})
				left, err := deleteSection(out, "p")
				require.NoError(t, err)
				requireUnbroken(t, before, readAll(t, left, names, "botocore", "JS v3", "Go v2"), []string{"p"}, nil)
			})
		}
	}
}

// TestEndedLine has a program remove the last line ending while a scope lives, so that two sections note that they added it.
// The note of a removed section moves to the next one only if that is chaim's and has no note yet.
func TestEndedLine(t *testing.T) {
	text, err := setSection([]byte("[a]\nk = v"), "p", pairsOf(firstKeys))
	require.NoError(t, err)
	text, err = setSection(bytes.TrimSuffix(text, []byte("\n")), "q", pairsOf(secondKeys))
	require.NoError(t, err)
	text, err = deleteSection(text, "p")
	require.NoError(t, err)
	left, _, err := inifile.Parse(text).Managed("q")
	require.NoError(t, err)
	require.Equal(t, scopeOfPairs, left[inifile.ScopeKey])
	text, err = deleteSection(text, "q")
	require.NoError(t, err)
	require.Equal(t, "[a]\nk = v", string(text))

	const foreign = "[mine]\nchaim_scope = note of mine\n"
	text, err = setSection([]byte("[a]\nk = v"), "p", pairsOf(firstKeys))
	require.NoError(t, err)
	text, err = deleteSection(append(text, foreign...), "p")
	require.NoError(t, err)
	require.Equal(t, "[a]\nk = v\n"+foreign, string(text))
}
