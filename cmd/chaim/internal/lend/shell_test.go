package lend

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestShellProfile(t *testing.T) {
	for want, of := range map[string][2]string{
		"sredev-rro-*":                  {"sredev", "rro"},
		"Connected-Homes-mpu-*":         {"Connected Homes", "mpu"},
		"111111111111-Admin-*":          {"111111111111", "arn:aws:iam::111111111111:role/path/Admin"},
		"keys-*":                        {"keys", ""},
		strings.Repeat("a", 100) + "-*": {strings.Repeat("a", 100) + "more", "rro"},
	} {
		assert.Equal(t, want, shellProfile(of[0], of[1]))
	}
}

func TestGreeting(t *testing.T) {
	now := time.Date(2026, 1, 2, 14, 4, 0, 0, time.UTC)
	lent := lentKeys{account: "sredev", role: "rro"}
	assert.Equal(t, "sredev as rro until 15:04, renewed before that; exit or Ctrl-D gives the keys back", lent.greeting(now.Add(time.Hour), now))
	lent = lentKeys{account: "a\x1bb", role: "arn:aws:iam::111111111111:role/Admin", areFixed: true}
	assert.Equal(t, `"a\x1bb" as Admin until 2026-01-03 02:04; exit or Ctrl-D gives the keys back`, lent.greeting(now.Add(12*time.Hour), now))
	assert.Equal(t, "keys; exit or Ctrl-D gives the keys back", lentKeys{account: "keys"}.greeting(time.Time{}, now))
}

// watched is a shell, and the lines that the person at it was told, by the time since the beginning.
type watched struct {
	mu         sync.Mutex // guards what follows
	end        time.Time
	areLast    bool
	isAtPrompt bool
}

func (w *watched) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

func watch(t *testing.T, areFixed bool, lifetime time.Duration, during func(w *watched)) map[time.Duration]string {
	t.Helper()
	zone := time.Local
	defer func() { time.Local = zone }()
	time.Local = time.UTC
	told := map[time.Duration]string{}
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		w := &watched{end: began.Add(lifetime), areLast: areFixed, isAtPrompt: true}
		over, ended := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(ended)
			endWatch{
				lent: lentKeys{"sredev", "rro", areFixed},
				expires: func() (end time.Time, areLast bool) {
					w.set(func() { end, areLast = w.end, w.areLast })
					return end, areLast
				},
				isAtPrompt: func() (is bool) {
					w.set(func() { is = w.isAtPrompt })
					return is
				},
				tell: func(line string) { told[time.Since(began)] = line },
			}.run(over)
		}()
		during(w)
		synctest.Wait()
		close(over)
		<-ended
	})
	return told
}

// after lets a time pass, at the end of which nothing else runs.
func after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestEndIsTold(t *testing.T) {
	const fixed = "the keys of sredev as rro end at 01:00 and are not renewed"
	told := watch(t, true, time.Hour, func(*watched) { after(2 * time.Hour) })
	assert.Equal(t, map[time.Duration]string{50 * time.Minute: fixed}, told, "once, 10 minutes ahead")

	told = watch(t, true, time.Hour, func(w *watched) {
		w.set(func() { w.isAtPrompt = false })
		after(55*time.Minute + time.Millisecond)
		w.set(func() { w.isAtPrompt = true })
		after(time.Hour)
	})
	assert.Equal(t, map[time.Duration]string{55*time.Minute + 2*time.Second: fixed}, told, "as soon as the shell is at its prompt")

	told = watch(t, true, time.Hour, func(w *watched) {
		w.set(func() { w.isAtPrompt = false })
		after(time.Hour)
		w.set(func() { w.isAtPrompt = true })
		after(time.Hour)
	})
	assert.Empty(t, told, "not after the end")

	told = watch(t, true, 0, func(w *watched) {
		w.set(func() { w.end = time.Time{} })
		after(time.Hour)
	})
	assert.Empty(t, told, "keys without an end")
}

func TestFailedRenewalIsTold(t *testing.T) {
	told := watch(t, false, time.Hour, func(*watched) { after(2 * time.Hour) })
	assert.Empty(t, told, "keys that are renewed")

	told = watch(t, false, time.Hour, func(w *watched) {
		after(40 * time.Minute)
		w.set(func() { w.areLast = true })
		after(11 * time.Minute)
		w.set(func() { w.end, w.areLast = w.end.Add(time.Hour), false })
		after(40 * time.Minute)
		w.set(func() { w.areLast = true })
		after(time.Hour)
	})
	assert.Equal(t, map[time.Duration]string{
		50 * time.Minute:  "the keys of sredev as rro end at 01:00 unless renewing them succeeds, which has failed so far",
		110 * time.Minute: "the keys of sredev as rro end at 02:00 unless renewing them succeeds, which has failed so far",
	}, told)
}
