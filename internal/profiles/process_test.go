package profiles

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/chaim-go/chaim/internal/inifile"
)

func TestReadCommandOfEachSystem(t *testing.T) {
	for path, want := range map[string]string{
		"/home/me/.aws/x":         `cat '/home/me/.aws/x'`,
		"/home/it's $HOME `id`/x": `cat '/home/it'\''s $HOME ` + "`id`/x'",
		`/home/a"b\/%d&e/x`:       `cat '/home/a"b\/%d&e/x'`,
	} {
		assert.Equal(t, want, unixReadCommand(path))
	}
	for path, want := range map[string]string{
		`C:\Users\me\.aws\chaim\x.process`: `cmd /c type C:\Users\me\.aws\chaim\x.process`, // no quotes: the Go SDK would change them
		`C:\Users\ME~1\x`:                  `cmd /c type C:\Users\ME~1\x`,
		`\\server\share\x`:                 `cmd /c type \\server\share\x`,
		`C:\Users\Ann O'Brien (it)\x`:      `cmd /c type "C:\Users\Ann O'Brien (it)\x"`,
	} {
		got, err := windowsReadCommand(path)
		assert.NoError(t, err)
		assert.Equal(t, want, got)
	}
	for _, folder := range []string{`C:\Users\me\.aws`, `C:\Users\Ann O'Brien\.aws`} {
		command, err := windowsReadCommand(folder + `\chaim\credentials-` + strings.Repeat("A", 26) + `.json`)
		assert.NoError(t, err)
		err = inifile.Parse(nil).Set("x", []inifile.Pair{{Key: inifile.ProcessKey, Value: command}})
		assert.NoError(t, err, "it is known as one of chaim's")
	}
	for _, c := range "%!&|<>^\",;=" {
		for _, folder := range []string{`C:\a` + string(c) + `calc`, `C:\a b` + string(c) + ` c`} {
			got, err := windowsReadCommand(folder + `\x`)
			assert.Empty(t, got)
			assert.ErrorContains(t, err, fmt.Sprintf("chaim: cmd.exe does not take %q as part", c))
			assert.ErrorContains(t, err, "another folder in AWS_SHARED_CREDENTIALS_FILE")
		}
	}
}
