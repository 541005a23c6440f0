package lend

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
)

// hostile are values that do something in a shell which does not take them for text.
var hostile = []string{
	`'`, `''`, `\`, `\'`, `'\''`, `\\'`, `'; touch run; '`, `$(touch run)`, "`touch run`", `${HOME}`, `$HOME`, `"; touch run; "`, `~`, `~root`, `=ls`, `a:=ls`,
	`a b`, ` a `, `*`, `?`, `[a]`, `{a,b}`, `!!`, `!x`, `#x`, `a #x`, `&touch run&`, `|touch run`, `>run`, `<run`, `(touch run)`, `%PATH%`, `^a`, `@(1)`, `-n`,
	`%s`, `\n`, `\x41`, `$'a'`, `a=b`, `A=B=C==`, `"`, `;`, `$Env:PATH`, `$(`, `${`, "`", `'"'"'`, `\`, `\\`, `a\`,
}

// checkShell has a shell evaluate what is printed for values, and compares what it has in its environment then.
func checkShell(t *testing.T, format string, values []string, shell ...string) {
	t.Helper()
	env := []string{"UNSET_1=", "UNSET_2="}
	for _, value := range values {
		env = append(env, "AWS_VALUE="+value)
	}
	// Each value is printed before the next one is set, and a byte that is in none of them ends it.
	var script, want strings.Builder
	for _, variable := range env {
		line, err := shells[format].render([]string{variable})
		require.NoError(t, err, variable)
		script.WriteString(line)
		if value, isValue := strings.CutPrefix(variable, "AWS_VALUE="); isValue {
			script.WriteString("printenv AWS_VALUE\n")
			want.WriteString(value + "\n")
		}
	}
	script.WriteString("printenv UNSET_1 UNSET_2; true\n")
	cmd := exec.Command(shell[0], append(shell[1:], script.String())...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(cmd.Environ(), "UNSET_1=1", "UNSET_2=2", "HOME="+cmd.Dir)
	out, err := cmd.Output()
	require.NoError(t, err)
	assert.Equal(t, want.String(), string(out), shell[0])
	assert.NoFileExists(t, cmd.Dir+"/run", shell[0])
}

func TestShellTakesValuesForText(t *testing.T) {
	checkShell(t, "env", hostile, "sh", "-c")
}

func FuzzShellTakesValuesForText(f *testing.F) {
	for _, value := range hostile {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		line, err := shells["env"].render([]string{"AWS_VALUE=" + value})
		if isOdd := strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }); isOdd {
			assert.Error(t, err)
			assert.Empty(t, line)
			return
		}
		if value != "" {
			checkShell(t, "env", []string{value}, "sh", "-c")
		}
	})
}

func TestQuotesOfShells(t *testing.T) {
	for format, lines := range map[string]map[string]string{
		"env":        {`it's`: `export A='it'\''s'`, `\`: `export A='\'`, ``: `unset A`},
		"fish":       {`it's`: `set -gx A 'it\'s'`, `\`: `set -gx A '\\'`, `\'`: `set -gx A '\\\''`, `$(x)`: `set -gx A '$(x)'`, ``: `set -e A`},
		"powershell": {`it's`: `$Env:A = 'it''s'`, `$(x)"`: `$Env:A = '$(x)"'`, "`": "$Env:A = '`'", ``: `$Env:A = $null`},
		"windows-cmd": {
			`aB3/+x==`: `set A=aB3/+x==`, `2100-01-01T00:00:00Z`: `set A=2100-01-01T00:00:00Z`, ``: `set A=`,
		},
		"env-no-export": {`aB3/+x==`: `A=aB3/+x==`},
	} {
		for value, want := range lines {
			got, err := shells[format].render([]string{"A=" + value})
			require.NoError(t, err, value)
			assert.Equal(t, want+"\n", got, format)
		}
	}
	got, err := shells["env-no-export"].render([]string{"A="})
	require.NoError(t, err)
	assert.Empty(t, got)
}

func TestWhatCannotBeQuotedIsRefused(t *testing.T) {
	for format, f := range shells {
		for _, value := range []string{"a\nb", "a\rb", "a\x00b", "\x1b[2J", "é", "\u2019; calc", "\xff", "a\tb", "\x7f"} {
			text, err := f.render([]string{"A=first", "SECRET=" + value + "CANARY"})
			require.Error(t, err, format)
			assert.Empty(t, text)
			assert.Contains(t, err.Error(), "SECRET")
			assert.NotContains(t, err.Error(), "CANARY")
		}
	}
	for _, value := range append(hostile, `%PATH%`, `!PATH!`, `a&b`, `a|b`, `a"b`, `a^b`, `=`, `a=b`, `===`) {
		for _, format := range []string{"windows-cmd", "env-no-export"} {
			text, err := shells[format].render([]string{"A=" + value})
			if value == "-n" { // means nothing after an equals sign
				require.NoError(t, err)
				continue
			}
			require.Error(t, err, "%s: %s", format, value)
			assert.Empty(t, text)
		}
	}
}

func TestFormatsOfCredentials(t *testing.T) {
	creds := chaim.AwsCreds{
		AccessKeyID: "ASIAEXAMPLEEXAMPLE00", SecretAccessKey: "s/+=", SessionToken: "t", Region: "eu-west-1", Expires: time.Unix(4102444800, 0),
	}
	t.Setenv("AWS_SECURITY_TOKEN", "old")
	text, err := inFormat("env", creds)
	require.NoError(t, err)
	assert.Equal(t, `export AWS_ACCESS_KEY_ID='ASIAEXAMPLEEXAMPLE00'
export AWS_SECRET_ACCESS_KEY='s/+='
export AWS_SESSION_TOKEN='t'
export CHAIM_LENT='ae15ef156ca2f425'
export AWS_REGION='eu-west-1'
export AWS_DEFAULT_REGION='eu-west-1'
export AWS_CREDENTIAL_EXPIRATION='2100-01-01T00:00:00Z'
unset AWS_SECURITY_TOKEN
unset AWS_PROFILE
unset AWS_DEFAULT_PROFILE
unset AWS_ACCOUNT_ID
`, text)
	text, err = inFormat("process", creds)
	require.NoError(t, err)
	assert.JSONEq(t, `{"Version":1,"AccessKeyId":"ASIAEXAMPLEEXAMPLE00","SecretAccessKey":"s/+=","SessionToken":"t","Expiration":"2100-01-01T00:00:00Z"}`, text)
	text, err = inFormat("process", chaim.AwsCreds{})
	require.Error(t, err)
	assert.Empty(t, text)
}
