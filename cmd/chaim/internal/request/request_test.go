package request

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestDurationFlag(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1": time.Hour, " 12 ": 12 * time.Hour, "900": 15 * time.Minute, "43200": 12 * time.Hour,
		"15m": 15 * time.Minute, "1h30m": 90 * time.Minute, "1.5h": 90 * time.Minute, "12h": 12 * time.Hour,
	} {
		var d Duration
		assert.NoError(t, d.Set(text), text)
		assert.Equal(t, want, time.Duration(d), text)
	}
	for _, text := range []string{
		"", "0", "-1", "13", "899", "43201", "1.5", "14m59s", "12h1s", "1h0.5s", "-2h", "9223372036854775807h",
		// In nanoseconds these are 1 hour and 20 minutes modulo 2^64.
		"36028797018967568", "36028797018965168", "18446744073709555216", "9223372036854775807",
	} {
		var d Duration
		assert.ErrorContains(t, d.Set(text), "not between 15 minutes and 12 hours", text)
		assert.Zero(t, d, text)
	}
}
