package each

import (
	"bytes"
	"errors"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/cmd/chaim/internal/proc"
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
	results := newResults([]chaim.Account{one, other, third})
	require.Len(t, results, 3)
	for account, label := range map[chaim.Account]string{one: "dev (1)", other: "dev (2)", third: "prod"} {
		assert.Equal(t, label, results[account].label)
	}

	_, err := openFolder(filepath.Join(t.TempDir(), "out"), []chaim.Account{{Name: "a b"}, {Name: "a-b"}})
	assert.ErrorContains(t, err, `accounts "a b" and "a-b" would have the same file a-b.out`)
}

func TestRecord(t *testing.T) {
	record := func(r *result, account chaim.Account, err error) string {
		var text strings.Builder
		r.write(&text, account, err)
		return text.String()
	}
	r := &result{took: 1235 * time.Millisecond, code: new(7), stdout: []byte("a<b>\u00fc\n"), stderr: []byte("\xff\x00")}
	assert.Equal(t, `{"account":"dev","id":"1","exit_code":7,"error":"one; two","seconds":1.235,`+
		`"stdout":"a<b>ü\n","stderr_base64":"/wA="}`+"\n",
		record(r, chaim.Account{ID: "1", Name: "dev"}, errors.New("chaim: one\nchaim: two\n")))
	assert.Equal(t, `{"account":"","id":"","exit_code":null,"seconds":0,"stdout":"","stderr":""}`+"\n",
		record(&result{}, chaim.Account{}, nil))

	r.stdout = bytes.Repeat([]byte("y"), proc.MaxHeld)
	assert.NotContains(t, record(r, chaim.Account{}, nil), "truncated")
	r.stdout = append(r.stdout, 'y')
	text := record(r, chaim.Account{}, nil)
	assert.Contains(t, text, `,"truncated":true}`)
	assert.Equal(t, proc.MaxHeld, strings.Count(text, "y"))
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
		got, raw := content([]byte(text))
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

func TestFirstMiBIsKept(t *testing.T) {
	for _, size := range []int{0, 1, proc.MaxHeld, proc.MaxHeld + 1, 3 * proc.MaxHeld} {
		var kept []byte
		output := strings.NewReader(strings.Repeat("x", size))
		keep(&kept)(output)
		assert.Len(t, kept, min(size, proc.MaxHeld+1), "one byte more tells that there was more")
		assert.Zero(t, output.Len(), "all is read")
	}
}

// TestBatchFilesGetNoCommandsAsAccounts has names that others choose.
func TestBatchFilesGetNoCommandsAsAccounts(t *testing.T) {
	accounts := []chaim.Account{
		{ID: "111111111111", Name: "sredev"}, {ID: "222222222222", Name: "-x"}, {ID: "333333333333", Name: "R&calc"},
	}
	check := func(words []string) error {
		if strings.Contains(words[1], "&") {
			return &proc.Error{Code: proc.CannotRun, Text: "cannot run \"report\""}
		}
		return nil
	}
	err := refuseForAny([]string{"report", "{account}"}, accounts, check)
	assert.EqualError(t, err, `chaim: account "R&calc": cannot run "report"`)
	assert.ErrorAs(t, err, new(*proc.Error), "which has the exit code")
	assert.NoError(t, refuseForAny([]string{"report", "{id}"}, accounts, check))
	assert.NoError(t, refuseForAny([]string{"report", "{account}"}, accounts[:2], check))
}
