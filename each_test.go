package chaim_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
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

// eachOf reaches srv in memory, which gets n accounts more, called "team-000" and so on.
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

// tree is what there is in a folder.
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

// failedOf are the accounts of an EachError.
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
			var told []chaim.EachProgress // unguarded, as calls are serial
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
		"at a time": func(o *chaim.EachOptions) { o.Parallel = -1 },
		"Account":   func(o *chaim.EachOptions) { o.Options.Account = "sredev" },
		"TempName":  func(o *chaim.EachOptions) { o.Options.TempName = "x" },
		"Default":   func(o *chaim.EachOptions) { o.Options.Default = true },
		"Keep":      func(o *chaim.EachOptions) { o.Options.Keep = true },
		"Source":    func(o *chaim.EachOptions) { o.Options.Source = chaim.AwsCreds{} },
		"role":      func(o *chaim.EachOptions) { o.Options.Role = "a,b" },
		"duration":  func(o *chaim.EachOptions) { o.Options.Duration = time.Minute },
		"region":    func(o *chaim.EachOptions) { o.Options.Region = "no region" },
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

// TestEachOddAccount has names and ids that a gateway's list may have by mistake. Each is the failure of that account alone.
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
		accounts[1] = chaim.Account{ID: "999999999999"} // that nobody knows
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
		assert.Len(t, srv.Requests(), 10, "who is refused does not ask again")

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
					<-time.After(10 * time.Second) // in which a profile would be looked after
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
			if first.Add(1) <= 8 { // so that eight are there at once
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

func TestEachWithSources(t *testing.T) {
	t.Setenv("CHAIM_URL", "") // no gateway is configured
	srv := chaimtest.NewServer(t)
	accounts, opts := eachOf(t, srv, 10)
	opts.Options.Settings = nil
	keys := srv.AddKeys("sredev", "somebody")
	var mu sync.Mutex
	calls := map[chaim.Account]int{}
	broken := errors.New("broken")
	opts.Sources = func(a chaim.Account) aws.CredentialsProvider {
		mu.Lock()
		calls[a]++
		mu.Unlock()
		switch a {
		case accounts[0]:
			return nil
		case accounts[1]:
			return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				mu.Lock()
				defer mu.Unlock()
				calls[a] += 100
				return aws.Credentials{}, broken
			})
		}
		return &chaim.STS{
			RoleARN: "arn:aws:iam::" + a.ID + ":role/CrossAccountReadOnly", Region: "eu-west-1", HTTPClient: srv.HTTPClient(),
			Keys: credentials.StaticCredentialsProvider{Value: keys},
		}
	}
	err := chaim.Each(t.Context(), accounts, opts, func(ctx context.Context, a chaim.Account, c *chaim.Client) error {
		creds, err := c.Retrieve(ctx)
		assert.Equal(t, a.ID, creds.AccountID)
		return err
	})
	assert.Equal(t, accounts[:2], failedOf(t, err))
	assert.ErrorContains(t, err, "Sources returned nil")
	assert.ErrorIs(t, err, broken)
	assert.Equal(t, 101, calls[accounts[1]], "what another provider says is not asked again")
	delete(calls, accounts[1])
	assert.Equal(t, []int{1}, slices.Compact(slices.Collect(maps.Values(calls))), "one source for each account")
	assert.Len(t, srv.Requests(), 8)
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
	slices.Reverse(accounts) // whichever is the first
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
