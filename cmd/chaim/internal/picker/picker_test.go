package picker

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDecode(t *testing.T) {
	for typed, want := range map[string][]key{
		"aé世":                       {'a', 'é', '世'},
		"\r":                        {keyTake},
		"\x03\x04\x07":              {keyLeave, keyLeave, keyLeave},
		"\x1b[A\x1bOB\x1b[5~":       {keyUp, keyDown, keyPageUp},
		"\x1b[1;5Cx\x1b[200~y\x1bz": {'x', 'y'},
		"\x7f\x08\x17\x15\x01":      {keyErase, keyErase, keyEraseWord, keyEraseAll},
		"\xff\u202e\u009bb":         {'b'},
		"\x1b\x1b[A":                {keyLeave, keyUp},
	} {
		keys, rest := decode([]byte(typed), false)
		assert.Equal(t, want, keys, "%q", typed)
		assert.Empty(t, rest, "%q", typed)
	}
}

// TestDecodeParts has keys come in two parts, as over a slow network.
func TestDecodeParts(t *testing.T) {
	for typed, want := range map[string]key{"\x1b[A": keyUp, "\x1bOB": keyDown, "\x1b[6~": keyPageDown, "世": '世'} {
		for cut := 1; cut < len(typed); cut++ {
			keys, rest := decode([]byte(typed[:cut]), false)
			assert.Empty(t, keys)
			keys, rest = decode(append(rest, typed[cut:]...), false)
			assert.Equal(t, []key{want}, keys, "%q", typed)
			assert.Empty(t, rest)
		}
	}
	keys, rest := decode([]byte("a\x1b"), false)
	assert.Equal(t, []key{'a'}, keys)
	assert.Equal(t, "\x1b", string(rest))
	keys, rest = decode(rest, true)
	assert.Equal(t, []key{keyLeave}, keys, "no more came")
	assert.Empty(t, rest)
	keys, rest = decode([]byte("\x1b[5"), true)
	assert.Empty(t, keys)
	assert.Empty(t, rest, "what never becomes a key is dropped")
}

func FuzzDecode(f *testing.F) {
	f.Add("a\x1b[A\x1b", 2)
	f.Fuzz(func(t *testing.T, typed string, cut int) {
		_, rest := decode([]byte(typed), true)
		require.Empty(t, rest)
		whole, _ := decode([]byte(typed), false)
		if cut < 0 || cut > len(typed) {
			return
		}
		first, rest := decode([]byte(typed[:cut]), false)
		second, _ := decode(append(rest, typed[cut:]...), false)
		require.Equal(t, whole, append(first, second...))
	})
}

func rows(n int) (rows []string) {
	for i := range n {
		rows = append(rows, fmt.Sprintf("account-%02d  %012d", i, i))
	}
	return rows
}

func pressAll(l *list, keys ...key) {
	for _, k := range keys {
		l.press(k)
	}
}

func TestFilter(t *testing.T) {
	l := newList("Which?", []string{"sredev  111111111111", "Connected Homes  222222222222", "sreprod  333333333333"})
	for query, want := range map[string]int{"prd": 2, "homes": 1, "222": 1, "CONHOM": 1, "sred": 0} {
		l.press(keyEraseAll)
		for _, r := range query {
			l.press(key(r))
		}
		i, isChosen := l.chosen()
		assert.True(t, isChosen)
		assert.Equal(t, want, i, query)
	}
	pressAll(l, keyEraseAll, 'q', 'q')
	_, isChosen := l.chosen()
	assert.False(t, isChosen)
	pressAll(l, keyDown, keyUp, keyErase, keyErase, keyErase, 'a', ' ', 'b', ' ', keyEraseWord)
	assert.Equal(t, "a ", l.query)
	pressAll(l, keyEraseWord)
	assert.Empty(t, l.query)
	assert.Len(t, l.found, 3)
	pressAll(l, keyDown, keyDown, keyDown)
	i, _ := l.chosen()
	assert.Equal(t, 2, i, "the mark stays on the last one")
}

func TestLines(t *testing.T) {
	l := newList("Which?", rows(30))
	lines, column := l.lines(80, 24)
	require.Len(t, lines, 1+maxBelow)
	assert.Equal(t, "Which? ", lines[0])
	assert.Equal(t, 7, column)
	assert.Equal(t, "> account-00  000000000000", lines[1])
	assert.Equal(t, "  30 of 30; Enter takes, Esc leaves", lines[maxBelow])

	pressAll(l, keyPageDown, keyPageDown)
	lines, _ = l.lines(80, 24)
	assert.Equal(t, "> account-16  000000000016", lines[9], "the marked one is the last that is shown")
	pressAll(l, keyUp)
	lines, _ = l.lines(80, 24)
	assert.Equal(t, "> account-15  000000000015", lines[8])

	for height := range 12 {
		lines, _ = l.lines(12, height)
		assert.LessOrEqual(t, len(lines), max(height, 1))
		if height > 1 {
			assert.Contains(t, lines, "> account-15", "height %d", height)
		}
		for _, line := range lines {
			assert.LessOrEqual(t, len(line), 12)
		}
	}
	for _, r := range "a-long-name" {
		l.press(key(r))
	}
	lines, column = l.lines(10, 5)
	assert.Equal(t, "long-name", lines[0])
	assert.Equal(t, 9, column)
	assert.Equal(t, strings.Repeat("世", 5), cut(strings.Repeat("世", 9), 5))
}
