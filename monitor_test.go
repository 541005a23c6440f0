package chaim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/internal/remote"
)

// fakeSource gives keys of one hour, or what fail says.
type fakeSource struct {
	calls atomic.Int32
	delay atomic.Int64 // nanoseconds
	fail  atomic.Pointer[error]
}

func (s *fakeSource) Retrieve(ctx context.Context) (aws.Credentials, error) {
	s.calls.Add(1)
	if d := time.Duration(s.delay.Load()); d > 0 { // timers that are due when made crash the race detector: https://go.dev/issue/78156
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
	assert.True(t, remote.IsFinal(&GatewayError{StatusCode: 400, final: true}))
	throttled := &GatewayError{StatusCode: 429, retryAfter: 10 * time.Minute}
	assert.False(t, remote.IsFinal(throttled))
	assert.Equal(t, 10*time.Minute, remote.PauseAskedFor(throttled))
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
