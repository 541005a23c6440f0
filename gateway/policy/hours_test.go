package policy

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func windows(t testing.TB, texts ...string) (all []window) {
	zones := zones{}
	for _, h := range hours(texts...) {
		zone, err := zones.load(h.Zone)
		require.NoError(t, err)
		all = append(all, newWindow(h, zone))
	}
	return all
}

func TestHoursAreOpenWhileTheClocksShowATimeWithinThem(t *testing.T) {
	for name, tc := range map[string]struct {
		hours []string
		at    string
		until string // empty if they are closed
	}{
		"first second":             {[]string{"Mon-Fri 07:00-20:00 Europe/London"}, "2026-01-05T07:00:00Z", "2026-01-05T20:00:00Z"},
		"before":                   {[]string{"Mon-Fri 07:00-20:00 Europe/London"}, "2026-01-05T06:59:59Z", ""},
		"last second":              {[]string{"Mon-Fri 07:00-20:00 Europe/London"}, "2026-01-05T19:59:59Z", "2026-01-05T20:00:00Z"},
		"after":                    {[]string{"Mon-Fri 07:00-20:00 Europe/London"}, "2026-01-05T20:00:00Z", ""},
		"summer time":              {[]string{"Mon-Fri 07:00-20:00 Europe/London"}, "2026-07-06T06:00:00Z", "2026-07-06T19:00:00Z"},
		"weekend":                  {[]string{"Mon-Fri 07:00-20:00 Europe/London"}, "2026-01-04T12:00:00Z", ""},
		"day of the zone":          {[]string{"Mon 00:00-24:00 Pacific/Auckland"}, "2026-07-05T12:00:00Z", "2026-07-06T12:00:00Z"},
		"over midnight, evening":   {[]string{"Fri 22:00-06:00 UTC"}, "2026-01-09T23:00:00Z", "2026-01-10T06:00:00Z"},
		"over midnight, morning":   {[]string{"Fri 22:00-06:00 UTC"}, "2026-01-10T05:00:00Z", "2026-01-10T06:00:00Z"},
		"over midnight, too early": {[]string{"Fri 22:00-06:00 UTC"}, "2026-01-09T05:00:00Z", ""},
		"until midnight":           {[]string{"Fri 22:00-00:00 UTC"}, "2026-01-09T23:00:00Z", "2026-01-10T00:00:00Z"},
		"over the end of a week":   {[]string{"Sat 22:00-02:00 UTC"}, "2026-01-11T01:00:00Z", "2026-01-11T02:00:00Z"},
		"whole days touch":         {[]string{"Mon-Fri 00:00-24:00 UTC"}, "2026-01-08T23:50:00Z", "2026-01-10T00:00:00Z"},
		"windows touch":            {[]string{"Mon 12:00-13:00 UTC", "Mon 09:00-12:00 UTC"}, "2026-01-05T11:59:00Z", "2026-01-05T13:00:00Z"},
		"windows of two zones":     {[]string{"Mon 09:00-12:00 UTC", "Mon 12:30-14:00 Europe/Paris"}, "2026-01-05T09:00:00Z", "2026-01-05T13:00:00Z"},
		"windows apart":            {[]string{"Mon 09:00-12:00 UTC", "Mon 12:01-14:00 UTC"}, "2026-01-05T09:00:00Z", "2026-01-05T12:00:00Z"},

		// On 2026-03-29 clocks in London go from 01:00 to 02:00, on 2026-10-25 from 02:00 back to 01:00.
		"spring, across":                {[]string{"Sun 00:30-03:00 Europe/London"}, "2026-03-29T00:30:00Z", "2026-03-29T02:00:00Z"},
		"spring, end in the gap":        {[]string{"Sun 00:30-01:30 Europe/London"}, "2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z"},
		"spring, start in the gap":      {[]string{"Sun 01:30-03:00 Europe/London"}, "2026-03-29T00:59:59Z", ""},
		"spring, behind the gap":        {[]string{"Sun 01:30-03:00 Europe/London"}, "2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"},
		"spring, all in the gap":        {[]string{"Sun 01:00-02:00 Europe/London"}, "2026-03-29T01:00:00Z", ""},
		"autumn, across":                {[]string{"Sun 00:30-03:00 Europe/London"}, "2026-10-25T00:00:00Z", "2026-10-25T03:00:00Z"},
		"autumn, end in the first":      {[]string{"Sun 00:30-01:30 Europe/London"}, "2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z"},
		"autumn, open again":            {[]string{"Sun 00:30-01:30 Europe/London"}, "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z"},
		"autumn, closed between":        {[]string{"Sun 00:30-01:30 Europe/London"}, "2026-10-25T00:45:00Z", ""},
		"autumn, the repeated hour":     {[]string{"Sun 01:00-02:00 Europe/London"}, "2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z"},
		"autumn, back before the start": {[]string{"Sun 01:30-03:00 Europe/London"}, "2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z"},
		"spring, over midnight":         {[]string{"Sat 22:00-06:00 Europe/London"}, "2026-03-28T22:00:00Z", "2026-03-29T05:00:00Z"},
		"autumn, over midnight":         {[]string{"Sat 22:00-06:00 Europe/London"}, "2026-10-24T21:00:00Z", "2026-10-25T06:00:00Z"},
		"half an hour on Lord Howe":     {[]string{"Sun 00:00-06:00 Australia/Lord_Howe"}, "2026-04-04T13:00:00Z", "2026-04-04T19:30:00Z"},
		"a zone without quarter hours":  {[]string{"Mon 09:00-17:00 Asia/Kathmandu"}, "2026-01-05T03:15:00Z", "2026-01-05T11:15:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			start := at(tc.at)
			until, isOpen := openUntil(windows(t, tc.hours...), start, start.Add(48*time.Hour))
			assert.Equal(t, tc.until != "", isOpen)
			if isOpen {
				assert.Equal(t, tc.until, until.UTC().Format(time.RFC3339))
			}
		})
	}
}

func TestHoursLookNoFurtherThanTheyMust(t *testing.T) {
	always := windows(t, "Mon-Sun 00:00-24:00 UTC")
	until, isOpen := openUntil(always, monday, monday.Add(12*time.Hour))
	assert.True(t, isOpen)
	assert.Equal(t, monday.Add(14*time.Hour), until.UTC(), "the first end behind the limit")
}

func TestHoursAreReadAndWritten(t *testing.T) {
	for text, want := range map[string]string{
		"Mon-Fri 07:00-20:00 Europe/London": "Mon-Fri 07:00-20:00 Europe/London",
		"mon,WED 07:00-00:00 UTC":           "Mon,Wed 07:00-24:00 UTC",
		"Sat-Mon 22:00-06:00 UTC":           "Mon,Sat,Sun 22:00-06:00 UTC",
		"Sun-Sat 00:00-24:00 UTC":           "Mon-Sun 00:00-24:00 UTC",
		"Fri,Sat,Sun 00:00-00:01 UTC":       "Fri-Sun 00:00-00:01 UTC",
		"Fri-Mon,Wed 10:00-10:01 UTC":       "Mon,Wed,Fri-Sun 10:00-10:01 UTC",
	} {
		h, err := ParseHours(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, h.String())
		again, err := ParseHours(h.String())
		require.NoError(t, err)
		assert.Equal(t, h, again)
	}
	for text, want := range map[string]string{
		"":                        "want days, times and a time zone",
		"Mon-Fri 07:00-20:00":     "want days, times and a time zone",
		"Mon-Fri 07:00 20:00 UTC": "want days, times and a time zone",
		"Mon- 07:00-20:00 UTC":    "is no day",
		"Monday 07:00-20:00 UTC":  "is no day",
		"Mon 7:00-20:00 UTC":      "times are written as",
		"Mon 07:00-24:01 UTC":     "times are written as",
		"Mon 07:60-20:00 UTC":     "times are written as",
		"Mon 07:00 UTC":           "times are written as",
		"Mon +7:00-20:00 UTC":     "times are written as",
		"Mon 24:00-06:00 UTC":     "write 00:00",
		"Mon 07:00-07:00 UTC":     "have no length",
	} {
		_, err := ParseHours(text)
		assert.ErrorContains(t, err, want, text)
	}
}

func TestTimeZonesOfThisMachineAreRefused(t *testing.T) {
	for _, zone := range []string{"", "Local", "local", "Nowhere/City", "../../etc/passwd", "/etc/localtime"} {
		_, err := zones{}.load(zone)
		assert.Error(t, err, zone)
	}
}
