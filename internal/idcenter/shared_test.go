package idcenter

import (
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestSharedStateEndsWithItsClient(t *testing.T) {
	c := &Center{StartURL: "https://ends.awsapps.com/start", Route: Route{HTTP: &http.Client{Timeout: time.Second}}}
	s := sharedOf(c)
	assert.Same(t, s, sharedOf(c))
	other := *c
	other.HTTP = &http.Client{Timeout: time.Second}
	assert.NotSame(t, s, sharedOf(&other))
	global := &Center{StartURL: c.StartURL, Route: Route{HTTP: http.DefaultClient}}
	assert.Same(t, sharedOf(global), sharedOf(global))
	c.HTTP, other.HTTP = nil, nil
	assert.Same(t, sharedOf(c), sharedOf(&other))
	count := func() (n int) {
		allShared.Range(func(key, _ any) bool {
			if key.(sharedKey).startURL == c.StartURL {
				n++
			}
			return true
		})
		return n
	}
	assert.Eventually(t, func() bool {
		runtime.GC()
		return count() == 2 // of the global client and of none
	}, 10*time.Second, time.Millisecond)
}
