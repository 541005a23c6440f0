package pyrepr

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// corpus holds texts and the values that CPython 3.11 read from them: literals, reprs and JSON, whole and damaged.
type corpus struct {
	Quotes [][2]string // a string and its repr
	Cases  []struct {
		Text  string
		Value *string // see dump; nil if CPython refuses the text
	}
}

func readCorpus(t testing.TB) (c corpus) {
	t.Helper()
	text, err := os.ReadFile("testdata/corpus.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &c))
	require.Len(t, c.Cases, 2090)
	require.Len(t, c.Quotes, 660)
	return c
}

// TestCorpus checks that Parse returns no other values than CPython. Parse may accept more texts: those with objects, which
// ast.literal_eval does not know.
func TestCorpus(t *testing.T) {
	c := readCorpus(t)
	accepted := 0
	for _, tc := range c.Cases {
		v, err := Parse(tc.Text)
		if err != nil {
			continue
		}
		accepted++
		switch {
		case tc.Value != nil:
			assert.Equal(t, *tc.Value, dump(v), "%q", tc.Text)
		case strings.ContainsAny(tc.Text[:1], " \t\r\n") || strings.Contains(tc.Text, "\r"): // CPython allows no blanks there
		default:
			assert.Contains(t, dump(v), "pyrepr.Object", "%q", tc.Text)
		}
	}
	assert.GreaterOrEqual(t, accepted, 500)
	for _, q := range c.Quotes {
		assert.Equal(t, q[1], Quote(q[0]))
		v, err := Parse(q[1])
		assert.NoError(t, err, q[1])
		assert.Equal(t, q[0], v)
	}
}

// dump writes a value with its type. There is one way to write each value.
func dump(v any) string {
	list := func(items []any) string {
		var s []string
		for _, item := range items {
			s = append(s, dump(item))
		}
		return strings.Join(s, ",")
	}
	switch v := v.(type) {
	case nil:
		return "n"
	case bool:
		return map[bool]string{true: "T", false: "F"}[v]
	case int64, *big.Int:
		return fmt.Sprintf("i%x", v)
	case float64:
		return fmt.Sprintf("f%016x", math.Float64bits(v))
	case string:
		return fmt.Sprintf("s%d:%s", len(v), v)
	case []byte:
		return fmt.Sprintf("b%x", v)
	case []any:
		return "[" + list(v) + "]"
	case Tuple:
		return "(" + list(v) + ")"
	case Dict:
		var s []string
		for _, item := range v {
			s = append(s, dump(item.Key)+"="+dump(item.Value))
		}
		return "{" + strings.Join(s, ",") + "}"
	}
	return fmt.Sprintf("a %T", v)
}
