package promise

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/store/storetest"
)

// BenchmarkReplicas lets 50 clients ask one replica, and three, as fast as they can. STS answers after 40 ms. All replicas,
// the database, STS and the clients share this machine: the command in CHAIM_BENCH_WRAP may give each replica a part of it.
func BenchmarkReplicas(b *testing.B) {
	for _, n := range []int{1, 3} {
		b.Run(fmt.Sprint(n), func(b *testing.B) { benchmarkReplicas(b, n) })
	}
}

func benchmarkReplicas(b *testing.B, n int) {
	g := makeGateway(b, storetest.Postgres(b)).gateway
	sts := startSTS(b, nil)
	sts.setDelay(40 * time.Millisecond)
	g.sts = sts.URL
	var replicas []*replica
	for range n {
		r := newReplica(b, g)
		r.program = append(strings.Fields(os.Getenv("CHAIM_BENCH_WRAP")), os.Args[0])
		r.start(b)
		replicas = append(replicas, r)
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: len(g.users)}}
	var joined atomic.Int64
	b.SetParallelism(len(g.users))
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		i := int(joined.Add(1)) % len(g.users)
		form := url.Values{"text": {"sredev,rro,1"}, "user_name": {g.users[i].user}, "token": {g.users[i].token}, "useragent": {"bench 1"}}
		for pb.Next() {
			resp, err := client.PostForm(replicas[i%n].url, form)
			if !assert.NoError(b, err) {
				return
			}
			body, err := io.ReadAll(resp.Body)
			assert.NoError(b, err)
			assert.NoError(b, resp.Body.Close())
			assert.Regexp(b, keyID, string(body))
		}
	})
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "issues/s")
	var used time.Duration
	for _, r := range replicas {
		process := r.process
		require.NoError(b, process.Process.Signal(os.Interrupt))
		require.NoError(b, process.Wait())
		r.process = nil
		used += process.ProcessState.UserTime() + process.ProcessState.SystemTime()
	}
	b.ReportMetric(float64(used.Milliseconds())/float64(b.N), "cpu-ms/issue")
	b.ReportMetric(0, "ns/op")
}
