package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/server"
	"github.com/chaim-go/chaim/gateway/internal/store/storetest"
)

var discard = slog.New(slog.DiscardHandler)

// serve lets a server serve until the benchmark ends.
func serve(b *testing.B, s *server.Server) {
	ctx, stop := context.WithCancel(context.WithoutCancel(b.Context()))
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	b.Cleanup(func() {
		stop()
		require.NoError(b, <-done)
	})
}

// ask gets keys of an account for the user whose turn it is.
func (g gateway) ask(b *testing.B, turn int, account string) {
	l := g.users[turn%crowd]
	form := url.Values{"text": {account + ",rro,1"}, "user_name": {l.name}, "token": {l.token}, "useragent": {"bench 1"}}
	resp, err := http.PostForm(g.url, form)
	require.NoError(b, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(b, err)
	var envelope struct{ StatusCode, Text string }
	require.NoError(b, json.Unmarshal(body, &envelope))
	require.Equal(b, "200", envelope.StatusCode, "HTTP %d %s", resp.StatusCode, envelope.Text)
}

// times are how long the same thing took, again and again.
type times []time.Duration

func (t *times) measure(do func()) {
	start := time.Now()
	do()
	*t = append(*t, time.Since(start))
}

// at returns the time that a share of all does not exceed.
func (t times) at(share float64) float64 {
	slices.Sort(t)
	return float64(t[min(len(t)-1, int(share*float64(len(t))))]) / float64(time.Millisecond)
}

// databases are those that the benchmarks use.
var databases = []struct {
	name string
	make func(testing.TB) string
}{{"sqlite", storetest.SQLite}, {"postgres", storetest.Postgres}}

// BenchmarkIssue compares an issue with an AssumeRole without the gateway, in turn. One client asks at a time.
func BenchmarkIssue(b *testing.B) {
	for _, d := range databases {
		for _, delay := range []time.Duration{40 * time.Millisecond, 0} {
			b.Run(fmt.Sprintf("%s/sts=%s", d.name, delay), func(b *testing.B) {
				stsURL := startSTS(b, delay)
				g, bare := startGateway(b, d.make(b), stsURL, 100), bareSTS(stsURL)
				assume := func() {
					_, err := bare.AssumeRole(b.Context(), &sts.AssumeRoleInput{
						RoleArn: aws.String("arn:aws:iam::100000000000:role/CrossAccountReadOnly"), RoleSessionName: aws.String("user0"),
						SourceIdentity: aws.String("user0"), DurationSeconds: aws.Int32(3600),
					})
					require.NoError(b, err)
				}
				g.ask(b, 0, "account-0")
				assume()
				var through, without times
				for turn := 0; b.Loop(); turn++ {
					through.measure(func() { g.ask(b, turn, "account-0") })
					without.measure(assume)
				}
				b.ReportMetric(without.at(0.5), "bare-p50-ms")
				b.ReportMetric(through.at(0.5), "p50-ms")
				b.ReportMetric(through.at(0.5)/without.at(0.5), "p50-ratio")
				b.ReportMetric(through.at(0.99)/without.at(0.99), "p99-ratio")
				b.ReportMetric(0, "ns/op") // has both
			})
		}
	}
}
