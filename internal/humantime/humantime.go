// Package humantime tells people when something ends, and reads times as files and gateways write them.
package humantime

import (
	"fmt"
	"strconv"
	"time"
)

// Until says when end is, seen from now and in the time zone of now: "in 43 minutes at 14:03:22". Unless end is on the
// day of now, the date stands before the clock. An end that is not after now "has expired", and the zero time is
// "unknown".
func Until(end, now time.Time) string {
	switch {
	case end.IsZero():
		return "unknown"
	case !end.After(now):
		return "has expired"
	}
	end = end.In(now.Location())
	day := ""
	if date := end.Format(time.DateOnly); date != now.Format(time.DateOnly) {
		day = " on " + date
	}
	// A time.Duration holds 292 years at most, and the time in a file may be later.
	return "in " + words(end.UnixMilli()-now.UnixMilli()) + day + " at " + end.Format(time.TimeOnly)
}

// Short is Until in the few letters for which a table has room: "54m (16:03)", "2h05m (18:14)". If end is a day or more
// away, the date stands before the clock. An end that is not after now is "expired", and the zero time is "unknown".
func Short(end, now time.Time) string {
	switch {
	case end.IsZero():
		return "unknown"
	case !end.After(now):
		return "expired"
	}
	seconds := max(1, (end.UnixMilli()-now.UnixMilli()+500)/1000)
	minutes := (seconds + 30) / 60
	left, clock := fmt.Sprintf("%ds", seconds), "15:04"
	switch hours := minutes / 60; {
	case hours >= 48:
		left = fmt.Sprintf("%dd", (hours+12)/24)
	case hours > 0 && minutes%60 > 0:
		left = fmt.Sprintf("%dh%02dm", hours, minutes%60)
	case hours > 0:
		left = fmt.Sprintf("%dh", hours)
	case seconds >= 60:
		left = fmt.Sprintf("%dm", minutes)
	}
	if seconds >= 24*60*60 {
		clock = time.DateOnly + " " + clock
	}
	return left + " (" + end.In(now.Location()).Format(clock) + ")"
}

var units = []struct {
	name      string
	ms, limit int64 // limit units make one of the next unit
}{
	{"second", 1000, 60},
	{"minute", 60 * 1000, 60},
	{"hour", 60 * 60 * 1000, 24},
	{"day", 24 * 60 * 60 * 1000, 0},
}

// words rounds before it chooses the unit, so that it never says "60 minutes".
func words(ms int64) string {
	var n int64
	var name string
	for _, unit := range units {
		name = unit.name
		if n = max(1, (ms+unit.ms/2)/unit.ms); n < unit.limit {
			break
		}
	}
	if n == 1 {
		return "1 " + name
	}
	return fmt.Sprintf("%d %ss", n, name)
}

const maxUnix = 253402300799 // the end of the year 9999

// UnixSeconds accepts the forms in which gateways send a time, between 1970 and the year 9999.
func UnixSeconds(v any) (int64, bool) {
	var seconds float64
	switch v := v.(type) {
	case int64:
		return v, v > 0 && v <= maxUnix
	case float64:
		seconds = v
	case string:
		seconds, _ = strconv.ParseFloat(v, 64)
	}
	if seconds >= 1 && seconds <= maxUnix {
		return int64(seconds), true
	}
	return 0, false
}

// isoLayouts are forms of ISO 8601, with or without a fraction of a second. A time without a zone tells no instant.
var isoLayouts = []string{
	"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05Z0700", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05Z0700",
}

// Instant reads a time as tools write it into files: Unix seconds, with a fraction or not, milliseconds, or ISO 8601 with a
// zone. It drops fractions of a second. Any other text, and any time before 1970 or after the year 9999, is no time.
func Instant(text string) (time.Time, bool) {
	if unix, isSeconds := UnixSeconds(text); isSeconds {
		return time.Unix(unix, 0), true
	}
	if ms, err := strconv.ParseFloat(text, 64); err == nil && ms > maxUnix && ms <= maxUnix*1000 {
		return time.Unix(int64(ms/1000), 0), true
	}
	for _, layout := range isoLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			return time.Unix(t.Unix(), 0), t.Unix() > 0
		}
	}
	return time.Time{}, false
}

// localLayouts are forms of ISO 8601 without a zone, as Python writes a time.
var localLayouts = []string{"2006-01-02T15:04:05", time.DateTime}

// maxZone is more than any time zone is behind UTC.
const maxZone = 14 * time.Hour

// Expiry is [Instant] for the expiry of keys. It also knows two kinds of times that are certainly past: a number below 1,
// and a time without a zone that is past in each zone, which counts as UTC.
func Expiry(text string) (time.Time, bool) {
	if t, isTime := Instant(text); isTime {
		return t, true
	}
	if n, err := strconv.ParseFloat(text, 64); err == nil && n < 1 {
		return time.Unix(0, 0), true
	}
	for _, layout := range localLayouts {
		if t, err := time.Parse(layout, text); err == nil && time.Since(t) >= maxZone {
			return time.Unix(t.Unix(), 0), true
		}
	}
	return time.Time{}, false
}

// Lifetime reads the lifetime of keys as gateways take it: 1 to 12 are hours, and 900 to 43200 are seconds.
func Lifetime(text string) (time.Duration, bool) {
	n, err := strconv.Atoi(text)
	switch {
	case err != nil:
		return 0, false
	case 1 <= n && n <= 12:
		return time.Duration(n) * time.Hour, true
	case 900 <= n && n <= 43200:
		return time.Duration(n) * time.Second, true
	}
	return 0, false
}
