package server

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/internal/store"
)

func TestUsersMayAskThirtyTimesASecondAndThreeHundredAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var users Users
		var admitted atomic.Int64
		var running sync.WaitGroup
		for range 2 * keysAtOnce {
			running.Go(func() {
				if users.Admit("chris") == 0 {
					admitted.Add(1)
				}
			})
		}
		running.Wait()
		assert.EqualValues(t, keysAtOnce, admitted.Load())
		pause := users.Admit("chris")
		assert.InDelta(t, time.Second/keysPerSecond, pause, float64(time.Millisecond))
		assert.Equal(t, pause, users.Admit("chris"), "what is held back does not count")
		assert.Zero(t, users.Admit("anna"), "others are not concerned")
		time.Sleep(time.Second)
		for range keysPerSecond {
			assert.Zero(t, users.Admit("chris"))
		}
		assert.NotZero(t, users.Admit("chris"))
	})
}

func TestWrongTokensBringAGrowingPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Guesses
		from := netip.MustParseAddr("192.0.2.1")
		for range guessesPerMinute {
			require.Zero(t, g.Pause(from))
			require.Zero(t, g.Failed(from))
		}
		assert.Equal(t, firstPause, g.Pause(from))
		assert.Equal(t, firstPause, g.Pause(from), "a look counts nothing")
		assert.Zero(t, g.Pause(netip.MustParseAddr("192.0.2.2")))
		for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
			assert.Equal(t, want*time.Second, g.Failed(from))
		}
		assert.Equal(t, maxPause, g.Failed(netip.MustParseAddr("::ffff:192.0.2.1")), "the same address")
		assert.Zero(t, g.Failed(netip.MustParseAddr("192.0.2.2")), "another address")
		time.Sleep(2 * time.Minute)
		for range guessesPerMinute {
			assert.Zero(t, g.Failed(from))
		}
		assert.Equal(t, firstPause, g.Failed(from), "the pause grows anew")
	})
}

func TestGuessesCountByNetworkOfIPv6(t *testing.T) {
	var g Guesses
	for i := range guessesPerMinute {
		require.Zero(t, g.Failed(netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", i))))
	}
	assert.NotZero(t, g.Failed(netip.MustParseAddr("2001:db8::ffff:1")))
	assert.NotZero(t, g.Failed(netip.MustParseAddr("2001:db8::1%eth0")))
	assert.Zero(t, g.Failed(netip.MustParseAddr("2001:db8:0:1::1")))
	for range guessesPerMinute {
		require.Zero(t, g.Failed(netip.Addr{}))
	}
	assert.NotZero(t, g.Failed(netip.Addr{}), "unknown addresses count together")
}

func TestLimitsForgetNoneWhoGoesOn(t *testing.T) {
	var g Guesses
	busy := netip.MustParseAddr("203.0.113.1")
	for range guessesPerMinute {
		g.Failed(busy)
	}
	at := netip.MustParseAddr("10.0.0.0")
	for i := range 30_000 {
		g.Failed(at)
		at = at.Next()
		if i%1000 == 0 {
			require.NotZero(t, g.Failed(busy), "an address that goes on is not forgotten")
		}
	}
}

func TestMetrics(t *testing.T) {
	m := NewMetrics()
	w := Watcher{Metrics: m, Guesses: &Guesses{}}
	w.Asked("issued", "cca 4.1")
	w.Asked("issued", "CCA 4.2")
	w.Asked(string(issue.NotAllowed), "chaim-go 0.1.0")
	for i := range 1000 {
		w.Asked(fmt.Sprintf("result%d", i), fmt.Sprintf("CANARY%d", i))
		m.Stage(fmt.Sprintf("stage%d", i), time.Second)
	}
	m.Stage("sts", 40*time.Millisecond)
	m.Appended(7, time.Millisecond)
	m.IntentsOpen(3, time.Minute)
	m.Ended(store.Withheld)
	m.Ended("CANARY")
	for range guessesPerMinute {
		require.Zero(t, w.TokenFailed(netip.MustParseAddr("192.0.2.1")))
	}
	assert.NotZero(t, w.TokenFailed(netip.MustParseAddr("192.0.2.1")))

	require.NoError(t, testutil.GatherAndCompare(m.registry, strings.NewReader(`
# HELP chaim_issue_total Answered requests for keys, by result and by the caller's program.
# TYPE chaim_issue_total counter
chaim_issue_total{client="cca",result="issued"} 2
chaim_issue_total{client="chaim-go",result="not_allowed"} 1
chaim_issue_total{client="other",result="other"} 1000
# HELP chaim_issue_ends_total Issues that have ended, by their state: issued, failed, withheld or unknown.
# TYPE chaim_issue_ends_total counter
chaim_issue_ends_total{state="other"} 1
chaim_issue_ends_total{state="withheld"} 1
# HELP chaim_auth_failures_total Requests with a wrong token, or for a console link with keys that are not those of the user.
# TYPE chaim_auth_failures_total counter
chaim_auth_failures_total 11
# HELP chaim_intents_open Issues that were allowed and have no end yet.
# TYPE chaim_intents_open gauge
chaim_intents_open 3
`), "chaim_issue_total", "chaim_issue_ends_total", "chaim_auth_failures_total", "chaim_intents_open"))
	for name, want := range map[string]int{"chaim_issue_seconds": 2, "chaim_audit_append_seconds": 1, "chaim_audit_batch_size": 1} {
		n, err := testutil.GatherAndCount(m.registry, name)
		require.NoError(t, err)
		assert.Equal(t, want, n, name)
	}
	problems, err := testutil.GatherAndLint(m.registry)
	require.NoError(t, err)
	assert.Empty(t, problems)
}
