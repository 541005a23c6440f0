package chaim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fakeSource gives keys of one hour, or what fail says.
type fakeSource struct {
	calls atomic.Int32
	delay atomic.Int64 // nanoseconds
	fail  atomic.Pointer[error]
}

func (s *fakeSource) Retrieve(ctx context.Context) (aws.Credentials, error) {
	s.calls.Add(1)
	select {
	case <-time.After(time.Duration(s.delay.Load())):
	case <-ctx.Done():
		return aws.Credentials{}, context.Cause(ctx)
	}
	if err := s.fail.Load(); err != nil {
		return aws.Credentials{}, *err
	}
	return aws.Credentials{AccessKeyID: "ASIA", SecretAccessKey: "s", CanExpire: true, Expires: time.Now().Add(time.Hour)}, nil
}

func TestRetryDelay(t *testing.T) {
	plain := errors.New("network")
	for _, tt := range []struct {
		name     string
		err      error
		failures int
		left     time.Duration
		min, max time.Duration
	}{
		{"first failure, an hour left", plain, 1, time.Hour, 30 * time.Second, 40 * time.Second},
		{"second failure, an hour left", plain, 2, time.Hour, time.Minute, 80 * time.Second},
		{"many failures, an hour left", plain, 100, time.Hour, 127500 * time.Millisecond, 170 * time.Second},
		{"many failures, 6 hours left", plain, 100, 6 * time.Hour, 6 * time.Minute, 8 * time.Minute},
		{"a minute left", plain, 9, time.Minute, 9 * time.Second, 12 * time.Second},
		{"nothing left", plain, 9, -time.Hour, 45 * time.Second, time.Minute},
		{"refused", &GatewayError{StatusCode: 400, final: true}, 1, time.Minute, time.Minute, 5 * time.Minute},
		{"told to wait", &GatewayError{StatusCode: 429, retryAfter: 10 * time.Minute}, 1, time.Hour, 10 * time.Minute, 10 * time.Minute},
		{"told to wait too long", &GatewayError{StatusCode: 429, retryAfter: 10 * time.Hour}, 1, time.Hour, 20 * time.Minute, 20 * time.Minute},
	} {
		assert.Equal(t, tt.min, retryDelay(tt.err, tt.failures, tt.left, 0), tt.name)
		assert.InDelta(t, tt.max, retryDelay(tt.err, tt.failures, tt.left, 0.999999999), float64(time.Second), tt.name)
	}
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

func TestMonitorSharesOneCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &fakeSource{}
		m, err := NewMonitor(t.Context(), src, MonitorOptions{})
		require.NoError(t, err)
		defer m.Close()
		src.delay.Store(int64(time.Minute))
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() { assert.NoError(t, m.renew(t.Context(), false)) })
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		assert.ErrorIs(t, m.renew(ctx, false), context.DeadlineExceeded, "a caller may leave")
		wg.Wait()
		assert.EqualValues(t, 2, src.calls.Load(), "and the others still get the result")
	})
}

func TestMonitorCloseEndsTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &fakeSource{}
		m, err := NewMonitor(t.Context(), src, MonitorOptions{})
		require.NoError(t, err)
		src.delay.Store(int64(time.Minute))
		failed := make(chan error)
		go func() { failed <- m.renew(t.Context(), false) }()
		synctest.Wait()
		started := time.Now()
		require.NoError(t, m.Close())
		assert.Zero(t, time.Since(started))
		assert.ErrorIs(t, <-failed, ErrClosed)
	})
}

// deafSource answers when release is closed, whatever becomes of the context.
type deafSource struct {
	fakeSource
	release chan struct{}
}

func (s *deafSource) Retrieve(ctx context.Context) (aws.Credentials, error) {
	if s.calls.Load() > 0 {
		<-s.release
	}
	return s.fakeSource.Retrieve(context.WithoutCancel(ctx))
}

func TestMonitorDoesNotDependOnADeafSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &deafSource{release: make(chan struct{})}
		expired := make(chan error, 1)
		m := &Monitor{src: src, log: slog.New(slog.DiscardHandler), onExpired: func(err error) { expired <- err }}
		started := time.Now()
		m.init(t.Context())
		require.NoError(t, m.renew(t.Context(), false))
		err := <-expired
		assert.ErrorIs(t, err, ErrExpired)
		assert.ErrorIs(t, err, errRenewalTimeout)
		assert.Equal(t, time.Hour, time.Since(started), "told when the keys expire")

		started = time.Now()
		require.NoError(t, m.Close())
		assert.Equal(t, closeGrace, time.Since(started))
		close(src.release)
	})
}

func TestMonitorSourceThatEndsItsGoroutine(t *testing.T) {
	_, err := NewMonitor(t.Context(), aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		runtime.Goexit()
		return aws.Credentials{}, nil
	}), MonitorOptions{})
	assert.ErrorIs(t, err, errSourceLeft)
	m, err := NewMonitor(t.Context(), nil, MonitorOptions{})
	assert.Error(t, err)
	assert.Nil(t, m)
}

// askingHandler asks for credentials whenever something is logged.
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

func TestRetryAfterCountsWhenExpiredToo(t *testing.T) {
	throttled := &GatewayError{StatusCode: 429, retryAfter: time.Minute}
	assert.GreaterOrEqual(t, retryDelay(throttled, 1, -time.Second, 0), time.Minute)
	throttled.retryAfter = time.Hour
	assert.Equal(t, 5*time.Minute, retryDelay(throttled, 1, -time.Second, 0))
}

func TestExpiryIsToldAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &fakeSource{}
		ended := make(chan error, 1)
		m := &Monitor{src: src, log: silent, onExpired: func(err error) { ended <- err }}
		m.init(t.Context())
		require.NoError(t, m.renew(t.Context(), false))
		defer m.Close()
		started := time.Now()
		var failure error = &GatewayError{StatusCode: 403, final: true}
		src.fail.Store(&failure)
		assert.ErrorIs(t, <-ended, ErrExpired)
		assert.Equal(t, time.Hour, time.Since(started))
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
