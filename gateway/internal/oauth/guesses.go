package oauth

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/chaim-go/chaim/gateway/internal/recent"
)

const (
	freeGuesses = 5
	guessWindow = 10 * time.Minute // after the last wrong code all are forgotten
	firstPause  = 30 * time.Second // doubles with each further wrong code

	devicesPerMinute = 10 // that an address may begin
)

// guesses counts the codes that were typed wrong, by user and by address. The zero value is ready. Any number of goroutines may
// use it.
type guesses struct {
	mu       sync.Mutex
	users    recent.Map[string, *tries]
	networks recent.Map[netip.Prefix, *tries]
}

// tries are those of one user or address.
type tries struct {
	n    int
	last time.Time
}

// begin counts a code as wrong, unless the user or the address must pause. A code that turns out to be right is taken back. Right
// codes do not clear the count: a person who guesses can type codes of own programs between.
func (g *guesses) begin(user, from string, now time.Time) (takeBack func(), pause time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	both := []*tries{g.users.Get(user, newTries)}
	if addr, err := netip.ParseAddr(from); err == nil {
		both = append(both, g.networks.Get(recent.Network(addr), newTries))
	}
	for _, t := range both {
		pause = max(pause, t.pause(now))
	}
	if pause > 0 {
		return nil, pause
	}
	var undo []func()
	for _, t := range both {
		undo = append(undo, t.count(now))
	}
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		for _, do := range undo {
			do()
		}
	}, 0
}

func newTries() *tries { return &tries{} }

// pause returns how long it is until the next try.
func (t *tries) pause(now time.Time) time.Duration {
	if t.n < freeGuesses {
		return 0
	}
	wait := min(firstPause<<min(t.n-freeGuesses, 10), guessWindow)
	return max(0, t.last.Add(wait).Sub(now))
}

// count counts a try. undo is what takes it back.
func (t *tries) count(now time.Time) (undo func()) {
	if now.Sub(t.last) >= guessWindow {
		t.n = 0
	}
	before := t.last
	t.n, t.last = t.n+1, now
	return func() {
		t.n--
		if t.last.Equal(now) { // no other try came since
			t.last = before
		}
	}
}

// begun limits how many logins each address begins. The zero value is ready. Any number of goroutines may use it.
type begun struct {
	mu    sync.Mutex
	known recent.Map[netip.Prefix, *rate.Limiter]
}

// allow counts a login, if the address may begin one.
func (b *begun) allow(from netip.Addr) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.known.Get(recent.Network(from), func() *rate.Limiter {
		return rate.NewLimiter(rate.Every(time.Minute/devicesPerMinute), devicesPerMinute)
	}).Allow()
}
