//go:build readers

package readers

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/internal/inifile"
)

// torture is a file that programs are known to damage or misread.
type torture struct {
	Name, About string
	Edit        string // error of an edit of [foo]; empty for none
	Scope       string // error of a scope named foo; empty for none
	doc         []byte
}

const corpus = "../../../testdata/corpus"

func readCorpus(t testing.TB) []torture {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(corpus, "index.json"))
	require.NoError(t, err)
	var cases []torture
	require.NoError(t, json.Unmarshal(text, &cases))
	require.Len(t, cases, 44)
	for i := range cases {
		cases[i].doc, err = os.ReadFile(filepath.Join(corpus, cases[i].Name+".ini"))
		require.NoError(t, err)
	}
	return cases
}

var managedLine = regexp.MustCompile(`(?i)^(aws_(access_key_id|secret_access_key|session_token|security_token)|expires|expstr|duration|gui_url|role|region|accountname|chaim_scope)\s*[=:]|^credential_process\s*[=:]\s*cat '.*/chaim/.*-[A-Z2-7]{26}\.json'\s*$`)

// foreignLines returns doc without the managed lines of one section.
func foreignLines(doc []byte, name string) string {
	var kept strings.Builder
	isInside := false
	for line := range strings.Lines(string(doc)) {
		text := strings.TrimSpace(strings.TrimPrefix(line, "\ufeff"))
		switch {
		case strings.HasPrefix(text, "["):
			if isInside = strings.HasPrefix(text, "["+name+"]"); isInside {
				line = strings.TrimRight(line, "\r\n") + "\n" // an edit may complete it
			}
		case isInside && managedLine.MatchString(line):
			continue
		}
		kept.WriteString(line)
	}
	return kept.String()
}

// addition matches the text that an edit may add to a document without the section.
var addition = regexp.MustCompile(`^(\r?\n)?\[[^\n]*\](\r?\n[a-z_]+ = [^\r\n]+)+\r?\n$`)

// set writes a section. It demands that nothing else changes, that writing the same again changes nothing, and that removing
// an added section restores the text.
func set(t testing.TB, doc []byte, name string, pairs []inifile.Pair) ([]byte, error) {
	t.Helper()
	was := slices.Clone(doc)
	out, err := setSection(doc, name, pairs)
	require.Equal(t, was, doc, "the text was changed in place")
	if err != nil {
		return nil, err
	}
	again, err := setSection(out, name, pairs)
	require.NoError(t, err)
	require.Equal(t, string(out), string(again), "the same values change the text")
	if slices.ContainsFunc(inifile.Parse(doc).Sections(), func(s inifile.Section) bool { return s.Name() == name }) {
		require.Equal(t, foreignLines(doc, name), foreignLines(out, name), "foreign bytes")
		return out, nil
	}
	added, isPrefix := bytes.CutPrefix(out, doc)
	require.True(t, isPrefix, "foreign bytes")
	require.Regexp(t, addition, string(added))
	back, err := deleteSection(out, name)
	require.NoError(t, err)
	require.Equal(t, string(doc), string(back), "adding and removing is not the identity")
	return out, nil
}

func TestCorpusEdit(t *testing.T) {
	for _, tt := range readCorpus(t) {
		t.Run(tt.Name, func(t *testing.T) {
			out, err := set(t, tt.doc, "foo", pairsOf(firstKeys))
			if tt.Edit != "" {
				require.ErrorContains(t, err, tt.Edit)
				return
			}
			require.NoError(t, err)
			names := append(namesIn(tt.doc), "foo")
			before := readAll(t, tt.doc, names, "botocore", "JS v3", "Go v2")
			after := readAll(t, out, names, "botocore", "JS v3", "Go v2")
			requireUnbroken(t, before, after, []string{"foo"}, map[string]keys{"foo": firstKeys})
		})
	}
}

// source always gives the same keys.
func source(k keys) aws.CredentialsProvider {
	end := time.Now().Add(time.Hour)
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: k[0], SecretAccessKey: k[1], SessionToken: k[2], CanExpire: true, Expires: end}, nil
	})
}

func TestCorpusScope(t *testing.T) {
	for _, tt := range readCorpus(t) {
		t.Run(tt.Name, func(t *testing.T) {
			dir := t.TempDir()
			t.Setenv("AWS_CONFIG_FILE", filepath.Join(dir, "config"))
			path := filepath.Join(dir, "credentials")
			require.NoError(t, os.WriteFile(path, tt.doc, 0o600))
			read := func() []byte {
				text, err := os.ReadFile(path)
				require.NoError(t, err)
				return text
			}
			opts := chaim.Options{Account: "sredev", TempName: "foo", Dir: dir, Source: source(firstKeys)}
			hasRun := false
			err := chaim.WithContext(t.Context(), opts, func(ctx context.Context, c *chaim.Client) error {
				hasRun = true
				names := append(namesIn(tt.doc), "foo")
				inside := read()
				before := readAll(t, tt.doc, names, "botocore", "JS v3", "Go v2")
				after := readAll(t, inside, names, "botocore", "JS v3", "Go v2")
				requireUnbroken(t, before, after, []string{"foo"}, map[string]keys{"foo": firstKeys})

				written, err := os.Stat(path)
				require.NoError(t, err)
				_, err = c.RequestKeys(ctx)
				require.NoError(t, err)
				now, err := os.Stat(path)
				require.NoError(t, err)
				assert.True(t, os.SameFile(written, now) && written.ModTime().Equal(now.ModTime()), "the same keys were written again")
				return nil
			})
			if tt.Scope != "" {
				require.ErrorContains(t, err, tt.Scope)
			} else {
				require.NoError(t, err)
			}
			assert.Equal(t, tt.Scope == "", hasRun)
			assert.Equal(t, string(tt.doc), string(read()), "the file is not what it was")
		})
	}
}
