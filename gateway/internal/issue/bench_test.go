package issue_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/gateway/internal/ambient"
	"github.com/chaim-go/chaim/gateway/internal/issue"
	groupcommit "github.com/chaim-go/chaim/gateway/internal/journal"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/store/storetest"
)

// BenchmarkIssue compares the issuing of keys with a bare AssumeRole at the same double of STS, in the same run: one request
// of each in turn. It reports the medians and the 99th percentiles.
func BenchmarkIssue(b *testing.B) {
	for _, kind := range []string{"sqlite", "postgres"} {
		for _, latency := range []time.Duration{0, 40 * time.Millisecond} {
			b.Run(fmt.Sprintf("%s/sts=%s", kind, latency), func(b *testing.B) {
				url := map[string]func(testing.TB) string{"sqlite": storetest.SQLite, "postgres": storetest.Postgres}[kind](b)
				benchmarkIssue(b, url, latency)
			})
		}
	}
}

func benchmarkIssue(b *testing.B, url string, latency time.Duration) {
	srv := chaimtest.NewServer(b)
	sts, err := ambient.New(b.Context(), ambient.Options{
		Endpoint: srv.STSURL(), Credentials: credentials.StaticCredentialsProvider{Value: srv.AddKeys("999999999999", "gateway")},
	})
	require.NoError(b, err)
	srv.SetLatency(latency)
	w := newWorldOn(b, url, func(d *issue.Deps) {
		j := groupcommit.New(d.Store.(*store.DB), groupcommit.Options{Writer: "bench"})
		b.Cleanup(func() { require.NoError(b, j.Close()) })
		d.Journal, d.STS = j, sts
	})
	session := issue.Session{
		RoleARN: "arn:aws:iam::111111111111:role/CrossAccountReadOnly", SourceIdentity: "ada@example", User: "ada", Issue: "iss_0", Lifetime: time.Hour,
	}
	var bare, whole []time.Duration
	for b.Loop() {
		start := time.Now()
		_, err := sts.Assume(b.Context(), session)
		bare = append(bare, time.Since(start))
		require.NoError(b, err)
		start = time.Now()
		_, err = w.Keys(b.Context(), w.caller("ada"), issue.Ask{Account: "sredev"})
		whole = append(whole, time.Since(start))
		require.NoError(b, err)
	}
	slices.Sort(bare)
	slices.Sort(whole)
	at := func(all []time.Duration, part float64) float64 {
		return float64(all[int(part*float64(len(all)-1))]) / float64(time.Millisecond)
	}
	b.ReportMetric(at(bare, 0.5), "bare-p50-ms")
	b.ReportMetric(at(whole, 0.5), "issue-p50-ms")
	b.ReportMetric(at(whole, 0.99), "issue-p99-ms")
	b.ReportMetric(at(whole, 0.5)/at(bare, 0.5), "p50-ratio")
	b.ReportMetric(at(whole, 0.99)/at(bare, 0.99), "p99-ratio")
}
