//go:build readers

package readers

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/internal/inifile"
)

// keys are an access key id, its secret, a session token and a credential process.
type keys [4]string

// profile is a section as a reader reads it.
type profile struct {
	Keys  keys
	Pairs map[string]any // all that the reader knows of it
}

// view is a file as a reader reads it.
type view struct {
	Refused  string // why the reader refuses the file; empty if it reads it
	Profiles map[string]profile
}

// without returns the profiles of the view, except these.
func (v view) without(names ...string) map[string]profile {
	rest := map[string]profile{}
	maps.Copy(rest, v.Profiles)
	for _, name := range names {
		delete(rest, name)
	}
	return rest
}

// helper is a program that answers each line of JSON with another line, as long as the test runs.
type helper struct {
	mu  sync.Mutex
	in  io.Writer
	out *bufio.Reader
}

var (
	botocore = sync.OnceValues(func() (*helper, error) {
		return startHelper(exec.Command("/usr/bin/python3", "testdata/botocore_reader.py"))
	})
	javaScript = sync.OnceValues(func() (*helper, error) {
		modules := os.Getenv("CHAIM_NODE_MODULES")
		if modules == "" {
			return nil, errors.New("CHAIM_NODE_MODULES must name the folder that npm ci has filled from testdata/node")
		}
		return startHelper(exec.Command("node", "testdata/node/reader.js"), "NODE_PATH="+modules)
	})
)

// startHelper starts a program. In its environment, only the file that it is asked about has credentials. The program
// ends when its input ends, which is with this process.
func startHelper(cmd *exec.Cmd, env ...string) (*helper, error) {
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "LC_ALL=C.UTF-8"}, env...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &helper{in: in, out: bufio.NewReader(out)}, cmd.Start()
}

type request struct {
	Text    []byte `json:"text"`
	Resolve string `json:"resolve,omitempty"`
}

func (h *helper) ask(t testing.TB, question request, answer any) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	require.NoError(t, json.NewEncoder(h.in).Encode(question))
	line, err := h.out.ReadBytes('\n')
	require.NoError(t, err, "the helper has ended")
	require.NoError(t, json.Unmarshal(line, answer))
}

func readBy(start func() (*helper, error)) func(testing.TB, []byte, []string) view {
	return func(t testing.TB, doc []byte, _ []string) (v view) {
		t.Helper()
		h, err := start()
		require.NoError(t, err)
		h.ask(t, request{Text: doc}, &v)
		return v
	}
}

// readByGo asks for profiles by name, as the SDK does not list them.
func readByGo(t testing.TB, doc []byte, names []string) (v view) {
	t.Helper()
	defer func() {
		if r := recover(); r != nil { // the SDK panics for a value that is one quotation mark
			v = view{Refused: fmt.Sprint(r)}
		}
	}()
	path := filepath.Join(t.TempDir(), "credentials")
	require.NoError(t, os.WriteFile(path, doc, 0o600))
	// The SDK keeps a CR at the end of an indented line of a CRLF file, except at the end of the file.
	clean := strings.NewReplacer(path, "", "\r", "", `\r`, "")
	v = view{Profiles: map[string]profile{}}
	for _, name := range names {
		cfg, err := config.LoadSharedConfigProfile(t.Context(), name, func(o *config.LoadSharedConfigOptions) {
			o.CredentialsFiles, o.ConfigFiles = []string{path}, []string{}
		})
		if _, isAbsent := errors.AsType[config.SharedConfigProfileNotExistError](err); isAbsent {
			continue
		}
		c := cfg.Credentials
		all, jsonErr := json.Marshal(cfg)
		require.NoError(t, jsonErr)
		v.Profiles[name] = profile{
			Keys: keys{c.AccessKeyID, c.SecretAccessKey, c.SessionToken, clean.Replace(cfg.CredentialProcess)},
			// The error is one of the values, as other values of the profile may still be read.
			Pairs: map[string]any{"config": clean.Replace(string(all)), "error": clean.Replace(fmt.Sprint(err))},
		}
	}
	return v
}

// allReaders are the readers that the tests ask, by name.
var allReaders = map[string]func(t testing.TB, doc []byte, names []string) view{
	"botocore": readBy(botocore),
	"JS v3":    readBy(javaScript),
	"Go v2":    readByGo,
}

// readAll has readers read doc.
func readAll(t testing.TB, doc []byte, names []string, by ...string) map[string]view {
	t.Helper()
	views := map[string]view{}
	for _, reader := range by {
		views[reader] = allReaders[reader](t, doc, names)
	}
	return views
}

// namesIn returns the names of the profiles that the Go SDK may find in doc: those of all sections, and the default ones.
func namesIn(doc []byte) []string {
	names := []string{"DEFAULT", "default"}
	for _, s := range inifile.Parse(doc).Sections() {
		names = append(names, s.Name())
	}
	return names
}

// requireUnbroken demands that each reader that could read the file before still can, and reads the same profiles except
// changed. Readers of the file must find the keys that want has.
func requireUnbroken(t testing.TB, before, after map[string]view, changed []string, want map[string]keys) {
	t.Helper()
	for reader, now := range after {
		was := before[reader]
		if was.Refused == "" {
			require.Empty(t, now.Refused, "%s read the file before", reader)
			require.Equal(t, was.without(changed...), now.without(changed...), "%s reads other profiles otherwise", reader)
		}
		if now.Refused != "" {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(want)) {
			got := now.Profiles[name].Keys
			if want[name][0] != "" {
				got[3] = "" // a process of the user; all readers prefer the keys
			}
			require.Equal(t, want[name], got, "%s reads other keys in [%s]", reader, name)
		}
	}
}

const (
	regionOfPairs = "eu-west-1"
	scopeOfPairs  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ-0123456789abcdef-0123456789abcdef"
)

// pairsOf returns the lines that chaim writes for keys.
func pairsOf(k keys) []inifile.Pair {
	var pairs []inifile.Pair
	for _, p := range []inifile.Pair{
		{Key: "aws_access_key_id", Value: k[0]},
		{Key: "aws_secret_access_key", Value: k[1]},
		{Key: "aws_session_token", Value: k[2]},
		{Key: inifile.ProcessKey, Value: k[3]},
		{Key: "expires", Value: "4102444800"},
		{Key: "expstr", Value: "Expires at 00:00:00 UTC."},
		{Key: "duration", Value: "1"},
		{Key: "gui_url", Value: "https://signin.aws.amazon.com/federation?Action=login&SigninToken=x%3D"},
		{Key: "role", Value: "rro"},
		{Key: inifile.MarkerKey, Value: "sredev"},
		{Key: "region", Value: regionOfPairs},
		{Key: inifile.ScopeKey, Value: scopeOfPairs},
	} {
		if p.Value != "" {
			pairs = append(pairs, p)
		}
	}
	return pairs
}

var (
	firstKeys  = keys{"ASIAEXAMPLE000000001", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "FwoGZXIvYXdzEB0aDExample//////////8BIgo+token=="}
	secondKeys = keys{"ASIAEXAMPLE000000002", "je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY", "IQoJb3JpZ2luX2VjEB0aDExample2="}
)

// TestReadersReadPlainFile checks that the readers work, so that the other tests do not compare two empty results.
func TestReadersReadPlainFile(t *testing.T) {
	doc, err := setSection([]byte("[a]\naws_access_key_id = A\naws_secret_access_key = B\n"), "p", pairsOf(firstKeys))
	require.NoError(t, err)
	for reader, v := range readAll(t, doc, []string{"a", "p", "q"}, "botocore", "JS v3", "Go v2") {
		assert.Empty(t, v.Refused, reader)
		assert.Len(t, v.Profiles, 2, reader)
		assert.Equal(t, keys{"A", "B"}, v.Profiles["a"].Keys, reader)
		assert.Equal(t, firstKeys, v.Profiles["p"].Keys, reader)
	}
	assert.NotEmpty(t, readAll(t, []byte("[a]\n[a]\n"), nil, "botocore")["botocore"].Refused)
}

// setSection and deleteSection are edits of a text.
func setSection(text []byte, name string, pairs []inifile.Pair) ([]byte, error) {
	doc := inifile.Parse(text)
	err := doc.Set(name, pairs)
	return doc.Bytes(), err
}

func deleteSection(text []byte, name string) ([]byte, error) {
	doc := inifile.Parse(text)
	err := doc.Delete(name)
	return doc.Bytes(), err
}
