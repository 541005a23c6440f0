package httpx

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/chaim-go/chaim/internal/keys"
)

func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
		for _, tt := range []struct {
			value, date string
			want        time.Duration
		}{
			{"", "", 0},
			{"0", "", 0},
			{"7", "", 7 * time.Second},
			{"007", "", 7 * time.Second},
			{"1.5", "", 2 * time.Second},
			{"0.001", "", time.Second},
			{"3.", "", 3 * time.Second},
			{"3.000", "", 3 * time.Second},
			{"1048576", "", maxPause},
			{"1048576.1", "", maxPause},
			{"1048577", "", maxPause},
			{"9223372036", "", maxPause},          // overflows in nanoseconds
			{"9223372036854775807", "", maxPause}, // the largest int64
			{"9223372036854775807.5", "", maxPause},
			{"9223372036854775808", "", maxPause},
			{"99999999999999999999999999", "", maxPause},
			{"-1", "", 0},
			{"-9223372036854775809", "", 0},
			{"+5", "", 0},
			{"1e9", "", 0},
			{"0x10", "", 0},
			{".5", "", 0},
			{"5s", "", 0},
			{"soon", "", 0},
			{"NaN", "", 0},
			{"Infinity", "", 0},
			{in(time.Minute), "", time.Minute},
			{in(-time.Minute), "", 0},
			{in(time.Minute), in(30 * time.Second), 30 * time.Second}, // the server's clock is ahead
			{in(time.Minute), in(-time.Hour), time.Hour + time.Minute},
			{in(time.Minute), "yesterday", time.Minute},
			{"Fri, 31 Dec 9999 23:59:59 GMT", "", maxPause},
			{"Mon, 01 Jan 0001 00:00:00 GMT", "", 0},
			{"Sunday, 06-Nov-94 08:49:37 GMT", "", 0},
			{"Sun Nov  6 08:49:37 1994", "", 0},
		} {
			h := http.Header{"Retry-After": {tt.value}, "Date": {tt.date}}
			assert.Equal(t, tt.want, PauseIn(h), "%q, %q", tt.value, tt.date)
		}
	})
}

func TestLongPauseIsTheCallers(t *testing.T) {
	for _, value := range []string{"31", "9223372036854775808", "1e9999", "30"} {
		synctest.Test(t, func(t *testing.T) {
			asked := 0
			pause := PauseIn(http.Header{"Retry-After": {value}})
			_ = new(Pace).Do(keys.WithSingleAttempt(t.Context(), false), func(context.Context) error {
				asked++
				return &Refusal{StatusCode: http.StatusServiceUnavailable, Pause: pause}
			})
			want := attempts
			if pause > maxRetryAfter {
				want = 1
			}
			assert.Equal(t, want, asked, value)
		})
	}
}
