package humantime

import (
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestUntil(t *testing.T) {
	now := time.Date(2026, 3, 28, 13, 20, 22, 0, time.UTC)
	for left, want := range map[time.Duration]string{
		-time.Hour:                                "has expired",
		0:                                         "has expired",
		time.Nanosecond:                           "in 1 second at 13:20:22",
		400 * time.Millisecond:                    "in 1 second at 13:20:22",
		time.Second:                               "in 1 second at 13:20:23",
		42 * time.Second:                          "in 42 seconds at 13:21:04",
		59*time.Second + 499*time.Millisecond:     "in 59 seconds at 13:21:21",
		59*time.Second + 500*time.Millisecond:     "in 1 minute at 13:21:21",
		59*time.Second + 600*time.Millisecond:     "in 1 minute at 13:21:21",
		time.Minute:                               "in 1 minute at 13:21:22",
		89 * time.Second:                          "in 1 minute at 13:21:51",
		90 * time.Second:                          "in 2 minutes at 13:21:52",
		43 * time.Minute:                          "in 43 minutes at 14:03:22",
		59*time.Minute + 29*time.Second:           "in 59 minutes at 14:19:51",
		59*time.Minute + 30*time.Second:           "in 1 hour at 14:19:52",
		time.Hour:                                 "in 1 hour at 14:20:22",
		89 * time.Minute:                          "in 1 hour at 14:49:22",
		119 * time.Minute:                         "in 2 hours at 15:19:22",
		10*time.Hour + 39*time.Minute:             "in 11 hours at 23:59:22",
		10*time.Hour + 40*time.Minute:             "in 11 hours on 2026-03-29 at 00:00:22",
		23*time.Hour + 29*time.Minute:             "in 23 hours on 2026-03-29 at 12:49:22",
		23*time.Hour + 59*time.Minute + 40*1e9:    "in 1 day on 2026-03-29 at 13:20:02",
		24 * time.Hour:                            "in 1 day on 2026-03-29 at 13:20:22",
		36 * time.Hour:                            "in 2 days on 2026-03-30 at 01:20:22",
		20 * 24 * time.Hour:                       "in 20 days on 2026-04-17 at 13:20:22",
		365*24*time.Hour + 400*time.Millisecond:   "in 365 days on 2027-03-28 at 13:20:22",
		290*365*24*time.Hour + 5*time.Millisecond: "in 105850 days on 2316-01-18 at 13:20:22",
	} {
		assert.Equal(t, want, Until(now.Add(left), now), left)
	}
	assert.Equal(t, "unknown", Until(time.Time{}, now))
	assert.Equal(t, "in 2912356 days on 9999-12-31 at 23:59:59", Until(time.Unix(253402300799, 0), now), "beyond a time.Duration")
}

// TestUntilNeverRoundsUpToTheNextUnit tries each fourth second of two days.
func TestUntilNeverRoundsUpToTheNextUnit(t *testing.T) {
	now := time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC)
	rounded := regexp.MustCompile(`^in (0|60 seconds|60 minutes|24 hours|1 \w+s|[2-9]\d* \w+[^s]) `)
	for left := time.Millisecond; left < 48*time.Hour; left += 4 * time.Second {
		if text := Until(now.Add(left), now); rounded.MatchString(text) {
			t.Fatalf("%s: %s", left, text)
		}
	}
}

func TestUntilSpeaksInTheZoneOfNow(t *testing.T) {
	east := time.FixedZone("", 2*60*60)
	now := time.Date(2026, 3, 28, 23, 50, 0, 0, east)
	end := time.Date(2026, 3, 28, 21, 55, 0, 0, time.UTC)
	assert.Equal(t, "in 5 minutes at 23:55:00", Until(end, now))
	assert.Equal(t, "in 15 minutes on 2026-03-29 at 00:05:00", Until(end.Add(10*time.Minute), now))
	assert.Equal(t, "in 15 minutes at 22:05:00", Until(end.Add(10*time.Minute), now.UTC()))
}

func TestShort(t *testing.T) {
	now := time.Date(2026, 3, 28, 13, 20, 22, 0, time.FixedZone("", 2*60*60))
	for left, want := range map[time.Duration]string{
		-time.Hour:                            "expired",
		0:                                     "expired",
		time.Nanosecond:                       "1s (13:20)",
		59*time.Second + 499*time.Millisecond: "59s (13:21)",
		59*time.Second + 500*time.Millisecond: "1m (13:21)",
		89 * time.Second:                      "1m (13:21)",
		54 * time.Minute:                      "54m (14:14)",
		59*time.Minute + 29*time.Second:       "59m (14:19)",
		59*time.Minute + 30*time.Second:       "1h (14:19)",
		125 * time.Minute:                     "2h05m (15:25)",
		12 * time.Hour:                        "12h (01:20)",
		23*time.Hour + 59*time.Minute:         "23h59m (13:19)",
		24 * time.Hour:                        "24h (2026-03-29 13:20)",
		20 * 24 * time.Hour:                   "20d (2026-04-17 13:20)",
	} {
		assert.Equal(t, want, Short(now.Add(left).UTC(), now), left)
	}
	assert.Equal(t, "unknown", Short(time.Time{}, now))
	assert.Equal(t, "2912357d (9999-12-31 23:59)", Short(time.Unix(253402300799, 0), now.UTC()), "beyond a time.Duration")
}

func TestInstant(t *testing.T) {
	for text, want := range map[string]int64{
		"1536139015":                1536139015,
		"1536139015.99":             1536139015,
		"1.536139015e9":             1536139015,
		"253402300799":              253402300799,
		"1536139015123":             1536139015,
		"1536139015123.5":           1536139015,
		"2018-09-05T09:16:55Z":      1536139015,
		"2018-09-05T09:16:55.9Z":    1536139015,
		"2018-09-05T11:16:55+02:00": 1536139015,
		"2018-09-05T11:16:55+0200":  1536139015,
		"2018-09-05 09:16:55+00:00": 1536139015,
	} {
		got, isTime := Instant(text)
		assert.True(t, isTime, text)
		assert.Equal(t, time.Unix(want, 0), got, text)
	}
	for _, text := range []string{
		"", " ", "0", "-1", "-1536139015123", "NaN", "Inf", "1e400", "99999999999999999999", "9223372036854775807", "notset",
		"2018-09-05T09:16:55", "2018-09-05 09:16:55", "2018-09-05", "1969-12-31T23:59:59Z", "2018-13-05T09:16:55Z",
	} {
		_, isTime := Instant(text)
		assert.False(t, isTime, text)
	}
}

func TestExpiry(t *testing.T) {
	now := time.Now().UTC()
	for text, want := range map[string]int64{
		"1536139015": 1536139015, "2018-09-05T09:16:55Z": 1536139015, "4102444800": 4102444800,
		"0": 0, "-5": 0, "-1.5": 0, "0.0": 0, "-Inf": 0, "-1536139015123": 0,
		"2018-09-05 09:16:55": 1536139015, "2018-09-05T09:16:55": 1536139015, "2018-09-05T09:16:55.123456": 1536139015,
		now.Add(-15 * time.Hour).Format(time.DateTime): now.Add(-15 * time.Hour).Unix(),
	} {
		got, isTime := Expiry(text)
		assert.True(t, isTime, text)
		assert.Equal(t, time.Unix(want, 0), got, text)
	}
	for _, text := range []string{
		"", "notset", "NaN", "1e400", now.Format(time.DateTime), now.Add(-13 * time.Hour).Format(time.DateTime),
		now.Add(time.Hour).Format("2006-01-02T15:04:05.000000"), "2018-09-05",
	} {
		_, isTime := Expiry(text)
		assert.False(t, isTime, text)
	}
}

func TestLifetime(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1": time.Hour, "12": 12 * time.Hour, "900": 15 * time.Minute, "5400": 90 * time.Minute, "43200": 12 * time.Hour,
	} {
		got, isLifetime := Lifetime(text)
		assert.True(t, isLifetime, text)
		assert.Equal(t, want, got, text)
	}
	for _, text := range []string{
		"", "0", "-1", "13", "899", "43201", "99999", "3600.0", "1h",
		"36028797018967568", "36028797018963968", "18446744073709551617", "9223372036854775807", "-9223372036854775808",
	} {
		_, isLifetime := Lifetime(text)
		assert.False(t, isLifetime, text)
	}
}
