package chaim

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/keys"
)

// With CHAIM_TEST_LOG set the tests log everything, so that the log can be searched for secrets.
func init() {
	if os.Getenv("CHAIM_TEST_LOG") != "" {
		silent = slog.New(slog.NewJSONHandler(os.Stdout, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
}

// fakeSource gives keys of one hour, or the error of fail.
type fakeSource struct {
	calls atomic.Int32
	delay atomic.Int64 // nanoseconds
	fail  atomic.Pointer[error]
}

func (s *fakeSource) Retrieve(ctx context.Context) (aws.Credentials, error) {
	s.calls.Add(1)
	if d := time.Duration(s.delay.Load()); d > 0 { // a timer that is due at once crashes the race detector: https://go.dev/issue/78156
		select {
		case <-time.After(d):
		case <-ctx.Done():
			return aws.Credentials{}, context.Cause(ctx)
		}
	}
	if err := s.fail.Load(); err != nil {
		return aws.Credentials{}, *err
	}
	return aws.Credentials{AccessKeyID: "ASIA", SecretAccessKey: "s", CanExpire: true, Expires: time.Now().Add(time.Hour)}, nil
}

func TestGatewayErrorTellsWhatRetriesGoBy(t *testing.T) {
	assert.True(t, keys.IsFinal(&GatewayError{StatusCode: 400, Final: true}))
	throttled := &GatewayError{StatusCode: 429, Pause: 10 * time.Minute}
	assert.False(t, keys.IsFinal(throttled))
	assert.Equal(t, 10*time.Minute, keys.PauseAskedFor(throttled))
}

func TestMonitorWaitsForTheFirstSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &fakeSource{}
		src.delay.Store(int64(time.Minute))
		started := time.Now()
		m, err := NewMonitor(t.Context(), src, MonitorOptions{})
		require.NoError(t, err)
		assert.Equal(t, time.Minute, time.Since(started))
		select {
		case <-m.Updated():
			t.Error("the first set is no update")
		default:
		}
		<-m.Updated()
		assert.EqualValues(t, 2, src.calls.Load())
		require.NoError(t, m.Close())
		require.NoError(t, m.Close())
		_, err = m.Retrieve(t.Context())
		assert.ErrorIs(t, err, ErrClosed)
	})
}

func TestMonitorConstructorGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &fakeSource{}
		src.delay.Store(int64(time.Hour))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := NewMonitor(ctx, src, MonitorOptions{})
		assert.ErrorIs(t, err, context.DeadlineExceeded)

		failure := errors.New("no")
		src = &fakeSource{}
		src.fail.Store(&failure)
		_, err = NewMonitor(t.Context(), src, MonitorOptions{})
		assert.ErrorIs(t, err, failure)
	})
}

// askingHandler is a log handler that asks for credentials.
type askingHandler struct {
	slog.Handler
	ask func()
}

func (h *askingHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h *askingHandler) Handle(context.Context, slog.Record) error {
	h.ask()
	return nil
}

func TestMonitorLogsWithoutItsLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &askingHandler{ask: func() {}}
		src := &fakeSource{}
		m, err := NewMonitor(t.Context(), src, MonitorOptions{Logger: slog.New(h)})
		require.NoError(t, err)
		asked := 0
		h.ask = func() { asked++; _, _ = m.Retrieve(t.Context()) }
		failure := errors.New("no")
		src.fail.Store(&failure)
		<-time.After(2 * time.Hour)
		require.NoError(t, m.Close())
		assert.Equal(t, 3, asked, "one line when it fails first, one when little is left, one when the keys expire")
	})
}

func TestMonitorServesValidKeysThenErrExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &fakeSource{}
		m, err := NewMonitor(t.Context(), src, MonitorOptions{})
		require.NoError(t, err)
		defer m.Close()
		failure := errors.New("chaim: no gateway")
		src.fail.Store(&failure)
		<-time.After(time.Hour - time.Second)
		_, err = m.Retrieve(t.Context())
		assert.NoError(t, err)
		<-time.After(2 * time.Second)
		_, err = m.Retrieve(t.Context())
		assert.ErrorIs(t, err, ErrExpired)
		assert.ErrorIs(t, err, failure)
		assert.LessOrEqual(t, src.calls.Load(), int32(50), "attempts are bounded")

		src.fail.Store(nil)
		<-time.After(time.Minute)
		_, err = m.Retrieve(t.Context())
		assert.NoError(t, err, "and it recovers")
	})
}

func TestMonitorNeedsASource(t *testing.T) {
	m, err := NewMonitor(t.Context(), nil, MonitorOptions{})
	assert.Error(t, err)
	assert.Nil(t, m)
}

func TestMonitorRefusesUselessKeys(t *testing.T) {
	for name, creds := range map[string]aws.Credentials{
		"empty":   {},
		"partial": {AccessKeyID: "ASIA"},
		"expired": {AccessKeyID: "ASIA", SecretAccessKey: "s", CanExpire: true, Expires: time.Now().Add(-time.Second)},
	} {
		_, err := NewMonitor(t.Context(), aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return creds, nil }), MonitorOptions{})
		assert.Error(t, err, name)
	}
}

func TestMonitorLeavesKeysWithoutExpirationAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		m, err := NewMonitor(t.Context(), aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			calls.Add(1)
			return aws.Credentials{AccessKeyID: "AKIA", SecretAccessKey: "s"}, nil
		}), MonitorOptions{})
		require.NoError(t, err)
		defer m.Close()
		<-time.After(1000 * time.Hour)
		_, err = m.Retrieve(t.Context())
		assert.NoError(t, err)
		assert.EqualValues(t, 1, calls.Load())
	})
}

func TestMonitorDropsWhatACacheHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &fakeSource{}
		m, err := NewMonitor(t.Context(), aws.NewCredentialsCache(src), MonitorOptions{})
		require.NoError(t, err)
		defer m.Close()
		for range 24 * 60 {
			<-time.After(time.Minute)
			creds, err := m.Retrieve(t.Context())
			require.NoError(t, err)
			require.Greater(t, time.Until(creds.Expires), 19*time.Minute)
		}
	})
}

func TestMonitorKeepsTheSetThatLastsLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		m, err := NewMonitor(t.Context(), aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			calls++
			lifetime := 12 * time.Hour
			if calls > 1 {
				lifetime = time.Minute
			}
			return aws.Credentials{AccessKeyID: fmt.Sprint(calls), SecretAccessKey: "s", CanExpire: true, Expires: time.Now().Add(lifetime)}, nil
		}), MonitorOptions{})
		require.NoError(t, err)
		defer m.Close()
		<-time.After(10 * time.Hour)
		creds, err := m.Retrieve(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "1", creds.AccessKeyID)
		assert.Equal(t, StateLate, m.State())
		<-time.After(2*time.Hour + time.Second)
		creds, err = m.Retrieve(t.Context())
		require.NoError(t, err)
		assert.NotEqual(t, "1", creds.AccessKeyID, "short ones are better than none")
	})
}

func TestMonitorOnACacheWithJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := aws.NewCredentialsCache(&fakeSource{}, func(o *aws.CredentialsCacheOptions) {
			o.ExpiryWindow, o.ExpiryWindowJitterFrac = 5*time.Minute, 1
		})
		var log bytes.Buffer
		m, err := NewMonitor(t.Context(), cache, MonitorOptions{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		require.NoError(t, err)
		<-time.After(24 * time.Hour)
		require.NoError(t, m.Close())
		assert.Empty(t, log.String())
	})
}

func TestMonitorOnACachingSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &fakeSource{}
		cache := aws.NewCredentialsCache(src)
		var asked atomic.Int32
		m, err := NewMonitor(t.Context(), aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
			asked.Add(1)
			return cache.Retrieve(ctx)
		}), MonitorOptions{})
		require.NoError(t, err)
		defer m.Close()
		for range 24 * 60 {
			<-time.After(time.Minute)
			_, err := m.Retrieve(t.Context())
			require.NoError(t, err)
		}
		assert.InDelta(t, 24, src.calls.Load(), 2, "the cache asks once per lifetime")
		assert.Less(t, asked.Load(), int32(24*40), "and is not pestered")
	})
}

// countingSource gives a new set of one hour at each call.
func countingSource(calls *atomic.Int32) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		n := calls.Add(1)
		return aws.Credentials{
			AccessKeyID: fmt.Sprintf("ASIAOURS%012d", n), SecretAccessKey: "s", SessionToken: "t",
			CanExpire: true, Expires: time.Now().Add(time.Hour),
		}, nil
	})
}

// clientOf returns a client that gets its keys from src.
func clientOf(t *testing.T, src aws.CredentialsProvider) *Client {
	t.Helper()
	c, err := New(Options{Account: "sredev", Source: src, Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, c.Close()) })
	return c
}

// renewElsewhere writes other keys into a client's profile, as another process might.
func renewElsewhere(t *testing.T, c *Client, end time.Time, account, region string) {
	t.Helper()
	const key = "ASIATHEIRS0000000000"
	err := c.book.Edit(t.Context(), func(doc *inifile.Document) error {
		pairs, _, err := doc.Managed(c.Profile())
		if err != nil {
			return err
		}
		pairs["accountname"], pairs["region"], pairs["expires"] = account, region, strconv.FormatInt(end.Unix(), 10)
		if pairs[inifile.ProcessKey] != "" {
			text := fmt.Sprintf(`{"Version":1,"AccessKeyId":%q,"SecretAccessKey":"s2","SessionToken":"t2","Expiration":%q}`, key, end.UTC().Format(time.RFC3339))
			require.NoError(t, os.WriteFile(processFile(t, c), []byte(text), 0o600))
		} else {
			pairs["aws_access_key_id"], pairs["aws_secret_access_key"], pairs["aws_session_token"] = key, "s2", "t2"
			if parts := strings.Split(pairs[inifile.ScopeKey], "-"); len(parts) == 3 {
				sum := sha256.Sum256([]byte(parts[0] + "\n" + key + "\n"))
				pairs[inifile.ScopeKey] = parts[0] + "-" + hex.EncodeToString(sum[:8]) + "-" + parts[2]
			}
		}
		var lines []inifile.Pair
		for _, name := range slices.Sorted(maps.Keys(pairs)) {
			if pairs[name] != "" {
				lines = append(lines, inifile.Pair{Key: name, Value: pairs[name]})
			}
		}
		return doc.Set(c.Profile(), lines)
	})
	require.NoError(t, err)
}

// processFile returns the file with a scope's keys for a credential_process.
func processFile(t *testing.T, c *Client) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(filepath.Dir(c.book.Path()), "chaim", "*.json"))
	require.NoError(t, err)
	require.Len(t, found, 1)
	return found[0]
}

// TestKeysOfAnotherProcessAreReplaced: a client and its profile have only keys of the client's own source.
func TestKeysOfAnotherProcessAreReplaced(t *testing.T) {
	for name, tt := range map[string]struct {
		opts     Options
		lifetime time.Duration
		account  string
		region   string
	}{
		"keys":            {Options{}, time.Hour, "sredev", "eu-west-1"},
		"process":         {Options{Form: Process}, time.Hour, "sredev", "eu-west-1"},
		"kept":            {Options{Keep: true}, time.Hour, "sredev", "eu-west-1"},
		"no end":          {Options{Form: Process}, math.MaxInt64, "sredev", "eu-west-1"},
		"another account": {Options{}, time.Hour, "prod", "eu-west-1"},
		"another region":  {Options{}, time.Hour, "sredev", "us-east-1"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var calls atomic.Int32
				opts := tt.opts
				opts.Account, opts.Duration, opts.Source, opts.Dir = "sredev", time.Hour, countingSource(&calls), t.TempDir()
				c, err := New(opts)
				require.NoError(t, err)
				defer c.Close()
				first, err := c.RequestKeys(t.Context())
				require.NoError(t, err)
				<-time.After(10 * time.Minute)
				end := time.Unix(253402300799, 0) // in the year 9999
				if tt.lifetime != math.MaxInt64 {
					end = time.Now().Add(tt.lifetime)
				}
				renewElsewhere(t, c, end, tt.account, tt.region)
				inFile := func() string {
					path := c.book.Path()
					if opts.Form == Process {
						path = processFile(t, c)
					}
					text, err := os.ReadFile(path)
					require.NoError(t, err)
					return string(text)
				}
				<-time.After(time.Second)
				assert.Equal(t, first, c.Creds())
				assert.Equal(t, !opts.Keep, strings.Contains(inFile(), first.AccessKeyID), "a scope looks after its profile")
				<-time.After(40 * time.Minute)
				assert.EqualValues(t, 2, calls.Load())
				assert.Equal(t, "ASIAOURS000000000002", c.Creds().AccessKeyID)
				assert.Contains(t, inFile(), "ASIAOURS000000000002")
				assert.NotContains(t, inFile(), "ASIATHEIRS")
			})
		})
	}
}

func TestWhatSomebodyElseBrokeIsWrittenAgain(t *testing.T) {
	for _, form := range []ProfileForm{Keys, Process} {
		t.Run(form.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var calls atomic.Int32
				c, err := New(Options{Account: "sredev", Form: form, Source: countingSource(&calls), Dir: t.TempDir()})
				require.NoError(t, err)
				defer c.Close()
				_, err = c.RequestKeys(t.Context())
				require.NoError(t, err)
				path := c.book.Path()
				if form == Process {
					path = processFile(t, c)
				}
				want, err := os.ReadFile(path)
				require.NoError(t, err)
				for _, replace := range [][2]string{{"secret_access_key = s", "secret_access_key = x"}, {"aws_session_token = t\n", ""}, {`"SessionToken":"t"`, `"SessionToken":"x"`}, {"{", ""}} {
					require.NoError(t, os.WriteFile(path, bytes.Replace(want, []byte(replace[0]), []byte(replace[1]), 1), 0o600))
					<-time.After(time.Second)
					got, err := os.ReadFile(path)
					require.NoError(t, err)
					assert.ElementsMatch(t, strings.Split(string(want), "\n"), strings.Split(string(got), "\n"))
				}
			})
		})
	}
}

// TestFirstCallIsShared: callers of a client without keys give up before the source answers.
func TestFirstCallIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &fakeSource{}
		src.delay.Store(int64(3 * time.Second))
		c := clientOf(t, src)
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+i%5)*time.Second)
				defer cancel()
				_, err := c.Retrieve(ctx)
				if i%5 < 2 {
					assert.ErrorIs(t, err, context.DeadlineExceeded)
				} else if i%5 > 2 {
					assert.NoError(t, err)
				}
			})
		}
		wg.Wait()
		assert.EqualValues(t, 1, src.calls.Load())
	})
}

func TestFirstRefusalIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, failure := &fakeSource{}, errors.New("no")
		src.delay.Store(int64(time.Second))
		src.fail.Store(&failure)
		c := clientOf(t, src)
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				_, err := c.Retrieve(t.Context())
				assert.ErrorIs(t, err, failure)
				assert.NotErrorIs(t, err, ErrExpired)
			})
		}
		wg.Wait()
		assert.EqualValues(t, 1, src.calls.Load())
		src.fail.Store(nil)
		_, err := c.Retrieve(t.Context())
		assert.NoError(t, err)
	})
}

// TestKeysThatCannotBeStored: the client does not request such keys again and again.
func TestKeysThatCannotBeStored(t *testing.T) {
	for name, tt := range map[string]struct {
		section string
		calls   int32
	}{
		"taken by the user": {"[tempname]\naws_access_key_id = mine\n", 1},
		"written twice":     {"[tempname]\naccountname = a\n[tempname]\naccountname = b\n", 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := &fakeSource{}
				c := clientOf(t, src)
				_, err := c.RequestKeys(t.Context())
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(c.book.Path(), []byte(tt.section), 0o600))
				<-time.After(2 * time.Hour)
				assert.Equal(t, tt.calls, src.calls.Load())
				require.NoError(t, os.WriteFile(c.book.Path(), nil, 0o600))
				<-time.After(10 * time.Minute)
				_, err = c.Retrieve(t.Context())
				assert.NoError(t, err, "and it recovers")
			})
		})
	}
}

// TestDeleteAccountBesideCalls: a call gets keys, or the error that the client is closed.
func TestDeleteAccountBesideCalls(t *testing.T) {
	c := clientOf(t, &fakeSource{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				if _, err := c.Retrieve(t.Context()); err != nil {
					assert.ErrorIs(t, err, ErrClosed)
				}
				creds, err := c.RequestKeys(t.Context())
				if err != nil {
					assert.ErrorIs(t, err, ErrClosed)
				}
				assert.Equal(t, err == nil, creds.AccessKeyID != "")
			}
		})
	}
	_, err := c.RequestKeys(t.Context())
	require.NoError(t, err)
	assert.NoError(t, c.DeleteAccount(t.Context(), c.Profile()))
	wg.Wait()
	_, err = c.RequestKeys(t.Context())
	assert.ErrorIs(t, err, ErrClosed)
	doc, err := os.ReadFile(c.book.Path())
	require.NoError(t, err)
	assert.Empty(t, string(doc))
}

// TestDeleteAccountThatIsRefused: the scope does not change.
func TestDeleteAccountThatIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &fakeSource{}
		c := clientOf(t, src)
		_, err := c.RequestKeys(t.Context())
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		assert.ErrorIs(t, c.DeleteAccount(ctx, c.Profile()), context.Canceled)
		doc, err := os.ReadFile(c.book.Path())
		require.NoError(t, err)
		mine := "[tempname]\naws_access_key_id = mine\n"
		require.NoError(t, os.WriteFile(c.book.Path(), []byte(mine), 0o600))
		assert.ErrorIs(t, c.DeleteAccount(t.Context(), c.Profile()), ErrUnmanagedAccount)
		require.NoError(t, os.WriteFile(c.book.Path(), doc, 0o600))
		<-time.After(2 * time.Hour)
		assert.False(t, c.Creds().Expired(0))
		assert.Greater(t, src.calls.Load(), int32(2))
	})
}

func TestKeysThatEndAfterOnesThatDoNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &fakeSource{}
		calls := 0
		c, err := New(Options{Account: "sredev", Dir: t.TempDir(), Source: aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
			if calls++; calls == 1 {
				return aws.Credentials{AccessKeyID: "first", SecretAccessKey: "s"}, nil
			}
			return src.Retrieve(ctx)
		})})
		require.NoError(t, err)
		defer c.Close()
		for range 2 {
			_, err = c.RequestKeys(t.Context())
			require.NoError(t, err)
		}
		<-time.After(3 * time.Hour)
		doc, err := os.ReadFile(c.book.Path())
		require.NoError(t, err)
		assert.Contains(t, string(doc), fmt.Sprintf("expires = %d", c.Creds().Expires.Unix()))
		assert.False(t, c.Creds().Expired(0))
	})
}

// TestDefaultDuration is 15 minutes in a build with the tag "dev".
func TestDefaultDuration(t *testing.T) {
	opts := Options{Account: "sredev"}
	require.NoError(t, opts.complete())
	assert.Equal(t, keys.DefaultDuration, opts.Duration)
	assert.Contains(t, []time.Duration{15 * time.Minute, time.Hour}, opts.Duration)
}
