package chaim_test

import (
	"context"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
)

// blockingLog blocks with each line of which it is told, until it is released.
type blockingLog struct {
	slog.Handler
	line     string
	released <-chan struct{}
}

func (b blockingLog) Handle(_ context.Context, r slog.Record) error {
	if strings.Contains(r.Message, b.line) {
		<-b.released
	}
	return nil
}

// TestNothingThatBlocksKeepsKeys ends the work while something of the program's blocks for ever.
func TestNothingThatBlocksKeepsKeys(t *testing.T) {
	ends := map[string]func(ctx context.Context, c *chaim.Client) error{
		"return": func(context.Context, *chaim.Client) error { return nil },
		"panic":  func(context.Context, *chaim.Client) error { panic("mine") },
		"Goexit": func(context.Context, *chaim.Client) error { runtime.Goexit(); return nil },
		"delete": func(ctx context.Context, c *chaim.Client) error { return c.DeleteAccount(ctx, c.Profile()) },
	}
	for what, line := range map[string]string{"watcher's log": "is written again", "monitor's log": "renewing credentials failed", "Source": "-"} {
		for how, end := range ends {
			t.Run(what+", "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					released, begun, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
					opts := chaim.Options{
						Account: "sredev", Dir: t.TempDir(),
						Logger: slog.New(blockingLog{slog.NewTextHandler(t.Output(), nil), line, released}),
					}
					calls := 0
					opts.Source = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
						if calls++; calls > 1 {
							if what == "Source" {
								<-released // whatever becomes of the context
							}
							return aws.Credentials{}, assert.AnError
						}
						return aws.Credentials{AccessKeyID: "ASIAEXAMPLE000000001", SecretAccessKey: "s", CanExpire: true, Expires: time.Now().Add(time.Hour)}, nil
					})
					go func() {
						defer close(ended)
						defer func() { _ = recover() }()
						_ = chaim.WithContext(t.Context(), opts, func(ctx context.Context, c *chaim.Client) error {
							if what == "watcher's log" {
								write(t, credentialsFile(opts), "[a]\nk = v\n")
							}
							<-time.After(50 * time.Minute)
							close(begun)
							return end(ctx, c)
						})
					}()
					<-begun
					synctest.Wait()
					text := read(t, credentialsFile(opts))
					assert.NotContains(t, text, "ASIA")
					assert.Empty(t, scopeFiles(t, credentialsFile(opts)))
					select {
					case <-ended:
						t.Error("nothing has blocked")
					default:
					}
					close(released)
					<-ended
					synctest.Wait()
					assert.Equal(t, text, read(t, credentialsFile(opts)), "what comes too late is not written")
				})
			})
		}
	}
}

// TestEachWaitsForNoProgress has Progress block while profiles that could not be removed at first are still there.
func TestEachWaitsForNoProgress(t *testing.T) {
	accounts, opts := eachOf(t, chaimtest.NewServer(t), 4)
	opts.Profiles, opts.Parallel = true, 4
	begun, first, last := make(chan struct{}, 4), make(chan struct{}), make(chan struct{})
	told, released, ended := make(chan struct{}, 4), make(chan struct{}), make(chan struct{})
	opts.Progress = func(chaim.EachProgress) {
		told <- struct{}{}
		<-released
	}
	go func() {
		defer close(ended)
		_ = chaim.Each(t.Context(), accounts, opts, func(_ context.Context, a chaim.Account, _ *chaim.Client) error {
			begun <- struct{}{}
			if a == accounts[0] {
				<-last
			}
			<-first
			return assert.AnError
		})
	}()
	for range accounts {
		<-begun
	}
	path := credentialsFile(opts.Options)
	require.NoError(t, os.Remove(path+".lock"))
	require.NoError(t, os.Mkdir(path+".lock", 0o700)) // so that no profile can be removed
	close(first)
	<-told
	assert.Contains(t, read(t, path), "accountname")
	require.NoError(t, os.Remove(path+".lock"))
	close(last)
	require.Eventually(t, func() bool { return !strings.Contains(read(t, path), "accountname") }, 20*time.Second, 10*time.Millisecond)
	assert.Empty(t, told, "the first call still blocks")
	close(released)
	<-ended
}
