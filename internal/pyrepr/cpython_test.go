//go:build cpython

package pyrepr

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// told describes a value as values.py does.
func told(v any) any {
	list := func(kind string, items []any) any {
		parts := []any{}
		for _, item := range items {
			parts = append(parts, told(item))
		}
		return []any{kind, parts}
	}
	switch v := v.(type) {
	case nil:
		return []any{"NoneType", "None"}
	case bool:
		return []any{"bool", map[bool]string{true: "True", false: "False"}[v]}
	case int64, *big.Int:
		return []any{"int", fmt.Sprint(v)}
	case float64:
		return []any{"float", v}
	case string:
		return []any{"str", v}
	case []byte:
		return []any{"bytes", hex.EncodeToString(v)}
	case []any:
		return list("list", v)
	case Tuple:
		return list("tuple", v)
	}
	pairs := []any{}
	for _, item := range v.(Dict) {
		pairs = append(pairs, []any{told(item.Key), told(item.Value)})
	}
	return []any{"dict", pairs}
}

// withFloats parses the floats in the description of a value.
func withFloats(v any) any {
	list, isList := v.([]any)
	if !isList {
		return v
	}
	if len(list) == 2 && list[0] == "float" {
		f, _ := strconv.ParseFloat(list[1].(string), 64)
		return []any{"float", f}
	}
	for i := range list {
		list[i] = withFloats(list[i])
	}
	return list
}

// TestCPythonValues reads the repr of values that CPython has made.
func TestCPythonValues(t *testing.T) {
	for range 5 {
		seed := rand.Int32()
		out, err := exec.CommandContext(t.Context(), "python3", "testdata/values.py", strconv.Itoa(int(seed))).Output()
		require.NoError(t, err)
		var values [][]any
		require.NoError(t, json.Unmarshal(out, &values))
		require.Len(t, values, 2000)
		for _, value := range values {
			got, err := Parse(value[0].(string))
			require.NoError(t, err, value[0])
			require.Equal(t, withFloats(value[1]), told(got), "seed %d: %s", seed, value[0])
			if text, isText := got.(string); isText {
				assert.Equal(t, value[0], Quote(text))
			}
		}
	}
}
