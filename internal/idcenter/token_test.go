package idcenter_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/internal/idcenter"
	"github.com/chaim-go/chaim/internal/profiles"
	"github.com/chaim-go/chaim/internal/sharedfile"
	"github.com/chaim-go/chaim/internal/ssotoken"
)

// bench is a center with a sign-in, in a bubble with fake time.
type bench struct {
	*idcenter.Center
	srv *chaimtest.Server
	log *bytes.Buffer
}

// inBubble runs a test. The center's sign-in is the file of the session "corp" unless store says otherwise.
func inBubble(t *testing.T, store func(idcenter.SignIn) idcenter.SignIn, test func(t *testing.T, b bench)) {
	t.Helper()
	t.Setenv("AWS_CONFIG_FILE", "/nowhere")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
	t.Setenv("HOME", t.TempDir())
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		b := bench{srv: srv, log: &bytes.Buffer{}}
		b.Center = b.another(t, "corp")
		b.put(t, srv.SignIn())
		if store != nil {
			b.SignIn = store(b.SignIn)
		}
		test(t, b)
	})
}

// another returns a center with the file of a session, as another process would have.
func (b bench) another(t *testing.T, session string) *idcenter.Center {
	t.Helper()
	file, err := profiles.OpenSignIn(session, b.srv.StartURL())
	require.NoError(t, err)
	return &idcenter.Center{
		Session: session, StartURL: b.srv.StartURL(), Region: "eu-central-1", SignIn: file, Route: idcenter.Route{HTTP: b.srv.HTTPClient()}, Files: profiles.AWSFiles{},
		Log: slog.New(slog.NewTextHandler(b.log, nil)),
	}
}

// put writes the file of the sign-in in place, as other programs do.
func (b bench) put(t *testing.T, text []byte) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(b.SignIn.Path()), 0o700))
	require.NoError(t, os.WriteFile(b.SignIn.Path(), text, 0o600))
}

// change changes keys of the file.
func (b bench) change(t *testing.T, change func(pairs map[string]string)) {
	t.Helper()
	text, err := os.ReadFile(b.SignIn.Path())
	require.NoError(t, err)
	pairs := map[string]string{}
	require.NoError(t, json.Unmarshal(text, &pairs))
	change(pairs)
	text, err = json.Marshal(pairs)
	require.NoError(t, err)
	b.put(t, text)
}

// ask asks for the accounts, and returns the names of the requests that were sent.
func (b bench) ask(t *testing.T) (requests string, err error) {
	t.Helper()
	b.srv.Reset()
	_, err = b.Accounts(t.Context())
	var names []string
	for _, r := range b.srv.Requests() {
		names = append(names, r.Action)
	}
	return strings.Join(names, " "), err
}

// failing makes the renewal of a sign-in fail.
func failing(fault chaimtest.Fault) chaimtest.Fault {
	asUsual := chaimtest.Rewrite(func(body string) string { return body })
	return func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/token") {
			fault(w, r)
			return
		}
		asUsual(w, r)
	}
}

func TestTokenIsRefreshedAQuarterOfAnHourAhead(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b bench) {
		b.change(t, func(pairs map[string]string) { pairs["ours"] = "kept" })
		time.Sleep(45*time.Minute - 2*time.Second)
		requests, err := b.ask(t)
		require.NoError(t, err)
		assert.Equal(t, "ListAccounts", requests)
		time.Sleep(3 * time.Second)
		requests, err = b.ask(t)
		require.NoError(t, err)
		assert.Equal(t, "CreateToken ListAccounts", requests)
		token, err := b.SignIn.Read(t.Context())
		require.NoError(t, err)
		assert.WithinDuration(t, time.Now().Add(time.Hour), token.Expires, 2*time.Second)
		b.change(t, func(pairs map[string]string) { assert.Equal(t, "kept", pairs["ours"]) })
		time.Sleep(8 * time.Hour)
		_, err = b.ask(t)
		require.ErrorIs(t, err, idcenter.ErrSignedOut)
		require.ErrorContains(t, err, "the session has ended: run 'chaim login corp'")
	})
}

func TestOneRefreshForAllProcesses(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b bench) {
		b.srv.SetStrictRefresh(true)
		b.srv.SetLatency(time.Second)
		time.Sleep(2 * time.Hour)
		b.srv.Reset()
		var processes sync.WaitGroup
		for range 8 {
			c := b.another(t, "corp")
			processes.Go(func() {
				_, err := c.Accounts(t.Context())
				assert.NoError(t, err)
			})
		}
		processes.Wait()
		refreshes := 0
		for _, r := range b.srv.Requests() {
			if r.Action == "CreateToken" {
				refreshes++
			}
		}
		assert.Equal(t, 1, refreshes)
	})
}

// TestAnotherProgramWasFaster has a program without chaim's lock use the refresh token first.
func TestAnotherProgramWasFaster(t *testing.T) {
	for _, wrote := range []bool{true, false} {
		inBubble(t, nil, func(t *testing.T, b bench) {
			b.srv.SetStrictRefresh(true)
			time.Sleep(2 * time.Hour)
			newer := b.srv.SignIn()
			b.srv.Inject(1, failing(func(w http.ResponseWriter, _ *http.Request) {
				if wrote {
					time.AfterFunc(500*time.Millisecond, func() { b.put(t, newer) })
				}
				w.Header().Set("X-Amzn-Errortype", "InvalidGrantException")
				w.WriteHeader(http.StatusBadRequest)
				fmt.Fprint(w, `{"error":"invalid_grant"}`)
			}))
			requests, err := b.ask(t)
			if wrote {
				require.NoError(t, err)
				assert.Equal(t, "CreateToken ListAccounts", requests)
				return
			}
			require.ErrorIs(t, err, idcenter.ErrSignedOut)
			assert.Equal(t, "CreateToken", requests)
		})
	}
}

func TestValidTokenIsUsedIfItCannotBeRefreshed(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b bench) {
		time.Sleep(50 * time.Minute)
		b.srv.Inject(-1, failing(chaimtest.Status(500)))
		for range 15 { // in 150 seconds
			_, err := b.ask(t)
			require.NoError(t, err)
			time.Sleep(10 * time.Second)
		}
		assert.Equal(t, 3, strings.Count(b.log.String(), "is not renewed"), "%s", b.log)
		assert.NotContains(t, b.log.String(), "CANARY")
		time.Sleep(10 * time.Minute)
		_, err := b.ask(t)
		require.Error(t, err)
		require.NotErrorIs(t, err, idcenter.ErrSignedOut, "a server that fails says nothing about the sign-in")
		b.srv.Clear()
		_, err = b.ask(t)
		require.NoError(t, err)
	})
}

func TestEndedRegistration(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b bench) {
		b.change(t, func(pairs map[string]string) { pairs["registrationExpiresAt"] = "2000-01-01T00:00:00Z" })
		time.Sleep(59 * time.Minute)
		requests, err := b.ask(t)
		require.NoError(t, err)
		assert.Equal(t, "ListAccounts", requests, "no attempt")
		time.Sleep(time.Minute)
		requests, err = b.ask(t)
		require.ErrorIs(t, err, idcenter.ErrSignedOut)
		require.ErrorContains(t, err, "the sign-in has ended, and so has the registration of the program that began it")
		assert.Empty(t, requests)

		b.change(t, func(pairs map[string]string) {
			delete(pairs, "registrationExpiresAt")
			pairs["clientSecret"] = "CANARYother"
		})
		_, err = b.ask(t)
		require.ErrorIs(t, err, idcenter.ErrSignedOut)
		require.ErrorContains(t, err, "the registration of this program has ended")
		for _, key := range []string{"clientId", "refreshToken"} {
			b.change(t, func(pairs map[string]string) { delete(pairs, key) })
			_, err = b.ask(t)
			require.ErrorIs(t, err, idcenter.ErrSignedOut)
		}
		require.ErrorContains(t, err, "the sign-in has ended, and has no refresh token")
	})
}

func TestTornFile(t *testing.T) {
	for _, part := range []string{"", `{"accessToken": "CANARYx`} {
		for _, isMended := range []bool{true, false} {
			inBubble(t, nil, func(t *testing.T, b bench) {
				whole, err := os.ReadFile(b.SignIn.Path())
				require.NoError(t, err)
				b.put(t, []byte(part))
				if isMended {
					time.AfterFunc(900*time.Millisecond, func() { b.put(t, whole) })
				}
				began := time.Now()
				_, err = b.ask(t)
				if isMended {
					require.NoError(t, err)
					return
				}
				assert.InDelta(t, 1, time.Since(began).Seconds(), 0.1)
				require.ErrorIs(t, err, idcenter.ErrSignedOut)
				require.ErrorContains(t, err, "sign in again")
				assert.NotContains(t, err.Error(), "CANARY")
			})
		}
	}
}

func TestFileOfAnotherCenter(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b bench) {
		b.change(t, func(pairs map[string]string) { pairs["startUrl"] = "https://other.awsapps.com/start" })
		requests, err := b.ask(t)
		require.ErrorIs(t, err, idcenter.ErrSignedOut)
		require.ErrorContains(t, err, b.SignIn.Path()+" is a sign-in to https://other.awsapps.com/start in eu-central-1")
		assert.Empty(t, requests, "the token is not sent to another center")
		wasSignedIn, err := b.Logout(t.Context())
		require.NoError(t, err)
		assert.False(t, wasSignedIn)
		assert.FileExists(t, b.SignIn.Path())
	})
}

// TestSignInOfAStartURL has the file of programs that know no session.
func TestSignInOfAStartURL(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b bench) {
		b.Center = b.another(t, "")
		assert.Equal(t, ssotoken.FileName("", b.srv.StartURL()), filepath.Base(b.SignIn.Path()))
		b.put(t, b.srv.SignIn())
		b.change(t, func(pairs map[string]string) {
			for _, key := range []string{"clientId", "clientSecret", "refreshToken", "registrationExpiresAt"} {
				delete(pairs, key)
			}
		})
		time.Sleep(50 * time.Minute)
		requests, err := b.ask(t)
		require.NoError(t, err)
		assert.Equal(t, "ListAccounts", requests)
		assert.Empty(t, b.log.String())
		time.Sleep(10 * time.Minute)
		_, err = b.ask(t)
		require.ErrorIs(t, err, idcenter.ErrSignedOut)
		require.ErrorContains(t, err, "has no refresh token")
	})
}

func TestLogoutOfAnEndedSession(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b bench) {
		b.srv.EndSignIns()
		wasSignedIn, err := b.Logout(t.Context())
		require.NoError(t, err)
		assert.True(t, wasSignedIn)
		assert.NoFileExists(t, b.SignIn.Path())
	})
}

// isAlive reports whether a copy of a file with a sign-in still gives access.
func (b bench) isAlive(t *testing.T, text []byte) bool {
	t.Helper()
	other := b.another(t, "copy")
	require.NoError(t, os.WriteFile(other.SignIn.Path(), text, 0o600))
	_, err := other.Accounts(t.Context())
	if err != nil {
		require.ErrorIs(t, err, idcenter.ErrSignedOut)
	}
	return err == nil
}

// TestLogoutEndsTheSession has sign-ins that are not fresh.
func TestLogoutEndsTheSession(t *testing.T) {
	for name, change := range map[string]func(b bench, pairs map[string]string){
		"an expired access token": func(bench, map[string]string) { time.Sleep(2 * time.Hour) },
		"an unreadable expiry":    func(_ bench, pairs map[string]string) { pairs["expiresAt"] = "soon" },
		"no access token":         func(_ bench, pairs map[string]string) { delete(pairs, "accessToken") },
		"a wrong clock": func(b bench, pairs map[string]string) {
			b.srv.SetStrictRefresh(true)
			pairs["expiresAt"], pairs["refreshToken"] = "2000-01-01T00:00:00Z", "CANARYused"
		},
		"no refresh token": func(_ bench, pairs map[string]string) {
			delete(pairs, "refreshToken")
			pairs["expiresAt"] = "soon"
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, nil, func(t *testing.T, b bench) {
				text, err := os.ReadFile(b.SignIn.Path())
				require.NoError(t, err)
				b.change(t, func(pairs map[string]string) { change(b, pairs) })
				wasSignedIn, err := b.Logout(t.Context())
				require.NoError(t, err)
				assert.True(t, wasSignedIn)
				assert.NoFileExists(t, b.SignIn.Path())
				assert.False(t, b.isAlive(t, text))
			})
		})
	}
}

// TestLogoutThatFails keeps the sign-in, so that the next one can end the session.
func TestLogoutThatFails(t *testing.T) {
	const want = "the session at https://chaimtest.awsapps.com/start has not been ended, and the sign-in in "
	inBubble(t, nil, func(t *testing.T, b bench) {
		b.srv.SetStrictRefresh(true)
		time.Sleep(2 * time.Hour)
		b.srv.Inject(-1, func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/logout") {
				chaimtest.Status(500)(w, r)
				return
			}
			chaimtest.Rewrite(func(body string) string { return body })(w, r)
		})
		_, err := b.Logout(t.Context())
		require.ErrorContains(t, err, want+b.SignIn.Path()+" stays: ")
		b.srv.Clear()
		_, err = b.ask(t)
		require.NoError(t, err, "the refresh token that was used up is replaced")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = b.Logout(ctx)
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorContains(t, err, want)
		b.change(t, func(pairs map[string]string) { pairs["region"] = "eu-west-1" })
		_, err = b.Logout(t.Context())
		require.ErrorContains(t, err, "is a sign-in to https://chaimtest.awsapps.com/start in eu-west-1")
		b.change(t, func(pairs map[string]string) { pairs["region"] = "eu-central-1" })
		text, err := os.ReadFile(b.SignIn.Path())
		require.NoError(t, err)
		b.put(t, text[:len(text)/2])
		_, err = b.Logout(t.Context())
		require.ErrorContains(t, err, want)
		ctx, stop := context.WithTimeout(t.Context(), time.Second/2)
		defer stop()
		_, err = b.Logout(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		b.put(t, text)
		file := b.SignIn
		b.SignIn = unreadable{file}
		_, err = b.Logout(t.Context())
		require.ErrorIs(t, err, fs.ErrPermission)
		require.ErrorContains(t, err, want)
		b.SignIn = file
		assert.True(t, b.isAlive(t, text))
		_, err = b.Logout(t.Context())
		require.NoError(t, err)
		b.put(t, []byte("{}"))
		wasSignedIn, err := b.Logout(t.Context())
		require.NoError(t, err)
		assert.False(t, wasSignedIn)
		assert.NoFileExists(t, b.SignIn.Path())
	})
}

// unreadable is a sign-in that the system does not let us read.
type unreadable struct{ idcenter.SignIn }

func (unreadable) Read(context.Context) (ssotoken.Token, error) {
	return ssotoken.Token{}, fs.ErrPermission
}

// throttled answers as AWS does to too many requests.
func throttled(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("X-Amzn-Errortype", "TooManyRequestsException")
	w.WriteHeader(http.StatusTooManyRequests)
	fmt.Fprint(w, `{"message":"HTTP 429 Unknown Code","__type":"com.amazonaws.switchboard.portal#TooManyRequestsException"}`)
}

func TestThrottlingIsNoEndOfTheSignIn(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b bench) {
		b.srv.Inject(10, throttled)
		requests, err := b.ask(t)
		require.NoError(t, err)
		assert.Equal(t, 11, strings.Count(requests, "ListAccounts"))
		time.Sleep(2 * time.Hour)
		b.srv.Inject(5, throttled)
		requests, err = b.ask(t)
		require.NoError(t, err, "the renewal waits too")
		assert.Equal(t, 6, strings.Count(requests, "CreateToken"))
		time.Sleep(2 * time.Hour)
		b.srv.Inject(-1, throttled)
		_, err = b.ask(t)
		require.Error(t, err)
		require.NotErrorIs(t, err, idcenter.ErrSignedOut)
		assert.NotContains(t, err.Error(), "chaim login")
	})
}

// stubborn is a sign-in whose file cannot be written.
type stubborn struct {
	idcenter.SignIn
	lock error // nil if there can be a lock all the same
}

func (stubborn) Write(context.Context, ssotoken.Token) error { return fs.ErrPermission }

func (s stubborn) Lock(ctx context.Context) (func(), error) {
	if s.lock != nil {
		return nil, s.lock
	}
	return s.SignIn.Lock(ctx)
}

func TestFileThatCannotBeWritten(t *testing.T) {
	for _, lock := range []error{nil, fmt.Errorf("no lock: %w", ssotoken.ErrReadOnly)} {
		inBubble(t, func(s idcenter.SignIn) idcenter.SignIn { return stubborn{s, lock} }, func(t *testing.T, b bench) {
			for _, want := range []string{"CreateToken ListAccounts", "ListAccounts"} {
				for range 2 { // the new token is renewed from memory
					time.Sleep(50 * time.Minute)
					requests, err := b.ask(t)
					require.NoError(t, err)
					assert.Equal(t, "CreateToken ListAccounts", requests, want)
				}
			}
			requests, err := b.ask(t)
			require.NoError(t, err)
			assert.Equal(t, "ListAccounts", requests)
			assert.Contains(t, b.log.String(), "stays in this process only")
			_, err = b.Login(t.Context(), idcenter.Login{Show: func(page, _ string) { visit(t, press(t, b.srv, page, "allow")) }})
			require.Error(t, err)
		})
	}
	inBubble(t, func(s idcenter.SignIn) idcenter.SignIn { return stubborn{s, errors.New("held")} }, func(t *testing.T, b bench) {
		time.Sleep(50 * time.Minute)
		requests, err := b.ask(t)
		require.NoError(t, err)
		assert.Equal(t, "ListAccounts", requests, "the token is valid")
		time.Sleep(10 * time.Minute)
		_, err = b.ask(t)
		require.ErrorContains(t, err, "held")
	})
}

// refreshes returns how many tokens were asked for.
func (b bench) refreshes() (n int) {
	for _, r := range b.srv.Requests() {
		if r.Action == "CreateToken" {
			n++
		}
	}
	return n
}

// TestOneRefreshForAllGoroutines has a folder that cannot be written, and so no lock between processes.
func TestOneRefreshForAllGoroutines(t *testing.T) {
	inBubble(t, func(s idcenter.SignIn) idcenter.SignIn { return stubborn{s, ssotoken.ErrReadOnly} }, func(t *testing.T, b bench) {
		b.srv.SetStrictRefresh(true)
		b.srv.SetLatency(3 * time.Second)
		ask := func() (failed []error) {
			b.srv.Reset()
			var mu sync.Mutex
			var all sync.WaitGroup
			for range 16 {
				all.Go(func() {
					if _, err := b.Accounts(t.Context()); err != nil {
						mu.Lock()
						defer mu.Unlock()
						failed = append(failed, err)
					}
				})
			}
			all.Wait()
			return failed
		}
		for range 3 {
			time.Sleep(2 * time.Hour)
			assert.Empty(t, ask())
			assert.Equal(t, 1, b.refreshes())
		}
		time.Sleep(50 * time.Minute) // still valid
		began := time.Now()
		assert.Empty(t, ask())
		assert.Equal(t, 1, b.refreshes())
		assert.LessOrEqual(t, time.Since(began), 6*time.Second)
		time.Sleep(2 * time.Hour)
		b.srv.EndSignIns()
		failed := ask()
		assert.Len(t, failed, 16)
		for _, err := range failed {
			require.ErrorIs(t, err, idcenter.ErrSignedOut)
		}
		assert.Equal(t, 1, b.refreshes(), "those that waited get the error of the one that asked")
	})
}

// TestSameTokenAgain has a center whose renewal returns the access token that there was, and a file that cannot be written.
func TestSameTokenAgain(t *testing.T) {
	inBubble(t, func(s idcenter.SignIn) idcenter.SignIn { return stubborn{s, nil} }, func(t *testing.T, b bench) {
		before, err := b.SignIn.Read(t.Context())
		require.NoError(t, err)
		b.srv.Inject(-1, failing(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"accessToken":%q,"expiresIn":3600,"refreshToken":%q}`, before.Access, before.Refresh)
		}))
		for range 2 {
			time.Sleep(50 * time.Minute)
			_, _ = b.ask(t) // the double no longer takes it at the end
			requests, _ := b.ask(t)
			assert.False(t, strings.HasPrefix(requests, "CreateToken"), "the new expiry counts")
		}
	})
}

// TestCallerLeavesDuringRefresh has a refresh token that works once.
func TestCallerLeavesDuringRefresh(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b bench) {
		b.srv.SetStrictRefresh(true)
		b.srv.SetLatency(time.Second)
		time.Sleep(2 * time.Hour)
		leave := func(c *idcenter.Center) {
			ctx, stop := context.WithTimeout(t.Context(), time.Second/2)
			defer stop()
			_, err := c.Accounts(ctx)
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}
		leave(b.Center)
		requests, err := b.ask(t)
		require.NoError(t, err)
		assert.Equal(t, "ListAccounts", requests, "the answer was kept")

		time.Sleep(2 * time.Hour)
		b.srv.Inject(1, chaimtest.Hang())
		began := time.Now()
		leave(b.Center)
		assert.Equal(t, 3500*time.Millisecond, time.Since(began), "the wait has an end")
	})
}

// TestStoppedProcessWithTheLock has a process that holds the lock and does nothing.
func TestStoppedProcessWithTheLock(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b bench) {
		unlock, err := b.another(t, "corp").SignIn.Lock(t.Context())
		require.NoError(t, err)
		defer unlock()
		time.Sleep(50 * time.Minute)
		for _, want := range []float64{1, 0} {
			began := time.Now()
			requests, err := b.ask(t)
			require.NoError(t, err)
			assert.Equal(t, "ListAccounts", requests)
			assert.InDelta(t, want, time.Since(began).Seconds(), 0.1)
		}
		time.Sleep(time.Hour)
		began := time.Now()
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				_, err := b.Accounts(t.Context())
				assert.ErrorContains(t, err, "another process has held it for 45s: if that is stopped, resume or end it")
				assert.NotErrorIs(t, err, sharedfile.ErrLocked)
			})
		}
		all.Wait()
		assert.InDelta(t, 45, time.Since(began).Seconds(), 1)
	})
}

// TestBubblesShareNothing has several tests with fake time and one HTTP client, which reaches another server in each.
func TestBubblesShareNothing(t *testing.T) {
	var now http.RoundTripper
	client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) { return now.RoundTrip(r) })}
	for range 2 {
		inBubble(t, nil, func(t *testing.T, b bench) {
			b.HTTP, now = client, b.srv.HTTPClient().Transport
			b.srv.LimitPortal(1, true)
			time.Sleep(50 * time.Minute)
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					_, err := b.Accounts(t.Context())
					assert.NoError(t, err)
				})
			}
			all.Wait()
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestServersHaveTheirOwnPace has two servers with one start URL, as the tests of a program have.
func TestServersHaveTheirOwnPace(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b bench) {
		b.srv.Inject(10, throttled)
		_, err := b.ask(t)
		require.NoError(t, err)
		srv := chaimtest.NewServer(t)
		b.put(t, srv.SignIn())
		b.HTTP = srv.HTTPClient()
		began := time.Now()
		for range 10 {
			_, err = b.Accounts(t.Context())
			require.NoError(t, err)
		}
		assert.Zero(t, time.Since(began))
	})
}
