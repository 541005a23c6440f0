//go:build dev

package chaim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDefaultDurationOfADevelopmentBuild(t *testing.T) {
	opts := Options{Account: "sredev"}
	require.NoError(t, opts.complete())
	assert.Equal(t, 15*time.Minute, opts.Duration)
}
