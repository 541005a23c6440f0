package renewal

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSoftPoint(t *testing.T) {
	for _, tt := range []struct{ lifetime, from, to time.Duration }{
		{15 * time.Minute, 7*time.Minute + 30*time.Second, 10 * time.Minute},
		{time.Hour, 30 * time.Minute, 40 * time.Minute},
		{12 * time.Hour, 6 * time.Hour, 8 * time.Hour},
	} {
		assert.Equal(t, tt.from, softPoint(tt.lifetime, 0))
		assert.InDelta(t, tt.to, softPoint(tt.lifetime, 0.999999999), float64(time.Second))
	}
}

func TestLeftIsWhatTheEarlierClockSays(t *testing.T) {
	now := Now()
	h, err := Hold(validUntil(now.Wall.Add(time.Hour)), now, 0)
	require.NoError(t, err)
	assert.Equal(t, time.Hour, h.Left(now))
	assert.Equal(t, 50*time.Minute, h.Left(now.Add(10*time.Minute)))
	assert.Equal(t, 10*time.Minute, h.Left(Instant{now.Wall.Add(50 * time.Minute), now.Mono}), "as after a suspend")
	assert.Equal(t, 10*time.Minute, h.Left(Instant{now.Wall, now.Mono.Add(50 * time.Minute)}), "as after the clock was set back")
}
