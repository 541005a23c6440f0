package server

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/chaim-go/chaim/gateway/internal/recent"
)

// Limits for callers.
const (
	keysPerSecond = 30  // of a user
	keysAtOnce    = 300 // so that "chaim each" gets through many accounts

	guessesPerMinute = 10 // wrong tokens from an address

	firstPause = time.Second // doubles with each further guess
	maxPause   = time.Minute
)

// Limits are those of all callers. The zero value is ready. Do not copy them.
type Limits struct {
	Users   Users
	Guesses Guesses
}

// Users limits how often each user may ask. The zero value is ready. Any number of goroutines may use it.
type Users struct {
	mu    sync.Mutex
	known recent.Map[string, *rate.Limiter]
}

// Admit counts a request of a user, if it may go on. Else it returns how long the user should wait. Call it only when the
// token is right, so that a stranger cannot use up the limit of a user.
func (u *Users) Admit(name string) (pause time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	limiter := u.known.Get(name, func() *rate.Limiter { return rate.NewLimiter(keysPerSecond, keysAtOnce) })
	if limiter.Allow() {
		return 0
	}
	missing := 1 - limiter.Tokens()
	return max(time.Millisecond, time.Duration(missing*float64(time.Second)/keysPerSecond))
}

// Guesses counts wrong tokens by address. It never concerns a right token: an address with too many wrong ones is told to
// pause when it sends the next wrong one. The zero value is ready. Any number of goroutines may use it.
type Guesses struct {
	mu    sync.Mutex
	known recent.Map[netip.Prefix, *guesses]
}

// guesses are those of one address.
type guesses struct {
	limiter *rate.Limiter
	excess  int // guesses beyond the limit since the address was last quiet
}

// Failed counts a wrong token. If there were too many, it returns a pause that grows with each further one. Addresses of IPv6
// count by network, because a host has a whole /64. Unknown addresses count together.
func (g *Guesses) Failed(from netip.Addr) (pause time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	known := g.known.Get(recent.Network(from), func() *guesses {
		return &guesses{limiter: rate.NewLimiter(rate.Every(time.Minute/guessesPerMinute), guessesPerMinute)}
	})
	if known.limiter.Tokens() >= guessesPerMinute {
		known.excess = 0
	}
	if known.limiter.Allow() {
		return 0
	}
	pause = known.pause()
	known.excess++
	return pause
}

// Pause returns the pause that the next failure would bring, without counting one.
func (g *Guesses) Pause(from netip.Addr) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	known, isKnown := g.known.Find(recent.Network(from))
	if !isKnown || known.limiter.Tokens() >= 1 {
		return 0
	}
	return known.pause()
}

func (g *guesses) pause() time.Duration { return min(firstPause<<min(g.excess, 16), maxPause) }
