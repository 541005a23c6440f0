package chaim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/lease"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// countingSource gives a new set of one hour at each call.
func countingSource(calls *atomic.Int32) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		n := calls.Add(1)
		return aws.Credentials{
			AccessKeyID: fmt.Sprintf("ASIAOURS%012d", n), SecretAccessKey: "s", SessionToken: "t",
			CanExpire: true, Expires: time.Now().Add(time.Hour),
		}, nil
	})
}

// newClient gets its keys from src.
func newClient(t *testing.T, src aws.CredentialsProvider) *Client {
	t.Helper()
	c, err := New(Options{Account: "sredev", Source: src, Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, c.Close()) })
	return c
}

// renewElsewhere puts other keys into a client's profile, as another process does that was told to renew it.
func renewElsewhere(t *testing.T, c *Client, lifetime time.Duration, account, region string) {
	t.Helper()
	g := grant{account: account, creds: AwsCreds{
		Region: region, AccessKeyID: "ASIATHEIRS0000000000", SecretAccessKey: "s2", SessionToken: "t2",
		Expires: time.Now().Add(lifetime).Truncate(time.Second),
	}}
	if lifetime == math.MaxInt64 {
		g.creds.Expires = time.Unix(253402300799, 0) // in the year 9999
	}
	err := c.file.Edit(t.Context(), func(doc []byte) ([]byte, error) {
		pairs, _, err := inifile.ReadManaged(doc, c.Profile())
		if err != nil {
			return nil, err
		}
		scopes := scopesOf(c)
		s, isIntact := lease.Of(pairs)
		process := pairs[inifile.ProcessKey]
		mark := ""
		if !c.opts.Keep {
			require.True(t, isIntact)
			mark = lease.New(s.ID, scopes.Folder, map[string]string{"aws_access_key_id": g.creds.AccessKeyID}).String()
		}
		if process != "" {
			mark = pairs[inifile.ScopeKey]
			text, err := g.creds.ProcessJSON()
			require.NoError(t, err)
			require.NoError(t, sharedfile.WriteFile(scopes.Path(s.ID, lease.ProcessExtension), text))
		}
		return inifile.Set(doc, c.Profile(), sectionPairs(g, c.opts, process, mark))
	})
	require.NoError(t, err)
}

func scopesOf(c *Client) lease.Files {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.scopes
}

// processFile is where a scope has its keys for a credential_process.
func processFile(c *Client) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.scopes.Path(c.written.scope, lease.ProcessExtension)
}

// TestKeysOfAnotherProcessAreReplaced: a client serves, and a scope's profile holds, what its own source gave.
func TestKeysOfAnotherProcessAreReplaced(t *testing.T) {
	for name, tt := range map[string]struct {
		opts     Options
		lifetime time.Duration
		account  string
		region   string
	}{
		"keys":            {Options{}, time.Hour, "sredev", "eu-west-1"},
		"process":         {Options{Form: Process}, time.Hour, "sredev", "eu-west-1"},
		"kept":            {Options{Keep: true}, time.Hour, "sredev", "eu-west-1"},
		"no end":          {Options{Form: Process}, math.MaxInt64, "sredev", "eu-west-1"},
		"another account": {Options{}, time.Hour, "prod", "eu-west-1"},
		"another region":  {Options{}, time.Hour, "sredev", "us-east-1"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var calls atomic.Int32
				opts := tt.opts
				opts.Account, opts.Duration, opts.Source, opts.Dir = "sredev", time.Hour, countingSource(&calls), t.TempDir()
				c, err := New(opts)
				require.NoError(t, err)
				defer c.Close()
				first, err := c.RequestKeys(t.Context())
				require.NoError(t, err)
				<-time.After(10 * time.Minute)
				renewElsewhere(t, c, tt.lifetime, tt.account, tt.region)
				inFile := func() string {
					path := c.file.Path
					if opts.Form == Process {
						path = processFile(c)
					}
					text, err := os.ReadFile(path)
					require.NoError(t, err)
					return string(text)
				}
				<-time.After(time.Second)
				assert.Equal(t, first, c.Creds())
				assert.Equal(t, !opts.Keep, strings.Contains(inFile(), first.AccessKeyID), "a scope looks after its profile")
				<-time.After(40 * time.Minute)
				assert.EqualValues(t, 2, calls.Load())
				assert.Equal(t, "ASIAOURS000000000002", c.Creds().AccessKeyID)
				assert.Contains(t, inFile(), "ASIAOURS000000000002")
				assert.NotContains(t, inFile(), "ASIATHEIRS")
			})
		})
	}
}

func TestWhatSomebodyElseBrokeIsWrittenAgain(t *testing.T) {
	for _, form := range []ProfileForm{Keys, Process} {
		t.Run(form.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var calls atomic.Int32
				c, err := New(Options{Account: "sredev", Form: form, Source: countingSource(&calls), Dir: t.TempDir()})
				require.NoError(t, err)
				defer c.Close()
				_, err = c.RequestKeys(t.Context())
				require.NoError(t, err)
				path := c.file.Path
				if form == Process {
					path = processFile(c)
				}
				want, err := os.ReadFile(path)
				require.NoError(t, err)
				for _, replace := range [][2]string{{"secret_access_key = s", "secret_access_key = x"}, {"aws_session_token = t\n", ""}, {`"SessionToken":"t"`, `"SessionToken":"x"`}, {"{", ""}} {
					require.NoError(t, os.WriteFile(path, bytes.Replace(want, []byte(replace[0]), []byte(replace[1]), 1), 0o600))
					<-time.After(time.Second)
					got, err := os.ReadFile(path)
					require.NoError(t, err)
					assert.ElementsMatch(t, strings.Split(string(want), "\n"), strings.Split(string(got), "\n"))
				}
			})
		})
	}
}

// TestFirstCallIsShared has callers of a cold client give up before the source answers.
func TestFirstCallIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &fakeSource{}
		src.delay.Store(int64(3 * time.Second))
		c := newClient(t, src)
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+i%5)*time.Second)
				defer cancel()
				_, err := c.Retrieve(ctx)
				if i%5 < 2 {
					assert.ErrorIs(t, err, context.DeadlineExceeded)
				} else if i%5 > 2 {
					assert.NoError(t, err)
				}
			})
		}
		wg.Wait()
		assert.EqualValues(t, 1, src.calls.Load())
	})
}

func TestFirstRefusalIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, failure := &fakeSource{}, errors.New("no")
		src.delay.Store(int64(time.Second))
		src.fail.Store(&failure)
		c := newClient(t, src)
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				_, err := c.Retrieve(t.Context())
				assert.ErrorIs(t, err, failure)
				assert.NotErrorIs(t, err, ErrExpired)
			})
		}
		wg.Wait()
		assert.EqualValues(t, 1, src.calls.Load())
		src.fail.Store(nil)
		_, err := c.Retrieve(t.Context())
		assert.NoError(t, err)
	})
}

// TestKeysThatCannotBeStored are not asked for again and again.
func TestKeysThatCannotBeStored(t *testing.T) {
	for name, tt := range map[string]struct {
		section string
		calls   int32
	}{
		"taken by the user": {"[tempname]\naws_access_key_id = mine\n", 1},
		"written twice":     {"[tempname]\naccountname = a\n[tempname]\naccountname = b\n", 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := &fakeSource{}
				c := newClient(t, src)
				_, err := c.RequestKeys(t.Context())
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(c.file.Path, []byte(tt.section), 0o600))
				<-time.After(2 * time.Hour)
				assert.Equal(t, tt.calls, src.calls.Load())
				require.NoError(t, os.WriteFile(c.file.Path, nil, 0o600))
				<-time.After(10 * time.Minute)
				_, err = c.Retrieve(t.Context())
				assert.NoError(t, err, "and it recovers")
			})
		})
	}
}

// TestDeleteAccountBesideCalls: a call gets keys, or is told that the client is closed.
func TestDeleteAccountBesideCalls(t *testing.T) {
	c := newClient(t, &fakeSource{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				if _, err := c.Retrieve(t.Context()); err != nil {
					assert.ErrorIs(t, err, ErrClosed)
				}
				creds, err := c.RequestKeys(t.Context())
				if err != nil {
					assert.ErrorIs(t, err, ErrClosed)
				}
				assert.Equal(t, err == nil, creds.AccessKeyID != "")
			}
		})
	}
	_, err := c.RequestKeys(t.Context())
	require.NoError(t, err)
	assert.NoError(t, c.DeleteAccount(t.Context(), c.Profile()))
	wg.Wait()
	_, err = c.RequestKeys(t.Context())
	assert.ErrorIs(t, err, ErrClosed)
	doc, err := c.file.Read()
	require.NoError(t, err)
	assert.Empty(t, string(doc))
}

// TestDeleteAccountThatIsRefused leaves the scope as it is.
func TestDeleteAccountThatIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &fakeSource{}
		c := newClient(t, src)
		_, err := c.RequestKeys(t.Context())
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		assert.ErrorIs(t, c.DeleteAccount(ctx, c.Profile()), context.Canceled)
		doc, err := c.file.Read()
		require.NoError(t, err)
		mine := "[tempname]\naws_access_key_id = mine\n"
		require.NoError(t, os.WriteFile(c.file.Path, []byte(mine), 0o600))
		assert.ErrorIs(t, c.DeleteAccount(t.Context(), c.Profile()), ErrUnmanagedAccount)
		require.NoError(t, os.WriteFile(c.file.Path, doc, 0o600))
		<-time.After(2 * time.Hour)
		assert.False(t, c.Creds().Expired(0))
		assert.Greater(t, src.calls.Load(), int32(2))
	})
}

func TestKeysThatEndAfterOnesThatDoNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &fakeSource{}
		calls := 0
		c, err := New(Options{Account: "sredev", Dir: t.TempDir(), Source: aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
			if calls++; calls == 1 {
				return aws.Credentials{AccessKeyID: "first", SecretAccessKey: "s"}, nil
			}
			return src.Retrieve(ctx)
		})})
		require.NoError(t, err)
		defer c.Close()
		for range 2 {
			_, err = c.RequestKeys(t.Context())
			require.NoError(t, err)
		}
		<-time.After(3 * time.Hour)
		doc, err := c.file.Read()
		require.NoError(t, err)
		assert.Contains(t, string(doc), fmt.Sprintf("expires = %d", c.Creds().Expires.Unix()))
		assert.False(t, c.Creds().Expired(0))
	})
}
