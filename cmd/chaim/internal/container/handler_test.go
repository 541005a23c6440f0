package container

import (
	"crypto/rand"
	"encoding/json"
	mathrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
)

func TestDocument(t *testing.T) {
	end := time.Now().Add(time.Hour)
	h, path, token, _ := handlerFor(sourceFunc(func() chaim.AwsCreds {
		return keysUntil(end.In(time.FixedZone("", 3600)))
	}))
	w := call(h, path, token)
	require.Equal(t, http.StatusOK, w.Code)
	assert.Equal(t, http.Header{"Content-Type": {"application/json"}, "Cache-Control": {"no-store"}}, w.Header())
	var got map[string]any
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &got))
	assert.Equal(t, map[string]any{
		"AccessKeyId": "ASIAEXAMPLE000000001", "SecretAccessKey": "CANARYsecret", "Token": "CANARYtoken",
		"Expiration": end.UTC().Format("2006-01-02T15:04:05Z"),
	}, got)
}

func TestNothingIsServedWithoutValidKeys(t *testing.T) {
	const body = `{"code": "CredentialsUnavailable", "message": "chaim has no valid keys, and its log says why"}`
	for why, source := range map[string]Source{
		"this AwsCreds holds no keys":                 sourceFunc(func() chaim.AwsCreds { return chaim.AwsCreds{} }),
		"credentials expired at 2001-09-09T01:46:40Z": sourceFunc(func() chaim.AwsCreds { return keysUntil(time.Unix(1e9, 0)) }),
		"credentials expired":                         overSource{hourKeys}, // as where the clock was set back
		"the keys have no expiration":                 sourceFunc(func() chaim.AwsCreds { return keysUntil(time.Time{}) }),
		"the source of the keys panicked":             sourceFunc(func() chaim.AwsCreds { panic("CANARY") }),
	} {
		t.Run(why, func(t *testing.T) {
			h, path, token, log := handlerFor(source)
			w := call(h, path, token)
			assert.Equal(t, http.StatusServiceUnavailable, w.Code)
			assert.JSONEq(t, body, w.Body.String())
			assert.Equal(t, "close", w.Header().Get("Connection"))
			lines := log.lines(t)
			require.Len(t, lines, 1)
			assert.Equal(t, unavailable.result, lines[0].Result)
			assert.Equal(t, why, lines[0].Why)
			assert.NotContains(t, log.String(), "CANARY")
		})
	}
}

// TestWrongTokens also shows that they take nothing from whoever has the right one.
func TestWrongTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, path, token, log := handlerFor(hourKeys)
		_, _, other, _ := handlerFor(hourKeys)
		wrong := []string{
			"", other, token + "A", "A" + token, token + token, "Bearer " + token, token + "," + token, strings.ToLower(token),
			path[1:], "*", "null", strings.Repeat("A", len(token)),
		}
		for i := range token {
			wrong = append(wrong, token[:i], token[i+1:], token[:i]+"."+token[i+1:])
		}
		for len(wrong) < 10_000 {
			n := mathrand.IntN(len(token) / 2)
			wrong = append(wrong, rand.Text()+rand.Text(), token[:n]+(rand.Text() + rand.Text())[n:])
		}
		var first *httptest.ResponseRecorder
		for _, guess := range wrong {
			w := call(h, path, guess)
			if first == nil {
				first = w
			}
			require.Equal(t, http.StatusForbidden, w.Code)
			require.Equal(t, first.Header(), w.Header())
			require.Equal(t, first.Body, w.Body)
		}
		assert.Equal(t, first.Body, call(h, "/", token).Body)
		for range burst {
			require.Equal(t, http.StatusOK, call(h, path, token).Code)
		}
		assert.Equal(t, len(wrong)+1+burst, log.requests(t))
	})
}

func TestFloodOfGoodRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, path, token, log := handlerFor(hourKeys)
		flood := func(n int) map[int]int {
			codes := map[int]int{}
			for range n {
				codes[call(h, path, token).Code]++
			}
			return codes
		}
		assert.Equal(t, map[int]int{200: 60, 429: 9_940}, flood(10_000))
		w := call(h, path, token)
		assert.JSONEq(t, `{"code": "TooManyRequests", "message": "chaim has been asked for keys too often"}`, w.Body.String())
		<-time.After(time.Second)
		assert.Equal(t, map[int]int{200: 40, 429: 960}, flood(1_000))

		lines := map[string]int{}
		for _, l := range log.lines(t) {
			lines[l.Result]++
		}
		assert.Equal(t, map[string]int{"served": 100, throttled.result: 100}, lines)
		assert.EqualValues(t, 11_001, log.requests(t)+int(h.unlogged.Load()))
	})
}

func TestLog(t *testing.T) {
	s, log := listenFor(t, hourKeys)
	ask(t, s, s.request())
	ask(t, s, s.requestOf("GET "+s.path(), "Host: "+s.address(), "Authorization: CANARYguess"))
	ask(t, s, s.requestOf("GET /CANARYpath?CANARYquery", "Host: "+s.address(), "Authorization: "+s.token()))
	ask(t, s, s.requestOf("GET "+s.path(), "Host: CANARYhost", "Authorization: "+s.token()))
	ask(t, s, s.requestOf("CANARYmethod "+s.path(), "Host: "+s.address(), "Authorization: "+s.token()))
	ask(t, s, s.request("Origin: http://CANARYorigin"))
	require.NoError(t, s.Close())

	var results []string
	for _, l := range log.lines(t) {
		results = append(results, strings.TrimSpace(l.Level+" "+l.Result+" "+l.Why))
		assert.False(t, l.Time.IsZero())
		assert.Equal(t, "sredev", l.Account)
		assert.Regexp(t, `^127\.0\.0\.1:\d+$`, l.Peer)
	}
	assert.Equal(t, []string{
		"INFO served", "WARN refused token", "WARN refused path", "WARN refused host", "WARN refused method",
		"WARN refused header",
	}, results)
	for _, secret := range []string{"CANARY", s.token(), s.path()[1:], "ASIAEXAMPLE"} {
		assert.NotContains(t, log.String(), secret)
	}
}
