package promise

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

var keyID = regexp.MustCompile(`'accesskeyid': '(ASIA[0-9A-Z]+)'`)

// crowd is 50 people who ask for keys all the time. Some hang up before the answer.
type crowd struct {
	url     string
	witness *witness

	mu       sync.Mutex
	answered []string       // access key ids
	unproven []string       // those of which the database did not know, once they were answered
	refused  map[string]int // how often which other answer came
	working  sync.WaitGroup
	stop     context.CancelFunc
}

// gather starts the crowd. It works until disperse.
func gather(t *testing.T, g *replica, w *witness) *crowd {
	ctx, stop := context.WithCancel(t.Context())
	c := &crowd{url: g.url, witness: w, refused: map[string]int{}, stop: stop}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 50}}
	for _, l := range g.users {
		c.working.Go(func() {
			for ctx.Err() == nil {
				c.ask(ctx, client, l)
			}
		})
	}
	t.Cleanup(c.disperse)
	return c
}

// disperse ends the crowd's work and waits for it.
func (c *crowd) disperse() {
	c.stop()
	c.working.Wait()
}

// ask asks once for keys.
func (c *crowd) ask(ctx context.Context, client *http.Client, l login) {
	asking := ctx
	if rand.IntN(10) == 0 { // hangs up
		hangUp, cancel := context.WithTimeout(ctx, rand.N(20*time.Millisecond))
		defer cancel()
		asking = hangUp
	}
	form := url.Values{"text": {"sredev,rro,1"}, "user_name": {l.user}, "token": {l.token}, "useragent": {"promise 1"}}
	req, err := http.NewRequestWithContext(asking, http.MethodPost, c.url, strings.NewReader(form.Encode()))
	if err != nil {
		panic(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := client.Do(req)
	if err != nil {
		pause(ctx, 2*time.Millisecond) // the gateway is dead
		return
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return
	}
	var envelope struct{ StatusCode, Text string }
	if err := json.Unmarshal(body, &envelope); err != nil || envelope.StatusCode != "200" {
		c.note(fmt.Sprintf("HTTP %d, %.120s", resp.StatusCode, envelope.Text))
		pause(ctx, 2*time.Millisecond)
		return
	}
	id := keyID.FindStringSubmatch(envelope.Text)
	if id == nil {
		c.note("no key id in a good answer")
		return
	}
	isIssued, err := c.witness.isIssued(ctx, id[1])
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answered = append(c.answered, id[1])
	if err == nil && !isIssued {
		c.unproven = append(c.unproven, id[1])
	}
}

// count is how many keys were answered.
func (c *crowd) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.answered)
}

// refusals is how many other answers came.
func (c *crowd) refusals() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, times := range c.refused {
		n += times
	}
	return n
}

func (c *crowd) note(answer string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused[answer]++
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
