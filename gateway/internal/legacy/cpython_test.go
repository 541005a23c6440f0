//go:build cpython

package legacy

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/issue"
)

// readers reads each line, an envelope, as the two Python clients do.
const readers = `
import ast, json, sys
out = []
for line in sys.stdin:
    text = json.loads(line)["text"]
    out.append([ast.literal_eval(text), json.loads(text.replace("'", '"'))])
json.dump(out, sys.stdout)
`

func TestPythonReadsTheTextsAsWeMeanThem(t *testing.T) {
	var input strings.Builder
	names := torture
	for r := range rune(0x3000) { // each character of the first planes once, in pieces
		if r%64 == 0 {
			names = append(names, "")
		}
		names[len(names)-1] += string(r)
	}
	var accounts []issue.Account
	for _, name := range names {
		accounts = append(accounts, issue.Account{ID: "123456789012", Name: name})
		grant := newFakeIssuer().grant
		grant.AccountName, grant.URL = name+"!", name+"!"
		input.Write(accepted(keysText(grant, time.Now())).body())
		input.Write(accepted(linkText(name + "!")).body())
	}
	input.Write(accepted(listText(accounts)).body())

	cmd := exec.CommandContext(t.Context(), "python3", "-c", readers)
	cmd.Stdin = strings.NewReader(input.String())
	out, err := cmd.Output()
	require.NoError(t, err)
	var read [][2]map[string]any
	require.NoError(t, json.Unmarshal(out, &read))
	require.Len(t, read, 2*len(names)+1)
	for i, name := range names {
		want := valid(name) + "!"
		for _, reader := range read[2*i] {
			assert.Equal(t, []any{want, want, "CANARYsecret"}, []any{reader["sectionname"], reader["url"], reader["secretkey"]})
		}
		for _, reader := range read[2*i+1] {
			assert.Equal(t, want, reader["url"])
		}
	}
	for _, reader := range read[2*len(names)] {
		for i, row := range reader["accountlist"].([]any) {
			assert.Equal(t, []any{"123456789012", valid(names[i])}, row)
		}
	}
}
