package term

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCrop(t *testing.T) {
	lines := []string{"1", "2", "3", "4"}
	assert.Equal(t, lines, Crop(lines, 5))
	assert.Equal(t, []string{"1", "2", "... and 2 more"}, Crop(lines, 4))
	assert.Equal(t, []string{"... and 4 more"}, Crop(lines, 1))
	assert.Equal(t, []string{"1", "2", "3", "4"}, lines)
}

func TestWriteJSON(t *testing.T) {
	want := []string{"a\x00\x1b\x7f\u009b\u202e\u2028", "\U0001f511 & <é>"}
	var b bytes.Buffer
	require.NoError(t, WriteJSON(&b, want))
	assert.NotRegexp(t, `[^ -~\n]`, b.String())
	var got []string
	require.NoError(t, json.Unmarshal(b.Bytes(), &got))
	assert.Equal(t, want, got)
}
