//go:build faults

package promise

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/idp/idptest"
	"github.com/chaim-go/chaim/internal/httpx"
)

// visitors are people who sign in with browsers, look at their accounts and sign out.
type visitors struct {
	fleet    *fleet
	url      string // of the gateway
	provider *idptest.Provider

	mu      sync.Mutex
	visits  int            // that went well
	answers map[string]int // others
	slowest time.Duration
}

// visit is one visit of a new browser. Its error names the answer that ended it.
func (v *visitors) visit(ctx context.Context, t *testing.T, browser *http.Client) error {
	begun, err := v.get(ctx, browser, "auth/login?next=/accounts", http.StatusSeeOther, "")
	if err != nil {
		return err
	}
	back := v.provider.SignIn(t, begun.Get("Location"))
	if _, err = v.get(ctx, browser, "auth/callback/corp?"+back.Encode(), http.StatusSeeOther, ""); err != nil {
		return err
	}
	_, err = v.get(ctx, browser, "accounts", http.StatusOK, "sredev")
	return err
}

// get gets a page that has a status and a text.
func (v *visitors) get(ctx context.Context, browser *http.Client, path string, status int, text string) (http.Header, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, v.url+path, nil)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	resp, err := browser.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	v.mu.Lock()
	v.slowest = max(v.slowest, time.Since(start))
	v.mu.Unlock()
	where, _, _ := strings.Cut(path, "?")
	switch {
	case err != nil:
		return nil, err
	case resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") == "":
		return nil, fmt.Errorf("%s: 503 without Retry-After", where)
	case resp.StatusCode != status || !strings.Contains(string(body), text):
		return nil, fmt.Errorf("%s: %s", where, resp.Status)
	}
	return resp.Header, nil
}

// browser is a new browser, which reaches a replica under the address of the gateway.
func (v *visitors) browser() *http.Client {
	jar, _ := cookiejar.New(nil) // never fails
	return &http.Client{Jar: jar, CheckRedirect: httpx.RefuseRedirect, Transport: &http.Transport{DialContext: v.fleet.dial, DisableKeepAlives: true}}
}

// come lets visitors come until ctx ends.
func (v *visitors) come(ctx context.Context, t *testing.T) {
	for ctx.Err() == nil {
		err := v.visit(ctx, t, v.browser())
		if ctx.Err() != nil {
			return
		}
		v.mu.Lock()
		if err == nil {
			v.visits++
		} else {
			v.answers[err.Error()]++
		}
		v.mu.Unlock()
		pause(ctx, rand.N(100*time.Millisecond))
	}
}

// take returns what there was since it was last called.
func (v *visitors) take() (visits int, answers map[string]int, slowest time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	visits, answers, slowest = v.visits, v.answers, v.slowest
	v.visits, v.answers, v.slowest = 0, map[string]int{}, 0
	return visits, answers, slowest
}

// TestPostgreSQLIsAway stops the database of three replicas, or lets it hang, while clients ask for keys and people sign in.
func TestPostgreSQLIsAway(t *testing.T) {
	provider := idptest.New(t)
	c := provider.Config()
	for name, value := range map[string]string{"ID": c.ID, "ISSUER": c.Issuer, "CLIENT_ID": c.ClientID, "CLIENT_SECRET": c.ClientSecret.Reveal()} {
		t.Setenv("CHAIM_GATEWAY_OIDC_"+name, value)
	}
	db := newCluster(t, folder(t))
	g := makeGateway(t, db.url)
	f := startFleet(t, g.gateway)
	v := &visitors{fleet: f, url: g.url, provider: provider, answers: map[string]int{}}
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	for range 4 {
		f.work.Go(func() { v.come(ctx, t) })
	}
	resident := v.browser()
	require.NoError(t, v.visit(t.Context(), t, resident))
	signedIn := 1
	work := func(what string, d time.Duration, isWell bool) {
		pause(t.Context(), d)
		asked, failures := f.take()
		visits, answers, slowest := v.take()
		signedIn += visits
		t.Logf("%s: %d requests of programs, %d failed; %d visits; other answers to browsers: %v; the slowest after %s", what, asked, len(failures), visits, answers, slowest)
		assert.Less(t, slowest, 8*time.Second)
		for answer := range answers {
			assert.Regexp(t, `: 503 Service Unavailable$`, answer)
		}
		if isWell {
			assert.Empty(t, failures)
			assert.Empty(t, answers)
			assert.NotZero(t, asked)
			assert.NotZero(t, visits)
		}
	}
	work("with the database", 3*time.Second, true)
	for _, fault := range []struct {
		begin, end string
		lasts      time.Duration
	}{{"crash", "again", 30 * time.Second}, {"freeze", "thaw", 10 * time.Second}} {
		db.do(t, fault.begin)
		work("after "+fault.begin, fault.lasts, false)
		db.do(t, fault.end)
		work("after "+fault.end, 5*time.Second, false)
		work("with the database again", 3*time.Second, true)
		_, err := v.get(t.Context(), resident, "accounts", http.StatusOK, "sredev")
		require.NoError(t, err, "a person who was signed in still is")
	}
	leave()
	f.judge(t)
	recorded, err := f.sts.witness.count(t.Context(), "auth.signed_in")
	require.NoError(t, err)
	assert.GreaterOrEqual(t, recorded, signedIn, "each sign-in is recorded")
}
