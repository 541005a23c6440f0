//go:build dev

package keys

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestDefaultsOfADevelopmentBuild(t *testing.T) {
	assert.Equal(t, 15*time.Minute, DefaultDuration)
	assert.Equal(t, "asia-dev-", SessionPrefix)
}
