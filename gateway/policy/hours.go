package policy

import (
	"fmt"
	"strings"
	"time"
)

// Hours is a time of the day on some days of the week, by the clocks of a time zone. It holds at an instant if the clocks on
// the walls show a time within it then. So an hour that clocks repeat in autumn counts twice, and one that they skip in
// spring does not exist.
type Hours struct {
	Days     Days
	From, To int    // minutes since midnight; if To is not after From, the hours end on the next day
	Zone     string // of the IANA database, such as "Europe/London"
}

// Days is a set of days of the week: bit 0 is Sunday.
type Days uint8

// Has reports whether the day is in the set.
func (d Days) Has(day time.Weekday) bool { return d&(1<<day) != 0 }

var dayNames = [...]string{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"}

// String returns the days as "Mon-Fri" or "Mon,Wed,Sat".
func (d Days) String() string {
	var runs []string
	for i := range 7 {
		first := (i + 1) % 7 // weeks are written from Monday
		if !d.Has(time.Weekday(first)) || i > 0 && d.Has(time.Weekday(i)) {
			continue
		}
		n := 1
		for i+n < 7 && d.Has(time.Weekday((first+n)%7)) {
			n++
		}
		last := dayNames[(first+n-1)%7]
		switch n {
		case 1:
			runs = append(runs, last)
		case 2:
			runs = append(runs, dayNames[first], last)
		default:
			runs = append(runs, dayNames[first]+"-"+last)
		}
	}
	return strings.Join(runs, ",")
}

// String returns the hours as [ParseHours] reads them.
func (h Hours) String() string {
	return fmt.Sprintf("%s %02d:%02d-%02d:%02d %s", h.Days, h.From/60, h.From%60, h.To/60, h.To%60, h.Zone)
}

// ParseHours reads hours such as "Mon-Fri 07:00-20:00 Europe/London". The days are names of three letters, ranges and commas:
// "Mon,Wed-Fri", "Sat-Mon". "Fri 22:00-06:00 UTC" begins on Friday and ends on Saturday; a whole day is "Sat 00:00-24:00 UTC".
// The time zone is only looked at by [Check] and [Compile].
func ParseHours(text string) (Hours, error) {
	const form = `hours %q: want days, times and a time zone as in "Mon-Fri 07:00-20:00 Europe/London"`
	fields := strings.Fields(text)
	if len(fields) != 3 {
		return Hours{}, fmt.Errorf(form, text)
	}
	days, err := parseDays(fields[0])
	if err != nil {
		return Hours{}, fmt.Errorf("hours %q: %w", text, err)
	}
	begin, end, _ := strings.Cut(fields[1], "-")
	from, isTime := parseClock(begin)
	to, isEnd := parseClock(end)
	switch {
	case !isTime || !isEnd:
		return Hours{}, fmt.Errorf(`hours %q: times are written as in "07:00-20:00"`, text)
	case from == 24*60:
		return Hours{}, fmt.Errorf("hours %q: write 00:00 for the start of a day", text)
	case from == to:
		return Hours{}, fmt.Errorf("hours %q have no length; write 00:00-24:00 for a whole day", text)
	case to == 0:
		to = 24 * 60
	}
	return Hours{Days: days, From: from, To: to, Zone: fields[2]}, nil
}

func parseDays(text string) (days Days, err error) {
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, to := dayOf(first), dayOf(last)
		if from < 0 || to < 0 {
			return 0, fmt.Errorf("%q is no day; the days are Mon, Tue, Wed, Thu, Fri, Sat and Sun", part)
		}
		for day := from; ; day = (day + 1) % 7 {
			days |= 1 << day
			if day == to {
				break
			}
		}
	}
	return days, nil
}

func dayOf(name string) int {
	for day, known := range dayNames {
		if strings.EqualFold(name, known) {
			return day
		}
	}
	return -1
}

// parseClock reads HH:MM, up to 24:00, as minutes.
func parseClock(text string) (minutes int, isTime bool) {
	if len(text) != len("07:00") || text[2] != ':' || strings.Trim(text[:2]+text[3:], "0123456789") != "" {
		return 0, false
	}
	hour, minute := int(text[0]-'0')*10+int(text[1]-'0'), int(text[3]-'0')*10+int(text[4]-'0')
	return hour*60 + minute, minute < 60 && (hour < 24 || hour == 24 && minute == 0)
}

// zones loads each time zone once.
type zones map[string]*time.Location

func (z zones) load(name string) (*time.Location, error) {
	if zone, isLoaded := z[name]; isLoaded {
		return zone, nil
	}
	// LoadLocation takes both for the zone of this machine, which is not the same everywhere.
	if name == "" || strings.EqualFold(name, "Local") {
		return nil, fmt.Errorf(`%q is no time zone; write one such as "Europe/London" or "UTC"`, name)
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("time zone %q: %w", name, err)
	}
	z[name] = zone
	return zone, nil
}

// window is Hours with its time zone loaded.
type window struct {
	days Days
	from int64 // seconds since midnight
	to   int64 // seconds since the same midnight, always after from
	zone *time.Location
}

func newWindow(h Hours, zone *time.Location) window {
	w := window{days: h.Days, from: int64(h.From) * 60, to: int64(h.To) * 60, zone: zone}
	if w.to <= w.from {
		w.to += daySeconds
	}
	return w
}

const daySeconds = 24 * 60 * 60

// end returns when the window that is open at an instant closes, or when the clocks change before that: what they show then
// must be looked at again. It returns false if the window is not open.
func (w window) end(at time.Time) (time.Time, bool) {
	local := at.In(w.zone)
	_, offset := local.Zone()
	shown := at.Unix() + int64(offset) // what the clocks show, as seconds
	second := (shown%daySeconds + daySeconds) % daySeconds
	midnight := shown - second
	weekday := local.Weekday()
	var end time.Time
	switch {
	case w.days.Has(weekday) && w.from <= second && second < w.to:
		end = time.Unix(midnight+w.to-int64(offset), 0)
	case w.days.Has((weekday+6)%7) && second+daySeconds < w.to:
		end = time.Unix(midnight-daySeconds+w.to-int64(offset), 0)
	default:
		return time.Time{}, false
	}
	if _, change := local.ZoneBounds(); !change.IsZero() && change.Before(end) {
		end = change
	}
	return end, true
}

// openUntil returns until when at least one of the windows is open without a gap, from an instant on. So windows that touch
// or overlap count as one. It looks no further than the first end behind limit. It returns false if none is open.
func openUntil(windows []window, at, limit time.Time) (time.Time, bool) {
	until := at
	for !until.After(limit) {
		next := until
		for _, w := range windows {
			if end, isOpen := w.end(until); isOpen && end.After(next) {
				next = end
			}
		}
		if next.Equal(until) {
			break
		}
		until = next
	}
	return until, until.After(at)
}
