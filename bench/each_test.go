package bench

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
)

const (
	eachAccounts = 1000
	eachParallel = 50
	eachLatency  = 100 * time.Millisecond
)

// slowBroker gives the same keys for every account, after the latency.
type slowBroker struct{ keys aws.Credentials }

func (s slowBroker) Keys(ctx context.Context, _ chaim.Request) (chaim.Grant, error) {
	select {
	case <-time.After(eachLatency):
		return chaim.Grant{Credentials: s.keys}, nil
	case <-ctx.Done():
		return chaim.Grant{}, ctx.Err()
	}
}

// newEach is an Each whose broker answers after the latency.
func newEach(b *testing.B) ([]chaim.Account, chaim.EachOptions) {
	b.Helper()
	accounts := make([]chaim.Account, eachAccounts)
	for i := range accounts {
		accounts[i] = chaim.Account{ID: fmt.Sprintf("%012d", i), Name: fmt.Sprintf("account %d", i)}
	}
	keys := aws.Credentials{
		AccessKeyID: keyID(0), SecretAccessKey: strings.Repeat("s", 40), SessionToken: strings.Repeat("t", 320),
		CanExpire: true, Expires: time.Now().Add(12 * time.Hour),
	}
	dir := newDir(b)
	b.Setenv("AWS_CONFIG_FILE", dir+"/config")
	return accounts, chaim.EachOptions{Options: chaim.Options{Dir: dir, Broker: slowBroker{keys}}, Parallel: eachParallel}
}

// askGateway makes the keys come from a gateway in memory, with the latency.
func askGateway(b *testing.B, accounts []chaim.Account, opts *chaim.EachOptions) {
	b.Helper()
	srv := chaimtest.NewServer(b)
	srv.SetLatency(eachLatency)
	for _, a := range accounts {
		srv.AddAccount(a.ID, a.Name)
	}
	client := *srv.HTTPClient()
	transport := client.Transport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = eachParallel
	b.Cleanup(transport.CloseIdleConnections)
	client.Transport = transport
	opts.Options.Broker, opts.Options.Settings, opts.Options.HTTPClient = nil, srv.Settings(), &client
}

func noWork(context.Context, chaim.Account, *chaim.Client) error { return nil }

// oneByOne measures a few accounts one after the other, and returns the time that all would take.
func oneByOne(b *testing.B, accounts []chaim.Account, opts chaim.EachOptions) float64 {
	b.Helper()
	const few = 20
	return eachAccounts / few * measure(func() {
		for _, a := range accounts[:few] {
			one := opts.Options
			one.Account = a.ID
			require.NoError(b, chaim.WithContext(b.Context(), one, func(context.Context, *chaim.Client) error { return nil }))
		}
	})
}

// compareEach compares an Each with the least time for its requests.
func compareEach(b *testing.B, goal, serial float64, accounts []chaim.Account, opts chaim.EachOptions) {
	b.Helper()
	const ideal = eachAccounts / eachParallel * eachLatency
	b.ReportAllocs()
	var times []float64
	for b.Loop() {
		times = append(times, measure(func() { require.NoError(b, chaim.Each(b.Context(), accounts, opts, noWork)) }))
	}
	ours := median(times)
	b.ReportMetric(float64(ideal), "base-ns")
	b.ReportMetric(ours, "ours-ns")
	b.ReportMetric(ours/serial, "wall-ratio")
	reportRatio(b, ours/float64(ideal), goal)
}

func BenchmarkEach(b *testing.B) {
	b.Run("broker", func(b *testing.B) {
		accounts, opts := newEach(b)
		compareEach(b, 1.15, oneByOne(b, accounts, opts), accounts, opts)
	})
	b.Run("gateway", func(b *testing.B) {
		accounts, opts := newEach(b)
		askGateway(b, accounts, &opts)
		compareEach(b, 1.15, oneByOne(b, accounts, opts), accounts, opts)
	})
}

// The memory of an open scope with its keys in memory.
func BenchmarkEachOpen(b *testing.B) {
	accounts, opts := newEach(b)
	opts.Parallel = eachAccounts
	var heap, stack []float64
	for b.Loop() {
		var before, open runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		var opened sync.WaitGroup
		opened.Add(eachAccounts)
		measured := make(chan struct{})
		go func() {
			opened.Wait()
			runtime.GC()
			runtime.ReadMemStats(&open)
			close(measured)
		}()
		require.NoError(b, chaim.Each(b.Context(), accounts, opts, func(context.Context, chaim.Account, *chaim.Client) error {
			opened.Done()
			<-measured
			return nil
		}))
		heap = append(heap, (float64(open.HeapAlloc)-float64(before.HeapAlloc))/eachAccounts)
		stack = append(stack, (float64(open.StackInuse)-float64(before.StackInuse))/eachAccounts)
	}
	b.ReportMetric(median(heap), "heap-B/scope")
	b.ReportMetric(median(stack), "stack-B/scope")
}
