package bench

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
)

// issuer gives another set of keys at each call. All calls but the first are slow.
type issuer struct {
	lifetime, takes time.Duration
	calls           atomic.Int32
}

func (s *issuer) Retrieve(ctx context.Context) (aws.Credentials, error) {
	n := s.calls.Add(1)
	if n > 1 {
		select {
		case <-time.After(s.takes):
		case <-ctx.Done():
			return aws.Credentials{}, ctx.Err()
		}
	}
	return aws.Credentials{
		AccessKeyID: keyID(int(n)), SecretAccessKey: strings.Repeat("s", 40), SessionToken: strings.Repeat("t", 320),
		CanExpire: true, Expires: time.Now().Add(s.lifetime),
	}, nil
}

func newMonitor(b *testing.B, src aws.CredentialsProvider) *chaim.Monitor {
	m, err := chaim.NewMonitor(b.Context(), src, chaim.MonitorOptions{})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, m.Close()) })
	return m
}

// Several callers at once get valid keys.
func BenchmarkRetrieve(b *testing.B) {
	for _, goroutines := range []int{1, 2, 16, 64} {
		b.Run(fmt.Sprintf("%dgoroutines", goroutines), func(b *testing.B) {
			src := &issuer{lifetime: 12 * time.Hour}
			base := callers(b, aws.NewCredentialsCache(src), goroutines)
			compare(b, 0.5, base, callers(b, newMonitor(b, src), goroutines))
		})
	}
}

// callers starts goroutines, and returns a function that makes them perform 64,000 calls in all.
func callers(b *testing.B, p aws.CredentialsProvider, goroutines int) func() {
	const calls = 64_000
	ctx, turns, ended := b.Context(), make(chan struct{}), make(chan struct{})
	var workers sync.WaitGroup
	for range goroutines {
		workers.Go(func() {
			for range turns {
				for range calls / goroutines {
					if creds, err := p.Retrieve(ctx); err != nil || creds.AccessKeyID == "" {
						b.Error("no keys:", err)
					}
				}
				ended <- struct{}{}
			}
		})
	}
	b.Cleanup(func() {
		close(turns)
		workers.Wait()
	})
	return func() {
		for range goroutines {
			turns <- struct{}{}
		}
		for range goroutines {
			<-ended
		}
	}
}

// The longest wait of a caller while keys are renewed at an STS that takes 300 ms. Monitor and SDK begin that a second or more
// before the keys expire.
func BenchmarkSlowRenewal(b *testing.B) {
	const lifetime, takes = 2 * time.Second, 300 * time.Millisecond
	cache := aws.NewCredentialsCache(&issuer{lifetime: lifetime, takes: takes}, func(o *aws.CredentialsCacheOptions) {
		o.ExpiryWindow = lifetime / 2
	})
	m := newMonitor(b, &issuer{lifetime: lifetime, takes: takes})
	b.ReportAllocs()
	var baseTimes, ourTimes, ratios []float64
	for b.Loop() {
		base, ours := longestWait(b, cache), longestWait(b, m)
		baseTimes, ourTimes, ratios = append(baseTimes, base), append(ourTimes, ours), append(ratios, ours/base)
	}
	b.ReportMetric(median(baseTimes), "base-ns")
	b.ReportMetric(median(ourTimes), "ours-ns")
	reportRatio(b, median(ratios), 0.1)
}

// longestWait makes 16 callers ask every millisecond until they get new keys, and returns the longest wait.
func longestWait(b *testing.B, p aws.CredentialsProvider) float64 {
	ctx := b.Context()
	before, err := p.Retrieve(ctx)
	require.NoError(b, err)
	waits := make([]float64, 16)
	var callers sync.WaitGroup
	for i := range waits {
		callers.Go(func() {
			ticker := time.NewTicker(time.Millisecond)
			defer ticker.Stop()
			for isRenewed := false; !isRenewed; <-ticker.C {
				waits[i] = max(waits[i], measure(func() {
					creds, err := p.Retrieve(ctx)
					assert.NoError(b, err)
					isRenewed = err != nil || creds.AccessKeyID != before.AccessKeyID
				}))
			}
		})
	}
	callers.Wait()
	return slices.Max(waits)
}
