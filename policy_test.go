package chaim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
)

func TestEachStateIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const outage, wakeCheck = 75 * time.Minute, 15 * time.Second
		var first aws.Credentials
		var failed, renewed time.Time // at first
		start := time.Now()
		source := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			now := time.Now()
			creds := aws.Credentials{AccessKeyID: "ASIA", SecretAccessKey: "s", CanExpire: true, Expires: now.Add(time.Hour)}
			switch {
			case !first.HasKeys():
				first = creds
			case now.Sub(start) < outage:
				if failed.IsZero() {
					failed = now
				}
				return aws.Credentials{}, errors.New("no route to host")
			case renewed.IsZero():
				renewed = now
			}
			return creds, nil
		})
		var log bytes.Buffer
		m, err := chaim.NewMonitor(t.Context(), source, chaim.MonitorOptions{Logger: slog.New(slog.NewJSONHandler(&log, nil))})
		require.NoError(t, err)

		type told struct {
			at    time.Time
			state chaim.State
		}
		var signals []told
		var listener sync.WaitGroup
		ended := make(chan struct{})
		listener.Go(func() {
			for {
				select {
				case <-m.Updated():
					signals = append(signals, told{time.Now(), m.State()})
				case <-ended:
					return
				}
			}
		})
		for time.Since(start) < outage+5*time.Minute {
			synctest.Wait()
			now := time.Now()
			want := chaim.StateLate
			switch {
			case failed.IsZero() || !renewed.IsZero():
				want = chaim.StateOK
			case !now.Before(first.Expires):
				want = chaim.StateExpired
			case now.After(first.Expires.Add(-6 * time.Minute)): // a tenth of the lifetime
				want = chaim.StateCritical
			}
			require.Equal(t, want, m.State(), "after %s", now.Sub(start))
			<-time.After(time.Second)
		}
		close(ended)
		listener.Wait()
		require.NoError(t, m.Close())
		assert.Equal(t, chaim.StateExpired, m.State(), "after Close")

		changes := []told{
			{failed, chaim.StateLate},
			{first.Expires.Add(-6 * time.Minute), chaim.StateCritical},
			{first.Expires, chaim.StateExpired},
			{renewed, chaim.StateOK},
		}
		require.GreaterOrEqual(t, len(signals), len(changes), "%v", signals)
		levels := []string{"WARN", "ERROR", "ERROR", "INFO"}
		lines := json.NewDecoder(&log)
		for i, change := range changes {
			var line struct {
				Time  time.Time
				Level string
			}
			require.NoError(t, lines.Decode(&line))
			assert.Equal(t, levels[i], line.Level, "%s", change.state)
			for _, at := range []time.Time{line.Time, signals[i].at} {
				late := at.Sub(change.at)
				assert.True(t, late >= 0 && late <= wakeCheck, "%s is told %s late", change.state, late)
			}
			assert.Equal(t, change.state, signals[i].state)
		}
		assert.False(t, lines.More(), "%s", log.String())
		for _, signal := range signals[len(changes):] {
			assert.Equal(t, told{renewed, chaim.StateOK}, signal, "signalled for the keys and for the state")
		}
	})
}

// issuers have a Monitor at work on keys of one hour, of the gateway and of STS.
var issuers = map[string]func(t *testing.T, srv *chaimtest.Server) aws.CredentialsProvider{
	"gateway": func(t *testing.T, srv *chaimtest.Server) aws.CredentialsProvider {
		c, err := chaim.New(optionsFor(t, srv))
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, c.Close()) })
		return c
	},
	"STS": func(t *testing.T, srv *chaimtest.Server) aws.CredentialsProvider {
		s := stsFor(srv)
		s.Duration = time.Hour
		m, err := chaim.NewMonitor(t.Context(), s, chaim.MonitorOptions{})
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, m.Close()) })
		return m
	},
}

// awaitRequest waits until there were n requests, and returns when the last came.
func awaitRequest(t *testing.T, srv *chaimtest.Server, n int) time.Time {
	for range 4 * 3600 {
		if requests := srv.Requests(); len(requests) >= n {
			require.Len(t, requests, n)
			return requests[n-1].Time
		}
		<-time.After(time.Second)
	}
	require.Fail(t, "no request", "number %d", n)
	return time.Time{}
}

func TestThrottledRenewal(t *testing.T) {
	for name, issuer := range issuers {
		t.Run(name, func(t *testing.T) {
			noSDKConfig(t)
			for range 20 {
				synctest.Test(t, func(t *testing.T) {
					srv := chaimtest.NewServer(t)
					creds := issuer(t, srv)
					first, err := creds.Retrieve(t.Context())
					require.NoError(t, err)
					srv.Inject(-1, chaimtest.Throttle(0))
					began := awaitRequest(t, srv, 2)
					<-time.After(time.Until(began.Add(5 * time.Minute)))
					srv.Clear()
					synctest.Wait()
					during := len(srv.Requests()) - 1
					assert.LessOrEqual(t, during, 10)
					recovered := awaitRequest(t, srv, 1+during+1)
					assert.LessOrEqual(t, recovered.Sub(began), 5*time.Minute+150*time.Second)
					synctest.Wait()
					renewed, err := creds.Retrieve(t.Context())
					require.NoError(t, err)
					assert.NotEqual(t, first.AccessKeyID, renewed.AccessKeyID)
				})
			}
		})
	}
}

func TestRetryAfterIsObeyedUpToAThirdOfWhatIsLeft(t *testing.T) {
	for name, issuer := range issuers {
		t.Run(name, func(t *testing.T) {
			noSDKConfig(t)
			synctest.Test(t, func(t *testing.T) {
				srv := chaimtest.NewServer(t)
				creds := issuer(t, srv)
				first, err := creds.Retrieve(t.Context())
				require.NoError(t, err)
				srv.Inject(1, chaimtest.Throttle(5*time.Minute))
				srv.Inject(1, chaimtest.Throttle(time.Hour))
				throttled := awaitRequest(t, srv, 2)
				again := awaitRequest(t, srv, 3)
				assert.Equal(t, 5*time.Minute, again.Sub(throttled))
				left := first.Expires.Sub(again)
				assert.InDelta(t, left/3, awaitRequest(t, srv, 4).Sub(again), float64(time.Second))
			})
		})
	}
}
