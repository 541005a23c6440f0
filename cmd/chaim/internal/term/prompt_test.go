package term

import (
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReadSecret(t *testing.T) {
	for text, want := range map[string]string{"a": "a", " a b \r\n\n": "a b", strings.Repeat("a", maxInput): strings.Repeat("a", maxInput)} {
		got, err := ReadSecret(strings.NewReader(text))
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	for _, text := range []string{"", " \n", "CANARY\nb", "CANARY\rb", strings.Repeat("CANARY", maxInput)} {
		got, err := ReadSecret(strings.NewReader(text))
		require.Error(t, err)
		assert.Empty(t, got)
		assert.NotContains(t, err.Error(), "CANARY")
	}
}

func TestReadLine(t *testing.T) {
	in, out, err := os.Pipe()
	require.NoError(t, err)
	defer in.Close()
	_, err = io.WriteString(out, "one\n\ntwo")
	require.NoError(t, err)
	require.NoError(t, out.Close())
	for _, want := range []string{"one", "", "two"} {
		got, err := readLine(in)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	_, err = readLine(in)
	assert.ErrorIs(t, err, io.EOF)

	in, out, err = os.Pipe()
	require.NoError(t, err)
	defer in.Close()
	go func() {
		_, _ = io.WriteString(out, strings.Repeat("a", maxInput))
		_ = out.Close()
	}()
	_, err = readLine(in)
	assert.ErrorContains(t, err, "too long")
}
