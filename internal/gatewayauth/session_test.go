package gatewayauth_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/internal/gatewayauth"
	"github.com/chaim-go/chaim/internal/gatewaytest"
	"github.com/chaim-go/chaim/internal/httpx"
	"github.com/chaim-go/chaim/internal/keys"
)

// wire asks a double without a network, which may lose or change what it answers.
type wire struct {
	double inMemory
	// after, if set, comes between an answer and the one who waits for it. n is the number of the request of that path.
	after func(r *http.Request, n int, resp *http.Response) (*http.Response, error)
	tries map[string]*atomic.Int32
}

func newWire(g *gatewaytest.Gateway, after func(*http.Request, int, *http.Response) (*http.Response, error)) *wire {
	return &wire{inMemory{g}, after, map[string]*atomic.Int32{"/oauth/token": {}, "/oauth/revoke": {}, "/api/v1/me": {}}}
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := w.double.RoundTrip(r)
	if n := w.tries[r.URL.Path]; n != nil && w.after != nil {
		resp, err = w.after(r, int(n.Add(1)), resp)
	}
	if r.Context().Err() != nil {
		return nil, r.Context().Err()
	}
	return resp, err
}

func (w *wire) find(t *testing.T) *gatewayauth.Server {
	t.Helper()
	client := &http.Client{Transport: w, CheckRedirect: httpx.RefuseRedirect}
	s, err := gatewayauth.Find(t.Context(), w.double.URL(), client, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return s
}

// allowing is a sign-in that the person allows.
func allowing(t *testing.T, isDevice bool) gatewayauth.Login {
	return gatewayauth.Login{Device: isDevice, Show: func(p gatewayauth.Page) {
		if !isDevice {
			visit(t, press(t, p.URL, "allow"))
		}
	}}
}

// inBubble runs a test with fake time, unless a browser takes part in it.
func inBubble(t *testing.T, isAlone bool, test func(*testing.T)) {
	t.Helper()
	if isAlone {
		synctest.Test(t, test)
		return
	}
	test(t)
}

var errLost = errors.New("lost")

// TestNobodyWantsTheSessionAnyMore has Ctrl-C come when the gateway has made the session, before its answer is here.
func TestNobodyWantsTheSessionAnyMore(t *testing.T) {
	errPressed := errors.New("Ctrl-C")
	lost := func(*http.Request, int, *http.Response) (*http.Response, error) { return nil, errLost }
	for name, tt := range map[string]struct {
		after func(*http.Request, int, *http.Response) (*http.Response, error)
		want  string
	}{
		"answered": {nil, "Ctrl-C; so the new session was ended again"},
		"the answer is lost": {func(r *http.Request, n int, resp *http.Response) (*http.Response, error) {
			if r.URL.Path == "/oauth/token" && n == 1 {
				return nil, errLost
			}
			return resp, nil
		}, "Ctrl-C"},
		"nothing comes back": {lost, "a session may have begun all the same: look for it on "},
		"it cannot be ended": {func(r *http.Request, _ int, resp *http.Response) (*http.Response, error) {
			if r.URL.Path == "/oauth/revoke" {
				resp.StatusCode = 503
			}
			return resp, nil
		}, "Ctrl-C; the new session lives on and ends in "},
	} {
		for way, isDevice := range map[string]bool{"browser": false, "device": true} {
			t.Run(name+", "+way, func(t *testing.T) {
				g := start(t)
				g.EndReplays()
				g.Logins().States = []string{""}
				inBubble(t, isDevice, func(t *testing.T) {
					ctx, press := context.WithCancelCause(keys.WithSingleAttempt(t.Context(), true))
					defer press(nil)
					w := newWire(g, func(r *http.Request, n int, resp *http.Response) (*http.Response, error) {
						if r.URL.Path == "/oauth/token" && n == 1 {
							assert.Equal(t, 1, g.Live())
							press(errPressed)
						}
						if tt.after == nil {
							return resp, nil
						}
						return tt.after(r, n, resp)
					})
					_, err := w.find(t).Login(ctx, allowing(t, isDevice))
					require.ErrorIs(t, err, errPressed)
					require.ErrorContains(t, err, tt.want)
					assert.NotContains(t, err.Error(), "CANARY")
					assert.Zero(t, g.Live())
				})
			})
		}
	}
}

// TestAnswerAfterTheLimit has the person allow the sign-in just before the limit, and the answer come after it.
func TestAnswerAfterTheLimit(t *testing.T) {
	g := start(t)
	polls := 0
	synctest.Test(t, func(t *testing.T) {
		g.Logins().States = append(slices.Repeat([]string{"authorization_pending"}, 118), "")
		w := newWire(g, func(r *http.Request, n int, resp *http.Response) (*http.Response, error) {
			if r.URL.Path == "/oauth/token" {
				polls = n
				if n == 119 {
					<-time.After(8 * time.Second)
				}
			}
			return resp, nil
		})
		_, err := w.find(t).Login(t.Context(), allowing(t, true))
		require.ErrorContains(t, err, "no sign-in within 10m0s; so the new session was ended again")
	})
	assert.Equal(t, 119, polls)
	assert.Zero(t, g.Live())
}

// TestGatewayThatNeverAnswers bounds how long a person waits after Ctrl-C.
func TestGatewayThatNeverAnswers(t *testing.T) {
	g := start(t)
	g.Logins().States = []string{""}
	synctest.Test(t, func(t *testing.T) {
		ctx, press := context.WithTimeout(t.Context(), 6*time.Second)
		defer press()
		began := time.Now()
		w := newWire(g, func(r *http.Request, _ int, _ *http.Response) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		_, err := w.find(t).Login(ctx, allowing(t, true))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "a session may have begun all the same: look for it on "+g.URL()+"/keys, and end it there")
		assert.Equal(t, 31*time.Second, time.Since(began), "a grace for the answer, and the time for the second question")
	})
}

// TestLostAnswer has a network that loses what the gateway says of the code, while the person still waits.
func TestLostAnswer(t *testing.T) {
	for name, tt := range map[string]struct {
		arrives bool // the first request
		want    string
	}{
		"with the session":          {true, "no HTTP reply came back"},
		"before the code was there": {false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := start(t)
			g.EndReplays()
			w := newWire(g, func(r *http.Request, n int, resp *http.Response) (*http.Response, error) {
				if r.URL.Path == "/oauth/token" && n == 1 {
					return nil, errLost
				}
				return resp, nil
			})
			s := w.find(t)
			if !tt.arrives {
				ends := g.Instead
				isFirst := atomic.Bool{}
				isFirst.Store(true)
				g.Instead = func(rw http.ResponseWriter, r *http.Request) bool {
					if r.URL.Path == "/oauth/token" && isFirst.Swap(false) {
						return true
					}
					return ends(rw, r)
				}
			}
			session, err := s.Login(keys.WithSingleAttempt(t.Context(), true), allowing(t, false))
			if tt.want != "" {
				require.ErrorContains(t, err, tt.want)
				assert.NotContains(t, err.Error(), "lives on")
				assert.Zero(t, g.Live())
				return
			}
			require.NoError(t, err)
			assert.True(t, g.IsValid(session.Token))
			assert.Equal(t, 1, g.Live())
		})
	}
}

// TestAnswersThatAreRefusedEndTheirSession has answers that are wrong in one field each.
func TestAnswersThatAreRefusedEndTheirSession(t *testing.T) {
	for name, change := range map[string]func(answer map[string]any){
		"user":              func(a map[string]any) { a["username"] = "Test.User" },
		"no lifetime":       func(a map[string]any) { delete(a, "expires_in") },
		"a broken lifetime": func(a map[string]any) { a["expires_in"] = 3600.5 },
		"a long lifetime":   func(a map[string]any) { a["expires_in"] = 367 * 24 * 3600 },
		"a text":            func(a map[string]any) { a["expires_in"] = "CANARY" },
		"type":              func(a map[string]any) { a["token_type"] = []int{1} },
	} {
		t.Run(name, func(t *testing.T) {
			g := start(t)
			g.Change = func(path string, answer map[string]any) {
				if path == "/oauth/token" {
					change(answer)
				}
			}
			s, err := find(t.Context(), g)
			require.NoError(t, err)
			_, err = s.Login(t.Context(), allowing(t, false))
			require.ErrorContains(t, err, "; so the new session was ended again")
			assert.NotContains(t, err.Error(), "CANARY")
			assert.Zero(t, g.Live())
			assert.Contains(t, g.Asked(), "POST /oauth/revoke")
		})
	}
}

// TestAnswerThatIsNotJSON sends the code again, because the token in the first answer cannot be read.
func TestAnswerThatIsNotJSON(t *testing.T) {
	g := start(t)
	g.EndReplays()
	w := newWire(g, func(r *http.Request, n int, resp *http.Response) (*http.Response, error) {
		if r.URL.Path == "/oauth/token" && n == 1 {
			text, _ := io.ReadAll(resp.Body)
			resp.Body = io.NopCloser(bytes.NewReader(text[:len(text)/2]))
		}
		return resp, nil
	})
	_, err := w.find(t).Login(t.Context(), allowing(t, false))
	require.ErrorContains(t, err, "reply is not that of a chaim gateway")
	assert.NotContains(t, err.Error(), "CANARY")
	assert.Zero(t, g.Live())
}

// TestDeviceOutlivesABadNetwork has the gateway fail for a while, when the person is about to allow the sign-in.
func TestDeviceOutlivesABadNetwork(t *testing.T) {
	for name, fail := range map[string]func(*http.Response) (*http.Response, error){
		"network":  func(*http.Response) (*http.Response, error) { return nil, errLost },
		"proxy":    func(r *http.Response) (*http.Response, error) { r.StatusCode = 502; return r, nil },
		"too many": func(r *http.Response) (*http.Response, error) { r.StatusCode = 429; return r, nil },
	} {
		t.Run(name, func(t *testing.T) {
			g := start(t)
			synctest.Test(t, func(t *testing.T) {
				g.Logins().States = append(slices.Repeat([]string{"authorization_pending"}, 5), "")
				w := newWire(g, func(r *http.Request, n int, resp *http.Response) (*http.Response, error) {
					if r.URL.Path == "/oauth/token" && n >= 2 && n <= 4 { // the three attempts of the second question
						return fail(resp)
					}
					return resp, nil
				})
				began := time.Now()
				session, err := w.find(t).Login(t.Context(), allowing(t, true))
				require.NoError(t, err)
				assert.True(t, g.IsValid(session.Token))
				assert.InDelta(t, 30.0, time.Since(began).Seconds(), 3)
			})
		})
	}
}

func TestMetadataThatComeLater(t *testing.T) {
	for _, status := range []int{408, 425, 429, 500, 502, 503, 504} {
		g := start(t)
		synctest.Test(t, func(t *testing.T) {
			answers := 0
			g.Instead = func(w http.ResponseWriter, _ *http.Request) bool {
				if answers++; answers > 1 {
					return false
				}
				w.Header().Set("Retry-After", "1")
				w.WriteHeader(status)
				return true
			}
			client := &http.Client{Transport: inMemory{g}, CheckRedirect: httpx.RefuseRedirect}
			_, err := gatewayauth.Find(t.Context(), g.URL(), client, slog.New(slog.DiscardHandler))
			require.NoError(t, err, status)
			assert.Equal(t, 2, answers)
		})
		g.Instead = func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(status); return true }
		_, err := find(t.Context(), g)
		no := (*gatewayauth.NotGatewayError)(nil)
		require.ErrorContains(t, err, "asking gateway "+g.URL()+": gateway answered ")
		assert.NotErrorAs(t, err, &no, "a server that fails may be a gateway")
	}
}

func TestRevokeLogin(t *testing.T) {
	for name, tt := range map[string]struct {
		kind    string
		isEnded bool
	}{"of a login": {"cli", true}, "made by hand": {"user", false}} {
		t.Run(name, func(t *testing.T) {
			g := start(t)
			g.Change = func(path string, answer map[string]any) {
				if path == "/api/v1/me" {
					answer["token"] = map[string]any{"kind": tt.kind}
				}
			}
			s, err := find(t.Context(), g)
			require.NoError(t, err)
			token := g.NewToken(time.Hour)
			require.NoError(t, s.RevokeLogin(t.Context(), token))
			assert.Equal(t, tt.isEnded, !g.IsValid(token))
		})
	}
	g := start(t)
	s, err := find(t.Context(), g)
	require.NoError(t, err)
	token := g.NewToken(time.Hour)
	g.EndAll(true)
	require.NoError(t, s.RevokeLogin(t.Context(), token), "it has ended")
	assert.NotContains(t, g.Asked(), "POST /oauth/revoke")
}

func TestRevokeLoginOfAGatewayThatEchoes(t *testing.T) {
	g := start(t)
	s, err := find(t.Context(), g)
	require.NoError(t, err)
	for _, text := range []string{"no JSON", "{}"} {
		g.Instead = func(w http.ResponseWriter, r *http.Request) bool {
			_, _ = io.WriteString(w, text+r.Header.Get("Authorization"))
			return true
		}
		err := s.RevokeLogin(t.Context(), g.NewToken(time.Hour))
		require.ErrorContains(t, err, "whether 'chaim login' made the token")
		assert.NotContains(t, err.Error(), "CANARY")
	}
	assert.Equal(t, 2, g.Live())
}
