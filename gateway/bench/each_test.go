package bench

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
)

const (
	eachAccounts = 1000
	eachParallel = 50

	// The limit of a user: a burst, then so many keys a second.
	burst     = 300
	perSecond = 30
)

// BenchmarkEach works in 1,000 accounts through the gateway, whose limit of a user is the longest part of it.
func BenchmarkEach(b *testing.B) {
	limit := time.Duration(eachAccounts-burst) * time.Second / perSecond
	for _, d := range databases {
		b.Run(d.name, func(b *testing.B) {
			g := startGateway(b, d.make(b), startSTS(b, 40*time.Millisecond), eachAccounts)
			b.Setenv("AWS_CONFIG_FILE", b.TempDir()+"/config")
			settings := chaim.Settings{Endpoint: g.url, Region: "eu-west-1", Username: g.users[0].name, UserToken: g.users[0].token}
			opts := chaim.Options{Dir: b.TempDir(), Settings: &settings}
			accounts, err := (&chaim.Gateway{Settings: settings}).Accounts(b.Context())
			require.NoError(b, err)
			require.Len(b, accounts, eachAccounts)
			var all times
			for b.Loop() {
				all.measure(func() {
					require.NoError(b, chaim.Each(b.Context(), accounts, chaim.EachOptions{Options: opts, Parallel: eachParallel},
						func(context.Context, chaim.Account, *chaim.Client) error { return nil }))
				})
				time.Sleep(burst / perSecond * time.Second) // until the burst is free again
			}
			b.ReportMetric(limit.Seconds(), "limit-s")
			b.ReportMetric(all.at(0.5)/1000, "each-s")
			b.ReportMetric(all.at(0.5)/1000/limit.Seconds(), "ratio")
			b.ReportMetric(0, "ns/op")
		})
	}
}
