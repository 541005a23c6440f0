package main

import (
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
)

func TestPlaceholders(t *testing.T) {
	account := func(name string) chaim.Account { return chaim.Account{ID: "111111111111", Name: name} }
	for _, c := range []struct {
		program, want string
		account       chaim.Account
		err           string
	}{
		{"echo|{account}|x{id}y|{account}{account}", "echo|sredev|x111111111111y|sredevsredev", account("sredev"), ""},
		{"echo|{Account}|{}|{ id }", "echo|{Account}|{}|{ id }", account("sredev"), ""},
		{"echo|{account}", "echo|{id}", account("{id}"), ""},
		{"echo|{account}", "echo|a b;$(c)'\"", account("a b;$(c)'\""), ""},
		{"echo|{account}", "echo|111111111111", account(""), ""},
		{"echo|--name={account}|-{account}", "echo|--name=-x|--x", account("-x"), ""},
		{"echo|{account}", "", account("-x"), "would be an option"},
		{"./run-{account}", "./run-dev", account("dev"), ""},
		{"./run-{account}", "", account("../../bin/sh"), "another folder"},
		{"./{account}/run", "", account(".."), "another folder"},
		{`.\{account}`, "", account(`..\x`), "another folder"},
		{"./run|{account}", "./run|a/b", account("a/b"), ""},
		{"true", "", chaim.Account{ID: "$(reboot)", Name: "sredev"}, `the id "$(reboot)", which is not 12 digits`},
		{"true", "", chaim.Account{ID: "../1", Name: "sredev"}, "not 12 digits"},
		{"echo|{id}", "echo|", chaim.Account{Name: "sredev"}, ""},
	} {
		args, err := expand(strings.Split(c.program, "|"), c.account)
		if c.err != "" {
			assert.ErrorContains(t, err, c.err, c.program)
			continue
		}
		if assert.NoError(t, err, c.program) {
			assert.Equal(t, c.want, strings.Join(args, "|"), c.program)
		}
	}
}

func TestNamesAreHarmless(t *testing.T) {
	for _, c := range []struct{ id, name, wantID, wantName, file string }{
		{"111111111111", "sredev", "111111111111", "sredev", "sredev-111111111111"},
		{"111111111111", "R&D / Zürich", "111111111111", "R&D / Zürich", "R-D---Z-rich-111111111111"},
		{"111111111111", "../../etc/passwd", "111111111111", "../../etc/passwd", "etc-passwd-111111111111"},
		{"111111111111", "-rf .", "111111111111", "-rf .", "rf-111111111111"},
		{"111111111111", "", "111111111111", "", "111111111111"},
		{"111111111111", "...", "111111111111", "...", "111111111111"},
		{"111111111111", "a\x1b[2Jb", "111111111111", "", "111111111111"},
		{"111111111111", "a\nb", "111111111111", "", "111111111111"},
		{"111111111111", "a\xffb", "111111111111", "", "111111111111"},
		{"111111111111", "a\u202eb", "111111111111", "", "111111111111"},
		{"111111111111", strings.Repeat("a", 129), "111111111111", "", "111111111111"},
		{"1\x00", "dev", "", "dev", "dev"},
		{"../x", "dev", "../x", "dev", "dev-x"},
	} {
		got := plainAccount(chaim.Account{ID: c.id, Name: c.name})
		assert.Equal(t, chaim.Account{ID: c.wantID, Name: c.wantName}, got)
		assert.Equal(t, c.file, fileName(got))
	}
}

func TestAccountsWithOneNameAreToldApart(t *testing.T) {
	one, other := chaim.Account{ID: "1", Name: "dev"}, chaim.Account{ID: "2", Name: "dev"}
	third := chaim.Account{ID: "3", Name: "prod"}
	labels := labelsOf([]chaim.Account{one, other, third})
	assert.Equal(t, map[chaim.Account]string{one: "dev (1)", other: "dev (2)", third: "prod"}, labels)

	_, err := openFolder(filepath.Join(t.TempDir(), "out"), []chaim.Account{{Name: "a b"}, {Name: "a-b"}})
	assert.ErrorContains(t, err, `accounts "a b" and "a-b" would have the same file a-b.out`)
}

func TestRecord(t *testing.T) {
	r := &result{took: 1235 * time.Millisecond}
	code := 7
	r.code = &code
	_, _ = r.stdout.Write([]byte("a<b>\u00fc\n"))
	_, _ = r.stderr.Write([]byte("\xff\x00"))
	assert.Equal(t, `{"account":"dev","id":"1","exit_code":7,"error":"one; two","seconds":1.235,`+
		`"stdout":"a<b>ü\n","stderr_base64":"/wA="}`+"\n",
		string(r.json(chaim.Account{ID: "1", Name: "dev"}, errors.New("chaim: one\nchaim: two\n"))))

	r.stdout.isTruncated = true
	assert.Contains(t, string(r.json(chaim.Account{}, nil)), `,"truncated":true}`)
	assert.Equal(t, `{"account":"","id":"","exit_code":null,"seconds":0,"stdout":"","stderr":""}`+"\n",
		string(new(result).json(chaim.Account{}, nil)))
}

func TestOnlyTextIsText(t *testing.T) {
	for text, isText := range map[string]bool{
		"":             true,
		"a\tb\r\nü€😀":  true,
		"\u2028":       true,
		"\xff":         false,
		"a\x00":        false,
		"\x1b[1ma":     false,
		"\x7f":         false,
		"\u0085":       false,
		"a\xc3":        false,
		"\ufffd\n\t\r": true,
	} {
		var c capture
		_, _ = c.Write([]byte(text))
		got, raw := c.split()
		if isText {
			require.NotNil(t, got, "%q", text)
			assert.Equal(t, text, *got)
			assert.Nil(t, raw)
			continue
		}
		assert.Nil(t, got, "%q", text)
		assert.Equal(t, text, string(raw))
	}
}

func TestParallelFor(t *testing.T) {
	for files, want := range map[uint64]int{
		0: 1, 31: 1, 51: 1, 52: 2, 61: 2, 256: 22, 1024: 99, 4096: 406, 10032: 1000, 1 << 20: 1000, math.MaxUint64: 1000,
	} {
		assert.Equal(t, want, parallelFor(files), files)
	}
}

func TestCaptureHasAnEnd(t *testing.T) {
	var c capture
	chunk := make([]byte, 1<<16-1)
	for range 16 {
		_, err := c.Write(chunk)
		require.NoError(t, err)
	}
	assert.False(t, c.isTruncated)
	n, err := c.Write(chunk)
	require.NoError(t, err)
	assert.Equal(t, len(chunk), n)
	assert.Equal(t, maxCapture, c.text.Len())
	assert.True(t, c.isTruncated)
}

// eachTest is a gateway, and a folder that is also where the program runs.
type eachTest struct {
	*testing.T
	srv *chaimtest.Server
	dir string
}

func newEachTest(t *testing.T) *eachTest {
	return &eachTest{t, chaimtest.NewServer(t), t.TempDir()}
}

// command is one that runs chaim each.
func (e *eachTest) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(e.Context(), "chaim", append([]string{"each"}, args...)...)
	cmd.Env = append(os.Environ(), append(e.srv.Environ(e.dir), "HOME="+e.dir)...)
	cmd.Dir = e.dir
	return cmd
}

// nothingLeft fails if there is a profile, or a trace of a scope.
func (e *eachTest) nothingLeft() {
	e.Helper()
	text, err := os.ReadFile(filepath.Join(e.dir, "credentials"))
	require.NoError(e, err)
	assert.Empty(e, string(text))
	left, err := filepath.Glob(filepath.Join(e.dir, "chaim", "*"))
	require.NoError(e, err)
	assert.Empty(e, left)
}

func TestGatewayThatGoesAway(t *testing.T) {
	e := newEachTest(t)
	e.srv.Inject(1, chaimtest.Rewrite(func(body string) string { return body })) // the list of accounts
	e.srv.Inject(-1, chaimtest.Status(503))
	cmd := e.command("--match", "sredev", "--match", "O*", "--", "touch", "began")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	assert.Error(t, cmd.Run())
	assert.Equal(t, exitFailed, cmd.ProcessState.ExitCode())
	assert.Regexp(t, `(?m)^sredev +111111111111 +.*503`, stderr.String())
	assert.Contains(t, stderr.String(), "chaim: 2 accounts, 2 failed, in ")
	assert.NotContains(t, stderr.String(), "ca9a12e5-")
	assert.NoFileExists(t, filepath.Join(e.dir, "began"))
	assert.NoFileExists(t, filepath.Join(e.dir, "credentials"))
}
