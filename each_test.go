package chaim_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
)

// eachOf adds n accounts, "team-000" and so on, to srv, and returns options that reach it in memory.
func eachOf(t *testing.T, srv *chaimtest.Server, n int) ([]chaim.Account, chaim.EachOptions) {
	t.Helper()
	accounts := make([]chaim.Account, n)
	for i := range accounts {
		accounts[i] = chaim.Account{ID: fmt.Sprintf("%012d", 500000000000+i), Name: fmt.Sprintf("team-%03d", i)}
		srv.AddAccount(accounts[i].ID, accounts[i].Name)
	}
	opts := optionsFor(t, srv)
	opts.Account = ""
	return accounts, chaim.EachOptions{Options: opts}
}

func doNothing(context.Context, chaim.Account, *chaim.Client) error { return nil }

// tree returns the files of a folder.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		text := ""
		if info.Mode().IsRegular() {
			text = read(t, path)
		}
		found[path] = fmt.Sprintln(info.Mode(), info.ModTime(), text)
		return nil
	})
	require.NoError(t, err)
	return found
}

// failedOf returns the accounts of an EachError.
func failedOf(t *testing.T, err error) []chaim.Account {
	t.Helper()
	var failed *chaim.EachError
	require.ErrorAs(t, err, &failed)
	var accounts []chaim.Account
	for _, a := range failed.Accounts {
		assert.Error(t, a.Err)
		accounts = append(accounts, a.Account)
	}
	return accounts
}

func TestEach(t *testing.T) {
	for _, parallel := range []int{0, 1, 3, 100} {
		synctest.Test(t, func(t *testing.T) {
			srv := chaimtest.NewServer(t)
			accounts, opts := eachOf(t, srv, 30)
			opts.Parallel, opts.Options.Role, opts.Options.Duration = parallel, "mpu", 2*time.Hour
			var mu sync.Mutex
			seen := map[chaim.Account]string{}
			running, most := 0, 0
			var told []chaim.EachProgress // needs no lock: the calls come one at a time
			opts.Progress = func(p chaim.EachProgress) { told = append(told, p) }
			require.NoError(t, chaim.Each(t.Context(), accounts, opts, func(ctx context.Context, a chaim.Account, c *chaim.Client) error {
				mu.Lock()
				running++
				most = max(most, running)
				assert.NotContains(t, seen, a)
				seen[a] = c.Creds().AccessKeyID
				mu.Unlock()
				<-time.After(time.Second)
				mu.Lock()
				defer mu.Unlock()
				running--
				return nil
			}))
			assert.Len(t, seen, len(accounts))
			want := parallel
			if parallel == 0 {
				want = 8
			}
			assert.Equal(t, min(want, len(accounts)), most)

			var asked []string
			for _, r := range srv.Requests() {
				assert.Equal(t, []any{"Keys", "mpu", 2 * time.Hour}, []any{r.Action, r.Role, r.Duration})
				asked = append(asked, r.Account)
			}
			slices.Sort(asked)
			assert.Len(t, slices.Compact(asked), len(accounts))
			assert.Equal(t, accounts[0].ID, asked[0])

			require.Len(t, told, len(accounts))
			for i, p := range told {
				assert.Equal(t, []int{i + 1, 0, 30}, []int{p.Done, p.Failed, p.Total})
				assert.NoError(t, p.Err)
				delete(seen, p.Account)
			}
			assert.Empty(t, seen, "each is told once")
		})
	}
}

func TestEachOfNone(t *testing.T) {
	srv := chaimtest.NewServer(t)
	_, opts := eachOf(t, srv, 0)
	opts.Progress = func(chaim.EachProgress) { t.Error("there is nothing to tell") }
	assert.NoError(t, chaim.Each(t.Context(), nil, opts, doNothing))
	assert.Empty(t, srv.Requests())
}

func TestEachRefusesArguments(t *testing.T) {
	srv := chaimtest.NewServer(t)
	good, opts := eachOf(t, srv, 2)
	opts.Options.Dir = filepath.Join(opts.Options.Dir, "absent")
	opts.Profiles = true
	for name, change := range map[string]func(*chaim.EachOptions){
		"negative": func(o *chaim.EachOptions) { o.Parallel = -1 },
		"Account":  func(o *chaim.EachOptions) { o.Options.Account = "sredev" },
		"TempName": func(o *chaim.EachOptions) { o.Options.TempName = "x" },
		"Default":  func(o *chaim.EachOptions) { o.Options.Default = true },
		"Keep":     func(o *chaim.EachOptions) { o.Options.Keep = true },
		"Source":   func(o *chaim.EachOptions) { o.Options.Source = chaim.AwsCreds{} },
		"role":     func(o *chaim.EachOptions) { o.Options.Role = "a,b" },
		"duration": func(o *chaim.EachOptions) { o.Options.Duration = time.Minute },
		"region":   func(o *chaim.EachOptions) { o.Options.Region = "no region" },
	} {
		bad := opts
		change(&bad)
		err := chaim.Each(t.Context(), good, bad, func(context.Context, chaim.Account, *chaim.Client) error { t.Error("fn was called"); return nil })
		assert.ErrorContains(t, err, name)
		assert.NotErrorAs(t, err, new(*chaim.EachError))
	}
	assert.ErrorContains(t, chaim.Each(t.Context(), good, opts, nil), "no function")
	assert.Empty(t, srv.Requests())
	assert.NoDirExists(t, opts.Options.Dir)
}

// TestEachOddAccount: a wrong name or id in a gateway's list makes only that account fail.
func TestEachOddAccount(t *testing.T) {
	srv := chaimtest.NewServer(t)
	good, opts := eachOf(t, srv, 2)
	long := strings.Repeat("x", 129)
	odd := []chaim.Account{
		{}, {Name: "a,b"}, {ID: "a\nb"}, {ID: " a", Name: "a,b"}, {Name: "\x1b[31m"}, {Name: long}, {ID: "12", Name: "list"},
	}
	byID := []chaim.Account{{ID: "444444444441", Name: "a,b c"}, {ID: "444444444442", Name: "\x1b[31m"}, {ID: "444444444443", Name: long}, {ID: "444444444444", Name: "Zo\u00eb"}}
	for _, a := range byID {
		srv.AddAccount(a.ID, a.Name)
	}
	for _, withProfiles := range []bool{false, true} {
		opts.Profiles = withProfiles
		all := slices.Concat(odd, byID, good)
		var mu sync.Mutex
		var ran []chaim.Account
		err := chaim.Each(t.Context(), all, opts, func(_ context.Context, a chaim.Account, c *chaim.Client) error {
			mu.Lock()
			defer mu.Unlock()
			ran = append(ran, a)
			assert.Contains(t, ownerOf(t, srv, c.Creds()), "::"+a.ID+":")
			return nil
		})
		assert.Equal(t, odd, failedOf(t, err))
		assert.ElementsMatch(t, slices.Concat(byID, good), ran)
		assert.NotContains(t, err.Error(), "\x1b")
	}
}

func TestEachAsksByIDElseByName(t *testing.T) {
	srv := chaimtest.NewServer(t)
	_, opts := eachOf(t, srv, 0)
	srv.AddAccount("444444444444", "Smith, Jones")
	opts.Parallel = 1
	accounts := []chaim.Account{{ID: "444444444444", Name: "Smith, Jones"}, {Name: "sredev"}, {ID: "222222222222"}}
	require.NoError(t, chaim.Each(t.Context(), accounts, opts, doNothing))
	var asked []string
	for _, r := range srv.Requests() {
		asked = append(asked, r.Account)
	}
	assert.Equal(t, []string{"444444444444", "sredev", "222222222222"}, asked)
}

func TestEachError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		accounts, opts := eachOf(t, srv, 10)
		srv.Deny("", accounts[7].ID, "")
		accounts[1] = chaim.Account{ID: "999999999999"} // unknown
		mine := errors.New("mine")
		var told []chaim.EachProgress
		opts.Progress = func(p chaim.EachProgress) { told = append(told, p) }
		ran := atomic.Int32{}
		err := chaim.Each(t.Context(), accounts, opts, func(_ context.Context, a chaim.Account, _ *chaim.Client) error {
			ran.Add(1)
			if a == accounts[0] || a == accounts[5] {
				<-time.After(time.Hour / 4)
				return mine
			}
			return nil
		})
		assert.EqualValues(t, 8, ran.Load(), "the failure of one does not stop others")
		var failed *chaim.EachError
		require.ErrorAs(t, err, &failed)
		assert.Equal(t, 10, failed.Total)
		assert.Equal(t, []chaim.Account{accounts[0], accounts[1], accounts[5], accounts[7]}, failedOf(t, err))
		assert.Equal(t, []bool{true, false, true, false}, []bool{failed.Accounts[0].Began, failed.Accounts[1].Began, failed.Accounts[2].Began, failed.Accounts[3].Began})
		assert.ErrorIs(t, err, mine)
		assert.ErrorIs(t, err, chaim.ErrDenied)
		var refusal *chaim.GatewayError
		assert.ErrorAs(t, err, &refusal)
		var one *chaim.AccountError
		require.ErrorAs(t, err, &one)
		assert.Equal(t, accounts[0], one.Account)
		assert.Equal(t, `chaim: account "team-000" (500000000000): mine`, one.Error())
		assert.Regexp(t, `^chaim: 4 of 10 accounts failed; account "team-000" \(500000000000\): mine; account "999999999999": .*; account "team-005" \(500000000005\): mine; and 1 more$`, err.Error())
		assert.Equal(t, 1, strings.Count(err.Error(), "chaim: "))
		for _, r := range srv.Requests() {
			assert.NotEqual(t, "injected fault", r.Error)
		}
		assert.Len(t, srv.Requests(), 10, "there is no request after a refusal")

		require.Len(t, told, 10)
		assert.Equal(t, 4, told[9].Failed)
		assert.Equal(t, mine, told[9].Err)
	})
}

func TestEachInMemoryTouchesNoFile(t *testing.T) {
	for name, prepare := range map[string]func(t *testing.T, dir string){
		"a file": func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "credentials"), userFile)
		},
		"what a dead process left": func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "credentials"), userFile+"\n[gone]\naws_access_key_id = ASIAIOSFODNN7EXAMPLE\naccountname = y\nchaim_scope = dead\nexpires = 1\n")
			require.NoError(t, os.Mkdir(filepath.Join(dir, "chaim"), 0o700))
			write(t, filepath.Join(dir, "chaim", "dead.lease"), "")
		},
		"an empty folder": func(*testing.T, string) {},
		"no folder":       func(t *testing.T, dir string) { require.NoError(t, os.Remove(dir)) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := chaimtest.NewServer(t)
				accounts, opts := eachOf(t, srv, 20)
				dir := filepath.Join(opts.Options.Dir, "aws")
				require.NoError(t, os.Mkdir(dir, 0o700))
				opts.Options.Dir = dir
				prepare(t, dir)
				before := tree(t, filepath.Dir(dir))
				require.NoError(t, chaim.Each(t.Context(), accounts, opts, func(_ context.Context, _ chaim.Account, c *chaim.Client) error {
					assert.Empty(t, c.Profile())
					assert.Equal(t, c.Creds().Environ(), c.Environ())
					assert.Contains(t, strings.Join(c.Environ(), "\n"), "AWS_ACCESS_KEY_ID="+c.Creds().AccessKeyID)
					assert.Equal(t, before, tree(t, filepath.Dir(dir)))
					<-time.After(10 * time.Second) // long enough for a profile's watcher
					return nil
				}))
				assert.Equal(t, before, tree(t, filepath.Dir(dir)))
			})
		})
	}
}

func TestEachInMemoryRenews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		accounts, opts := eachOf(t, srv, 10)
		var kept *chaim.Client
		require.NoError(t, chaim.Each(t.Context(), accounts, opts, func(ctx context.Context, a chaim.Account, c *chaim.Client) error {
			client := sts.New(sts.Options{Region: "eu-west-1", Credentials: c, HTTPClient: srv.HTTPClient()})
			first := c.Creds()
			for range 5 {
				id, err := client.GetCallerIdentity(ctx, nil)
				if err != nil {
					return err
				}
				assert.Equal(t, a.ID, aws.ToString(id.Account))
				<-time.After(time.Hour)
			}
			assert.NotEqual(t, first.AccessKeyID, c.Creds().AccessKeyID)
			_, err := c.RequestKeys(ctx)
			if a == accounts[0] {
				kept = c
			}
			return err
		}))
		assert.Zero(t, kept.Creds())
		assert.NoError(t, kept.Close())
		_, err := kept.Retrieve(t.Context())
		assert.ErrorIs(t, err, chaim.ErrClosed)
		_, err = kept.RequestKeys(t.Context())
		assert.ErrorIs(t, err, chaim.ErrClosed)
	})
}

func TestEachInMemoryEndsWithItsKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		accounts, opts := eachOf(t, srv, 3)
		start := time.Now()
		err := chaim.Each(t.Context(), accounts, opts, func(ctx context.Context, a chaim.Account, c *chaim.Client) error {
			if a == accounts[0] {
				srv.Inject(-1, chaimtest.Throttle(0))
			}
			<-ctx.Done()
			assert.ErrorIs(t, context.Cause(ctx), chaim.ErrExpired)
			return context.Cause(ctx)
		})
		assert.ErrorIs(t, err, chaim.ErrExpired)
		assert.Len(t, failedOf(t, err), 3)
		assert.WithinRange(t, time.Now(), start.Add(59*time.Minute), start.Add(63*time.Minute))
		assert.Less(t, len(srv.Requests()), 3*100, "renewals do not loop")
	})
}

func TestEachWithProfiles(t *testing.T) {
	for _, form := range []chaim.ProfileForm{chaim.Keys, chaim.Process} {
		srv := chaimtest.NewServer(t)
		accounts, opts := eachOf(t, srv, 20)
		opts.Profiles, opts.Options.Form = true, form
		path := credentialsFile(opts.Options)
		write(t, path, userFile)
		var mu sync.Mutex
		profiles := map[string]bool{}
		var all sync.WaitGroup
		all.Add(8)
		first := atomic.Int32{}
		require.NoError(t, chaim.Each(t.Context(), accounts, opts, func(_ context.Context, a chaim.Account, c *chaim.Client) error {
			if first.Add(1) <= 8 { // wait until eight run at once
				all.Done()
				all.Wait()
			}
			mu.Lock()
			defer mu.Unlock()
			text := read(t, path)
			assert.True(t, strings.HasPrefix(text, userFile))
			_, section, found := strings.Cut(strings.ReplaceAll(text, "\r", ""), "["+c.Profile()+"]\n")
			assert.True(t, found)
			section, _, _ = strings.Cut(section, "\n[")
			assert.Contains(t, section, "accountname = "+a.Name+"\n")
			assert.Equal(t, form == chaim.Process, strings.Contains(section, "credential_process = "))
			assert.Contains(t, c.Environ(), "AWS_PROFILE="+c.Profile())
			profiles[c.Profile()] = true
			return nil
		}))
		assert.GreaterOrEqual(t, len(profiles), 8)
		assert.Equal(t, userFile, read(t, path))
		entries, err := os.ReadDir(filepath.Join(opts.Options.Dir, "chaim"))
		require.NoError(t, err)
		assert.Empty(t, entries)
	}
}

// finalError is an error after which another attempt cannot help.
type finalError struct{ error }

func (finalError) IsFinal() bool { return true }

// brokerFunc is a program's own broker.
type brokerFunc func(context.Context, chaim.Request) (chaim.Grant, error)

func (f brokerFunc) Keys(ctx context.Context, r chaim.Request) (chaim.Grant, error) { return f(ctx, r) }

func TestEachWithBroker(t *testing.T) {
	t.Setenv("CHAIM_URL", "") // no gateway is configured
	srv := chaimtest.NewServer(t)
	accounts, opts := eachOf(t, srv, 10)
	opts.Options.Settings = nil
	signer := credentials.StaticCredentialsProvider{Value: srv.AddKeys("sredev", "somebody")}
	sts := (&chaim.STS{Region: "eu-west-1", HTTPClient: srv.HTTPClient(), Keys: signer}).Broker()
	var mu sync.Mutex
	calls := map[string]int{}
	broken := finalError{errors.New("broken")}
	opts.Options.Broker = brokerFunc(func(ctx context.Context, r chaim.Request) (chaim.Grant, error) {
		mu.Lock()
		calls[r.Account]++
		mu.Unlock()
		switch r.Account {
		case accounts[0].ID:
			return chaim.Grant{}, nil
		case accounts[1].ID:
			return chaim.Grant{}, broken
		}
		return sts.Keys(ctx, r)
	})
	err := chaim.Each(t.Context(), accounts, opts, func(ctx context.Context, a chaim.Account, c *chaim.Client) error {
		creds, err := c.Retrieve(ctx)
		assert.Equal(t, a.ID, creds.AccountID)
		return err
	})
	assert.Equal(t, accounts[:2], failedOf(t, err))
	assert.ErrorContains(t, err, "without keys")
	assert.ErrorIs(t, err, broken)
	assert.Equal(t, []int{1}, slices.Compact(slices.Collect(maps.Values(calls))), "a final error is not asked again")
	assert.Len(t, srv.Requests(), 8)
}

// TestEachAsksABrokerAgain: the broker wraps a gateway, which makes a single attempt for Each.
func TestEachAsksABrokerAgain(t *testing.T) {
	srv := chaimtest.NewServer(t)
	accounts, opts := eachOf(t, srv, 1)
	g := &chaim.Gateway{Settings: *opts.Options.Settings, HTTPClient: srv.HTTPClient()}
	opts.Options.Settings, opts.Options.Broker = nil, brokerFunc(g.Keys)
	srv.Inject(2, chaimtest.Status(503))
	require.NoError(t, chaim.Each(t.Context(), accounts, opts, func(context.Context, chaim.Account, *chaim.Client) error { return nil }))
	assert.Len(t, srv.Requests(), 3)
}

func TestEachAsksSTSWithoutAGateway(t *testing.T) {
	srv := chaimtest.NewServer(t)
	accounts, opts := eachOf(t, srv, 10)
	opts.Options.Settings, opts.Options.Role = nil, "mpu"
	keys := srv.AddKeys("sredev", "somebody")
	home := srv.Setenv(t)
	t.Setenv("CHAIM_URL", "")
	t.Setenv("CHAIM_USER", "")
	t.Setenv("CHAIM_TOKEN", "")
	write(t, filepath.Join(home, "credentials"), fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", keys.AccessKeyID, keys.SecretAccessKey))
	accounts = append(accounts[:1:1], append([]chaim.Account{{Name: "sredev"}}, accounts[1:]...)...)
	err := chaim.Each(t.Context(), accounts, opts, func(_ context.Context, _ chaim.Account, c *chaim.Client) error {
		assert.Equal(t, "eu-west-1", c.Creds().Region)
		return nil
	})
	assert.ErrorIs(t, err, chaim.ErrNotConfigured, "only a gateway knows names")
	assert.Equal(t, accounts[1:2], failedOf(t, err))
	requests := srv.Requests()
	require.Len(t, requests, 10)
	for _, r := range requests {
		assert.Equal(t, []string{"AssumeRole", "CrossAccountPowerUser", "somebody"}, []string{r.Action, r.Role, r.User})
	}
	slices.Reverse(accounts) // the order must not matter
	assert.Len(t, failedOf(t, chaim.Each(t.Context(), accounts, opts, doNothing)), 1)
}

func TestFilterAccounts(t *testing.T) {
	prod, dev, slash, unnamed, nameless := chaim.Account{ID: "111111111111", Name: "team-prod"}, chaim.Account{ID: "222222222222", Name: "team-dev"},
		chaim.Account{ID: "333333333333", Name: "a/b"}, chaim.Account{ID: "444444444444"}, chaim.Account{Name: "only a name"}
	all := []chaim.Account{prod, dev, slash, unnamed, nameless, {}}
	for pattern, want := range map[string][]chaim.Account{
		"*":            {prod, dev, slash, unnamed, nameless},
		"team-*":       {prod, dev},
		"*prod":        {prod},
		"a*":           {slash},
		"a?b":          {slash},
		"a/b":          {slash},
		"[a-o]*":       {slash, nameless},
		"222222222222": {dev},
		"4*":           {unnamed},
		"TEAM-DEV":     nil,
		"":             nil,
	} {
		found, err := chaim.FilterAccounts(all, pattern)
		assert.NoError(t, err, pattern)
		assert.Equal(t, want, found, pattern)
	}
	for _, accounts := range [][]chaim.Account{nil, all} {
		_, err := chaim.FilterAccounts(accounts, "a[")
		assert.ErrorContains(t, err, `chaim: "a[" is no pattern`)
	}
}

// openAfter throttles requests for a time after the first one.
func openAfter(d, retryAfter time.Duration) chaimtest.Fault {
	var once sync.Once
	var opens time.Time
	return func(w http.ResponseWriter, r *http.Request) {
		once.Do(func() { opens = time.Now().Add(d) })
		if time.Now().Before(opens) {
			chaimtest.Throttle(retryAfter)(w, r)
			return
		}
		chaimtest.Rewrite(func(body string) string { return body })(w, r)
	}
}

func TestEachWaitsWhileThrottled(t *testing.T) {
	for _, retryAfter := range []time.Duration{0, 5 * time.Second, time.Hour} {
		for _, ofSTS := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				srv := chaimtest.NewServer(t)
				accounts, opts := eachOf(t, srv, 100)
				opts.Parallel = 50
				if ofSTS {
					keys := srv.AddKeys("sredev", "somebody")
					s := chaim.STS{Region: "eu-west-1", HTTPClient: srv.HTTPClient(), Keys: credentials.StaticCredentialsProvider{Value: keys}}
					opts.Options.Broker, opts.Options.Settings = s.Broker(), nil
				}
				srv.Inject(-1, openAfter(4*time.Minute, retryAfter))
				start := time.Now()
				assert.NoError(t, chaim.Each(t.Context(), accounts, opts, doNothing))
				assert.WithinRange(t, time.Now(), start.Add(4*time.Minute), start.Add(5*time.Minute))
				assert.LessOrEqual(t, len(srv.Requests()), 100+50+40+120)
			})
		}
	}
}

func TestEachLosesPatienceWithThrottling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		accounts, opts := eachOf(t, srv, 500)
		opts.Parallel = 50
		srv.Inject(-1, chaimtest.Throttle(0))
		start := time.Now()
		err := chaim.Each(t.Context(), accounts, opts, doNothing)
		assert.Len(t, failedOf(t, err), 500)
		var refusal *chaim.GatewayError
		require.ErrorAs(t, err, &refusal)
		assert.Equal(t, http.StatusTooManyRequests, refusal.StatusCode)
		assert.WithinRange(t, time.Now(), start.Add(5*time.Minute), start.Add(5*time.Minute+30*time.Second))
	})
}

// manyRequests limits the requests per second as an API Gateway does.
type manyRequests struct {
	rate   float64
	mu     sync.Mutex
	tokens float64
	filled time.Time
}

func (l *manyRequests) answer(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	now := time.Now()
	l.tokens = min(l.rate, l.tokens+now.Sub(l.filled).Seconds()*l.rate)
	l.filled = now
	isOver := l.tokens < 1
	if !isOver {
		l.tokens--
	}
	l.mu.Unlock()
	if isOver {
		chaimtest.Throttle(0)(w, r)
		return
	}
	chaimtest.Rewrite(func(body string) string { return body })(w, r)
}

func TestEachKeepsToTheRateOfTheGateway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		srv.SetLatency(100 * time.Millisecond)
		accounts, opts := eachOf(t, srv, 200)
		opts.Parallel = 50
		srv.Inject(-1, (&manyRequests{rate: 10}).answer)
		start := time.Now()
		assert.NoError(t, chaim.Each(t.Context(), accounts, opts, doNothing))
		assert.Less(t, time.Since(start), 30*time.Second, "20 seconds would do")
		assert.LessOrEqual(t, len(srv.Requests()), 300)
	})
}

func TestEachWaitsForALimitLongerThanACallMayTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		accounts, opts := eachOf(t, srv, 200)
		opts.Parallel = 200 // the last one waits for 200 seconds
		srv.Inject(-1, (&manyRequests{rate: 1}).answer)
		assert.NoError(t, chaim.Each(t.Context(), accounts, opts, doNothing))
	})
}

func TestEachAsksAgain(t *testing.T) {
	for status, want := range map[int]int{503: 3, 403: 1} {
		synctest.Test(t, func(t *testing.T) {
			srv := chaimtest.NewServer(t)
			accounts, opts := eachOf(t, srv, 1)
			srv.Inject(-1, chaimtest.Status(status))
			assert.Error(t, chaim.Each(t.Context(), accounts, opts, doNothing))
			assert.Len(t, srv.Requests(), want, status)
		})
	}
}

func TestEachEndsWaitingForAThrottlingGateway(t *testing.T) {
	for _, retryAfter := range []time.Duration{0, 20 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			srv := chaimtest.NewServer(t)
			accounts, opts := eachOf(t, srv, 100)
			srv.Inject(-1, chaimtest.Throttle(retryAfter))
			ctx, cancel := context.WithTimeout(t.Context(), 31*time.Second)
			defer cancel()
			start := time.Now()
			err := chaim.Each(ctx, accounts, opts, doNothing)
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			assert.Len(t, failedOf(t, err), 100)
			assert.Equal(t, 31*time.Second, time.Since(start))
		})
	}
}

func TestEachStopsOnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		accounts, opts := eachOf(t, srv, 50)
		opts.Profiles, opts.StopOnError, opts.Parallel = true, true, 4
		mine := errors.New("mine")
		start := time.Now()
		ran := atomic.Int32{}
		told := 0
		opts.Progress = func(chaim.EachProgress) { told++ }
		err := chaim.Each(t.Context(), accounts, opts, func(ctx context.Context, a chaim.Account, _ *chaim.Client) error {
			ran.Add(1)
			if a == accounts[2] {
				<-time.After(time.Second)
				return mine
			}
			<-ctx.Done()
			assert.ErrorContains(t, context.Cause(ctx), "another account failed")
			return nil // is done
		})
		assert.EqualValues(t, 4, ran.Load())
		assert.Less(t, time.Since(start), 2*time.Second)
		assert.ErrorIs(t, err, mine)
		assert.Len(t, failedOf(t, err), 47, "one that failed, and those that were not begun")
		assert.Equal(t, 50, told)
		assert.Equal(t, 1, strings.Count(err.Error(), "chaim: "))
		assert.Empty(t, read(t, credentialsFile(opts.Options)))
	})
}

func TestEachEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		accounts, opts := eachOf(t, srv, 50)
		opts.Profiles = true
		cause := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Minute, func() { cancel(cause) })
		cleaned := atomic.Int32{}
		var notBegun []time.Duration
		start := time.Now()
		opts.Progress = func(p chaim.EachProgress) {
			if strings.HasPrefix(p.Err.Error(), "chaim: not begun: ") {
				notBegun = append(notBegun, time.Since(start))
			}
		}
		err := chaim.Each(ctx, accounts, opts, func(ctx context.Context, _ chaim.Account, _ *chaim.Client) error {
			<-ctx.Done()
			assert.Equal(t, cause, context.Cause(ctx))
			<-time.After(5 * time.Second)
			cleaned.Add(1)
			return ctx.Err()
		})
		assert.EqualValues(t, 8, cleaned.Load())
		assert.ErrorIs(t, err, cause)
		assert.Len(t, failedOf(t, err), 50)
		require.Len(t, notBegun, 42)
		assert.Equal(t, time.Minute, notBegun[41], "those that wait end at once")
		assert.Empty(t, read(t, credentialsFile(opts.Options)))

		err = chaim.Each(ctx, accounts, opts, doNothing)
		assert.ErrorIs(t, err, cause)
		assert.Len(t, srv.Requests(), 8)
	})
}

func TestEachPanics(t *testing.T) {
	type value struct{ n int }
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		accounts, opts := eachOf(t, srv, 50)
		opts.Profiles = true
		write(t, credentialsFile(opts.Options), userFile)
		ended := atomic.Int32{}
		mine := &value{1}
		got := func() (got any) {
			defer func() { got = recover() }()
			_ = chaim.Each(t.Context(), accounts, opts, func(ctx context.Context, a chaim.Account, _ *chaim.Client) error {
				if a == accounts[3] {
					<-time.After(time.Second)
					panic(mine)
				}
				<-ctx.Done()
				ended.Add(1)
				return nil
			})
			return nil
		}()
		assert.Same(t, mine, got)
		assert.EqualValues(t, 7, ended.Load())
		assert.Equal(t, userFile, read(t, credentialsFile(opts.Options)))
	})
}

// panicking is a log handler that panics at the line about a removed profile.
type panicking struct{ slog.Handler }

func (p panicking) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == "chaim: profile removed" {
		panic("mine")
	}
	return p.Handler.Handle(ctx, r)
}

func TestEachLogPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		accounts, opts := eachOf(t, srv, 20)
		opts.Profiles = true
		opts.Options.Logger = slog.New(panicking{slog.NewTextHandler(io.Discard, nil)})
		write(t, credentialsFile(opts.Options), userFile)
		assert.PanicsWithValue(t, "mine", func() {
			_ = chaim.Each(t.Context(), accounts, opts, func(context.Context, chaim.Account, *chaim.Client) error { return nil })
		})
		assert.Equal(t, userFile, read(t, credentialsFile(opts.Options)))
	})
}

func TestEachProgressPanics(t *testing.T) {
	for _, at := range []int{1, 20} { // after an account that has run, and before one has begun
		synctest.Test(t, func(t *testing.T) {
			srv := chaimtest.NewServer(t)
			accounts, opts := eachOf(t, srv, 20)
			opts.Profiles = true
			ctx, cancel := context.WithCancel(t.Context())
			opts.Progress = func(p chaim.EachProgress) {
				if p.Done == at {
					panic("mine")
				}
			}
			assert.PanicsWithValue(t, "mine", func() {
				_ = chaim.Each(ctx, accounts, opts, func(ctx context.Context, a chaim.Account, _ *chaim.Client) error {
					if at == 20 {
						cancel()
						<-time.After(time.Minute)
					}
					return nil
				})
			})
			cancel()
			assert.Empty(t, read(t, credentialsFile(opts.Options)))
		})
	}
}

func TestEachGoexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		accounts, opts := eachOf(t, srv, 20)
		opts.Profiles = true
		err := chaim.Each(t.Context(), accounts, opts, func(_ context.Context, a chaim.Account, _ *chaim.Client) error {
			if a == accounts[4] {
				runtime.Goexit()
			}
			return nil
		})
		assert.ErrorContains(t, err, `account "team-004" (500000000004): fn did not return`)
		assert.Equal(t, accounts[4:5], failedOf(t, err))
		assert.Empty(t, read(t, credentialsFile(opts.Options)))
	})
}

// lockedOut runs Each for three accounts at a time. While the first two are closed no process can open the lock file. Then it
// calls end for the third.
func lockedOut(t *testing.T, of error, end func(unlock func()) error) (told []chaim.EachProgress, log, left string, err error) {
	srv := chaimtest.NewServer(t)
	accounts, opts := eachOf(t, srv, 3)
	opts.Profiles = true
	var text bytes.Buffer
	opts.Options.Logger = slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelWarn}))
	opts.Progress = func(p chaim.EachProgress) { told = append(told, p) }
	path := credentialsFile(opts.Options)
	lock := path + ".lock"
	write(t, path, userFile)
	func() {
		defer func() {
			if value := recover(); value != nil {
				err = value.(error)
			}
		}()
		err = chaim.Each(t.Context(), accounts, opts, func(_ context.Context, a chaim.Account, c *chaim.Client) error {
			switch a {
			case accounts[0]:
				<-time.After(2 * time.Second)
				return nil
			case accounts[1]:
				<-time.After(time.Second)
				require.NoError(t, os.Remove(lock))
				require.NoError(t, os.Mkdir(lock, 0o700))
				return of
			}
			<-time.After(3 * time.Second)
			synctest.Wait()
			assert.Equal(t, 3, strings.Count(read(t, path), "accountname"))
			assert.Empty(t, text.String())
			for _, p := range told {
				assert.Equal(t, accounts[1], p.Account)
				assert.Equal(t, of, p.Err)
			}
			return end(func() { require.NoError(t, os.Remove(lock)) })
		})
	}()
	return told, text.String(), read(t, path), err
}

func TestEachClosesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told, log, left, err := lockedOut(t, nil, func(unlock func()) error { unlock(); return nil })
		assert.NoError(t, err)
		assert.Equal(t, userFile, left)
		assert.Empty(t, log)
		require.Len(t, told, 3)
		assert.Equal(t, "team-002", told[0].Account.Name)
		for i, p := range told {
			assert.NoError(t, p.Err)
			assert.Equal(t, []int{i + 1, 0, 3}, []int{p.Done, p.Failed, p.Total})
		}
	})
}

func TestEachClosesAgainAfterAPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mine := errors.New("mine")
		told, _, left, err := lockedOut(t, nil, func(unlock func()) error { unlock(); panic(mine) })
		assert.Equal(t, mine, err)
		assert.Equal(t, userFile, left)
		assert.Len(t, told, 3)
	})
}

func TestEachTellsOfWhatCannotBeClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mine := errors.New("mine")
		told, log, left, err := lockedOut(t, mine, func(func()) error { return nil })
		assert.Equal(t, 3, strings.Count(left, "accountname"))
		assert.Equal(t, 3, strings.Count(log, "profile could not be removed"))
		var failed *chaim.EachError
		require.ErrorAs(t, err, &failed)
		require.Len(t, failed.Accounts, 3)
		assert.ErrorIs(t, failed.Accounts[1], mine)
		for _, a := range failed.Accounts {
			assert.ErrorContains(t, a, "cannot lock")
			assert.Equal(t, 1, strings.Count(a.Error(), "cannot lock"), "what went wrong at first is dropped")
		}
		require.Len(t, told, 3, "each is told once")
		assert.Equal(t, "team-001", told[0].Account.Name)
		assert.ErrorContains(t, told[2].Err, "cannot lock")
	})
}

// echoing is a relay to a server. It writes each piece of an answer several times, and counts connections.
type echoing struct {
	url   string
	count atomic.Int32
}

func newEchoing(t *testing.T, server string, times int) *echoing {
	t.Helper()
	e := &echoing{}
	to := strings.TrimPrefix(server, "http://")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	e.url = "http://" + l.Addr().String()
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			e.count.Add(1)
			wg.Go(func() { echo(client, to, times) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
	})
	return e
}

func echo(client net.Conn, to string, times int) {
	defer client.Close()
	server, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		_, _ = io.Copy(server, client)
		_ = server.Close()
	})
	answer := make([]byte, 64<<10)
	for {
		n, err := server.Read(answer)
		if err != nil {
			return
		}
		_, _ = client.Write(bytes.Repeat(answer[:n], times))
	}
}

func TestEachSharesConnections(t *testing.T) {
	srv := chaimtest.NewServer(t)
	accounts, opts := eachOf(t, srv, 60)
	relay := newEchoing(t, srv.URL(), 1)
	settings := *srv.Settings()
	settings.Endpoint = relay.url + "/prod/"
	opts.Options.Settings, opts.Options.HTTPClient, opts.Parallel = &settings, nil, 4
	require.NoError(t, chaim.Each(t.Context(), accounts, opts, doNothing))
	assert.LessOrEqual(t, relay.count.Load(), int32(8), "4, and those that were not needed in the end")
}

func TestEachLogsNoSurplus(t *testing.T) {
	var mu sync.Mutex
	var told bytes.Buffer
	before := log.Writer()
	log.SetOutput(writer(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return told.Write(p)
	}))
	defer log.SetOutput(before)
	srv := chaimtest.NewServer(t)
	accounts, opts := eachOf(t, srv, 20)
	for name, client := range map[string]*http.Client{
		"ours": nil, "zero": {}, "program's": {Transport: http.DefaultTransport.(*http.Transport).Clone()},
	} {
		relay := newEchoing(t, srv.URL(), 2)
		settings := *srv.Settings()
		settings.Endpoint = relay.url + "/prod/"
		opts.Options.Settings, opts.Options.HTTPClient = &settings, client
		require.NoError(t, chaim.Each(t.Context(), accounts, opts, doNothing), name)
	}
	mu.Lock()
	defer mu.Unlock()
	assert.Empty(t, told.String())
}

type writer func(p []byte) (int, error)

func (f writer) Write(p []byte) (int, error) { return f(p) }
