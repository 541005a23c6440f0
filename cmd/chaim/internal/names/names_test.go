package names

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/internal/idcenter"
	"github.com/chaim-go/chaim/internal/profiles"
	"github.com/chaim-go/chaim/internal/ssotoken"
)

var accounts = []chaim.Account{{ID: "111111111111", Name: "sredev"}, {ID: "222222222222", Name: "Connected Homes"}}

// asked is a source that counts what it is asked.
type asked struct {
	Source
	lists int
	roles []string // ids
}

func newAsked(t *testing.T) *asked {
	t.Helper()
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "credentials"))
	a := &asked{Source: Source{key: keyOf(t.Name())}}
	a.list = func(context.Context) ([]chaim.Account, error) {
		a.lists++
		return accounts, nil
	}
	a.Source.roles = func(_ context.Context, id string) ([]string, error) {
		a.roles = append(a.roles, id)
		return []string{"Reader", "Writer" + id[:1]}, nil
	}
	return a
}

func (a *asked) file(t *testing.T) string {
	t.Helper()
	path, err := a.path()
	require.NoError(t, err)
	return path
}

func TestStoredNamesAreKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAsked(t)
		assert.Zero(t, a.Read())
		odd := []chaim.Account{{Name: "odd\x1b"}, {ID: "12", Name: "odd"}, {}}
		require.NoError(t, a.Store(append(odd, accounts...)))
		known := a.Read()
		require.Len(t, known.Accounts, 2)
		assert.Equal(t, "Connected Homes", known.Accounts[1].Name)
		assert.True(t, known.isFresh(time.Now()))

		// Roles stay with their account, even if that has another name now.
		require.NoError(t, a.Refresh(t.Context(), 0))
		require.NoError(t, a.Store([]chaim.Account{{ID: "222222222222", Name: "homes"}}))
		known = a.Read()
		require.Len(t, known.Accounts, 1)
		assert.Equal(t, []string{"Reader", "Writer2"}, known.Accounts[0].Roles)
		assert.Equal(t, []string{"Reader", "Writer2"}, known.Roles())

		// The same accounts are not written again soon.
		text, err := os.ReadFile(a.file(t))
		require.NoError(t, err)
		time.Sleep(minAge - 1)
		require.NoError(t, a.Store([]chaim.Account{{ID: "222222222222", Name: "homes"}}))
		again, err := os.ReadFile(a.file(t))
		require.NoError(t, err)
		assert.Equal(t, string(text), string(again))
		time.Sleep(time.Nanosecond)
		require.NoError(t, a.Store([]chaim.Account{{ID: "222222222222", Name: "homes"}}))
		assert.Equal(t, time.Now().UTC(), a.Read().Listed.UTC())

		require.NoError(t, a.Forget())
		assert.Zero(t, a.Read())
		require.NoError(t, a.Forget())
	})
}

func TestFind(t *testing.T) {
	known := Known{Accounts: []Account{{ID: "1", Name: "sredev"}, {ID: "2", Name: "Homes"}, {ID: "3", Name: "HOMES"}}}
	for name, want := range map[string]string{
		"sredev": "1", "1": "1", "SREDEV": "1", "Homes": "2", "HOMES": "3", "homes": "", "nobody": "",
	} {
		found, isKnown := known.Find(name)
		assert.Equal(t, want != "", isKnown, name)
		if isKnown {
			assert.Equal(t, want, found.ID, name)
		}
	}
}

func TestTextThatChaimDidNotWriteHasNoNames(t *testing.T) {
	key := keyOf("a")
	now := time.Now().Round(0)
	want := Known{Listed: now, Accounts: []Account{
		{ID: "111111111111", Name: "Connected Homes", Roles: []string{"Reader", "Writer"}, Asked: now.Add(-1)},
		{Name: "sredev", Roles: []string{}},
	}}
	text := string(want.render(key))
	assert.Equal(t, want, parse(key, text))
	for i := range text {
		assert.Zero(t, parse(key, text[:i]), text[:i])
	}
	for name, bad := range map[string]string{
		"no text": "[user]\nx = y\n", "other key": string(want.render(keyOf("b"))), "more": text + "x\n",
		"other version": "2" + text[1:], "no time": string(Known{Accounts: want.Accounts}.render(key)),
		"control":        strings.Replace(text, "sredev", "a\x1b[2J", 1),
		"id":             strings.Replace(text, "111111111111", "$(id)", 1),
		"role":           strings.Replace(text, "Reader", "a\rb", 1),
		"no name, no id": strings.Replace(text, "sredev", "", 1),
		"too few fields": strings.Replace(text, "sredev\t", "", 1),
	} {
		assert.Zero(t, parse(key, bad), name)
	}
}

func TestRefreshAsksForWhatIsOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAsked(t)
		require.NoError(t, a.Refresh(t.Context(), 0))
		assert.Equal(t, 1, a.lists)
		assert.Equal(t, []string{"111111111111", "222222222222"}, a.roles)
		time.Sleep(maxAge - 1)
		require.NoError(t, a.Refresh(t.Context(), 0))
		assert.Equal(t, 1, a.lists)
		assert.Len(t, a.roles, 2)
		time.Sleep(time.Nanosecond)
		require.NoError(t, a.Refresh(t.Context(), 0))
		assert.Equal(t, 2, a.lists)
		assert.Len(t, a.roles, 4)

		// After an end in the middle only the rest is asked for. An account that is forbidden has no roles.
		time.Sleep(maxAge)
		a.roles = nil
		list := a.Source.roles
		a.Source.roles = func(ctx context.Context, id string) ([]string, error) {
			time.Sleep(writePause)
			roles, _ := list(ctx, id)
			if id == "111111111111" {
				return nil, &smithy.GenericAPIError{Code: "ForbiddenException"}
			}
			return roles, errors.New("the end")
		}
		require.EqualError(t, a.Refresh(t.Context(), 0), "the end")
		known := a.Read()
		assert.Empty(t, known.Accounts[0].Roles)
		assert.NotEmpty(t, known.Accounts[1].Roles)
		a.Source.roles, a.roles = list, nil
		require.NoError(t, a.Refresh(t.Context(), 0))
		assert.Equal(t, []string{"222222222222"}, a.roles)

		// A clock that was wrong does not keep names for ever.
		known.Listed = time.Now().Add(time.Hour)
		require.NoError(t, a.write(known))
		require.NoError(t, a.Refresh(t.Context(), 0))
		assert.Equal(t, 4, a.lists)
	})
}

func TestOneProcessRefreshesSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAsked(t)
		for i := range 30 {
			accounts = append(accounts, chaim.Account{ID: fmt.Sprintf("4444444444%02d", i)})
		}
		t.Cleanup(func() { accounts = accounts[:2] })
		began := time.Now()
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() { assert.NoError(t, a.Refresh(t.Context(), BackgroundPause)) })
		}
		all.Wait()
		assert.Equal(t, 1, a.lists)
		assert.Len(t, a.roles, 32, "each once")
		assert.Equal(t, 31*time.Second, time.Since(began))
		assert.NotEmpty(t, a.Read().Accounts[31].Roles)
	})
}

// signIn is a sign-in with a token that is due.
type signIn struct {
	idcenter.SignIn
	token ssotoken.Token
}

func (s signIn) Read(context.Context) (ssotoken.Token, error) { return s.token, nil }

// TestRefreshLeavesTheSignInAlone checks that the work beside it can still renew the sign-in.
func TestRefreshLeavesTheSignInAlone(t *testing.T) {
	t.Setenv("AWS_CONFIG_FILE", "/nowhere")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "credentials"))
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		kept, err := ssotoken.Parse(srv.SignIn())
		require.NoError(t, err)
		time.Sleep(50 * time.Minute)
		var log bytes.Buffer
		c := &idcenter.Center{
			StartURL: kept.StartURL, Region: kept.Region, SignIn: signIn{token: kept}, Files: profiles.AWSFiles{},
			Route: idcenter.Route{HTTP: srv.HTTPClient()}, Log: slog.New(slog.NewTextHandler(&log, nil)),
		}
		require.NoError(t, OfCenter(c).Refresh(t.Context(), 0))
		assert.Empty(t, log.String())
		time.Sleep(10 * time.Minute)
		require.NoError(t, OfCenter(c).Forget())
		require.ErrorContains(t, OfCenter(c).Refresh(t.Context(), 0), "has to be renewed first")
		assert.Empty(t, log.String())
	})
}

func TestBesideNeitherDelaysWorkNorOutlivesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, isEnded := time.Now(), false
		hanging := func(ctx context.Context) error {
			defer func() { isEnded = true }()
			<-ctx.Done()
			return ctx.Err()
		}
		var log bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		var background sync.WaitGroup
		Beside(t.Context(), &background, logger, hanging)()
		background.Wait()
		assert.False(t, isEnded, "short work begins no refresh")
		end := Beside(t.Context(), &background, logger, hanging)
		time.Sleep(pause + 1)
		end()
		background.Wait()
		assert.True(t, isEnded)
		assert.Equal(t, pause+1, time.Since(began))
		assert.Empty(t, log.String())

		end = Beside(t.Context(), &background, logger, func(context.Context) error { return errors.New("no network") })
		time.Sleep(pause + 1)
		end()
		background.Wait()
		assert.Contains(t, log.String(), "level=DEBUG")
		assert.Contains(t, log.String(), "no network")
		Beside(t.Context(), &background, nil, func(context.Context) error { return errors.New("no network") })()
		background.Wait()
	})
}

func TestSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAsked(t)
		gone, err := Sweep()
		require.NoError(t, err)
		assert.Empty(t, gone)
		require.NoError(t, a.Store(accounts))
		dir := filepath.Dir(a.file(t))
		put := func(name, text string, age time.Duration) string {
			path := filepath.Join(dir, name)
			require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
			require.NoError(t, os.Chtimes(path, time.Time{}, time.Now().Add(-age)))
			return path
		}
		broken := put(keyOf("broken")+".names", "{", 0)
		dead := put(".chaim-tmp-"+keyOf("dead")+".names-123", "{", tempAge+1)
		put(".chaim-tmp-"+keyOf("live")+".names-123", "{", 0)
		put("theirs.txt", "mine", 40*24*time.Hour)
		gone, err = Sweep()
		require.NoError(t, err)
		assert.ElementsMatch(t, []string{broken, dead}, gone)
		time.Sleep(forgetAge - 1)
		gone, err = Sweep()
		require.NoError(t, err)
		assert.NotContains(t, gone, a.file(t))
		time.Sleep(time.Nanosecond)
		gone, err = Sweep()
		require.NoError(t, err)
		assert.Contains(t, gone, a.file(t))
		assert.FileExists(t, filepath.Join(dir, "theirs.txt"))
	})
}

func TestNothingIsStoredWhereNoFileIs(t *testing.T) {
	a := newAsked(t)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	require.NoError(t, a.Store(accounts))
	require.NoError(t, a.Forget())
	assert.Zero(t, a.Read())
	gone, err := Sweep()
	require.NoError(t, err)
	assert.Empty(t, gone)
}

func TestEachBrokerAndUserHasNamesOfItsOwn(t *testing.T) {
	srv := chaimtest.NewServer(t)
	srv.Setenv(t)
	seen := map[string]string{}
	for name, change := range map[string]func(*chaim.Settings){
		"": func(*chaim.Settings) {}, "token": func(s *chaim.Settings) { s.UserToken = "ca9a12e5-other" },
		"user":     func(s *chaim.Settings) { s.Username = "other" },
		"slack":    func(s *chaim.Settings) { s.SlackID, s.WorkspaceID = "U1", "W1" },
		"endpoint": func(s *chaim.Settings) { s.Endpoint += "/other" },
	} {
		settings := *srv.Settings()
		change(&settings)
		c, err := chaim.New(chaim.Options{Settings: &settings, NoProfile: true})
		require.NoError(t, err)
		source, isLister := Of(t.Context(), c)
		require.NoError(t, c.Close())
		require.True(t, isLister)
		assert.Regexp(t, "^[0-9a-f]{64}$", source.key)
		seen[name] = source.key
	}
	assert.Equal(t, seen[""], seen["token"])
	for _, name := range []string{"user", "slack", "endpoint"} {
		assert.NotEqual(t, seen[""], seen[name], name)
	}

	center := chaim.IdentityCenter{StartURL: srv.StartURL(), Region: "eu-central-1"}
	c, err := chaim.New(chaim.Options{Broker: center, NoProfile: true})
	require.NoError(t, err)
	defer c.Close()
	source, isLister := Of(t.Context(), c)
	assert.True(t, isLister)
	assert.NotNil(t, source.roles)
	none, err := chaim.New(chaim.Options{Broker: (&chaim.STS{}).Broker(), NoProfile: true})
	require.NoError(t, err)
	defer none.Close()
	_, isLister = Of(t.Context(), none)
	assert.False(t, isLister)
	assert.Empty(t, strings.Trim(source.key, "0123456789abcdef"))
}
