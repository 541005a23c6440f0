package credcache

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

func never(context.Context) (chaim.AwsCreds, error) { panic("the source was asked") }

// cached is a cache with keys for an hour.
func cached(t testing.TB, folder string) (Cache, chaim.AwsCreds) {
	t.Helper()
	cache, want := Cache{folder: folder}, newCreds("1", time.Hour)
	_, err := cache.Get(t.Context(), Key("a"), func(context.Context) (chaim.AwsCreds, error) { return want, nil })
	require.NoError(t, err)
	got, err := cache.Get(t.Context(), Key("a"), never)
	require.NoError(t, err)
	require.Equal(t, want, got)
	return cache, want
}

// names are those of the files in the folder.
func names(t *testing.T, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	all := []string{}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func TestKey(t *testing.T) {
	seen := map[string][]string{}
	for _, parts := range [][]string{nil, {""}, {"", ""}, {"a"}, {"b"}, {"a", ""}, {"", "a"}, {"a", "b"}, {"ab"}, {"a\x00b"}, {"a", "b", ""}} {
		key := Key(parts...)
		assert.Regexp(t, keyRule(), key)
		assert.Nil(t, seen[key], "%q and %q", parts, seen[key])
		seen[key] = append([]string{}, parts...)
		assert.Equal(t, key, Key(parts...))
	}
	for _, key := range []string{"", "a", "../" + Key("a")[3:], strings.ToUpper(Key("a")), Key("a") + "\n"} {
		folder := newFolder(t)
		_, err := Cache{folder: folder}.Get(t.Context(), key, never)
		assert.Error(t, err, key)
		assert.NoDirExists(t, folder)
	}
}

// corpus is what a file may hold that chaim did not write, or not whole.
func corpus(whole []byte) map[string]string {
	var e entry
	if err := json.Unmarshal(whole, &e); err != nil {
		panic(err)
	}
	changed := func(change func(*entry)) string {
		e, keys := e, *e.Keys
		e.Keys = &keys
		change(&e)
		text, err := json.Marshal(e)
		if err != nil {
			panic(err)
		}
		return string(text)
	}
	return map[string]string{
		"empty":              "",
		"torn":               string(whole[:len(whole)/2]),
		"almost whole":       string(whole[:len(whole)-1]),
		"NUL bytes":          strings.Repeat("\x00", len(whole)),
		"two of them":        string(whole) + string(whole),
		"large":              strings.Repeat(" ", maxSize) + string(whole),
		"null":               "null",
		"list":               "[]",
		"other types":        strings.Replace(string(whole), `"Failures":0`, `"Failures":"0"`, 1),
		"deep":               strings.Repeat("[", maxSize/2),
		"not UTF-8":          "\xff\xfe",
		"other version":      changed(func(e *entry) { e.Version = 2 }),
		"no version":         changed(func(e *entry) { e.Version = 0 }),
		"other key":          changed(func(e *entry) { e.Key = Key("b") }),
		"no keys":            changed(func(e *entry) { e.Keys = nil }),
		"no secret":          changed(func(e *entry) { e.Keys.SecretAccessKey = "" }),
		"odd id":             changed(func(e *entry) { e.Keys.AccessKeyID = "\x1b[2J" }),
		"no end":             changed(func(e *entry) { e.Keys.Expires = time.Time{} }),
		"expired":            changed(func(e *entry) { e.Keys.Expires = time.Now() }),
		"of tomorrow":        changed(func(e *entry) { e.Received = time.Now().Add(24 * time.Hour) }),
		"negative failures":  changed(func(e *entry) { e.Failures = -1 }),
		"endless failures":   changed(func(e *entry) { e.Failures = int(^uint(0) >> 1) }),
		"failed long ago":    changed(func(e *entry) { e.Keys, e.Reason, e.Due = nil, "away", time.Now().Add(time.Hour) }),
		"will have failed":   changed(func(e *entry) { e.Keys, e.Reason, e.Failed = nil, "away", time.Now().Add(time.Hour) }),
		"failed, but no why": changed(func(e *entry) { e.Keys, e.Failed, e.Due = nil, time.Now(), time.Now().Add(time.Hour) }),
	}
}

func TestGarbage(t *testing.T) {
	folder := newFolder(t)
	cache, _ := cached(t, folder)
	path := cache.path(Key("a"), dataExtension)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	for name, text := range corpus(whole) {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
			want := newCreds("2", time.Hour)
			for _, fetch := range []fetcher{
				func(context.Context) (chaim.AwsCreds, error) { return want, nil }, never,
			} {
				got, err := cache.Get(t.Context(), Key("a"), fetch)
				require.NoError(t, err)
				assert.Equal(t, want, got)
			}

			require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
			gone, err := cache.Sweep(t.Context())
			require.NoError(t, err)
			assert.Equal(t, []string{path, cache.path(Key("a"), lockExtension)}, gone)
			assert.Empty(t, names(t, folder))
		})
	}
}

// FuzzParse has any file be of use, or of none.
func FuzzParse(f *testing.F) {
	cache, _ := cached(f, filepath.Join(f.TempDir(), "process"))
	whole, err := os.ReadFile(cache.path(Key("a"), dataExtension))
	require.NoError(f, err)
	f.Add(whole)
	for _, text := range corpus(whole) {
		if len(text) < 1<<10 {
			f.Add([]byte(text))
		}
	}
	f.Add([]byte(fmt.Sprintf(`{"Version": %d, "Key": %q, "Reason": "\u001b[2J"}`, version, Key("a"))))
	f.Fuzz(func(t *testing.T, text []byte) {
		e, now := parse(Key("a"), text), time.Now()
		if e.isValid(now) {
			_, err := e.creds().Retrieve(t.Context())
			assert.NoError(t, err)
		}
		if err := e.failure(e.Failed, e.Failed); err != nil {
			assert.Regexp(t, "^chaim: [ -~]+$", err.Error())
		}
		failed := e.failed(Key("a"), now, errAway)
		assert.Equal(t, e.isValid(now), failed.isValid(now))
		assert.True(t, failed.Due.After(now))
		assert.LessOrEqual(t, failed.Due.Sub(now), max(time.Minute, failed.left(now)))
	})
}

func TestSweep(t *testing.T) {
	folder := newFolder(t)
	cache := Cache{folder: folder}
	gone, err := cache.Sweep(t.Context())
	require.NoError(t, err)
	assert.Empty(t, gone)
	assert.NoDirExists(t, folder)

	_, _ = cached(t, folder)
	data, lock := cache.path(Key("a"), dataExtension), cache.path(Key("a"), lockExtension)
	temp, foreign := filepath.Join(folder, ".chaim-tmp-"+filepath.Base(data)+"-1"), filepath.Join(folder, "notes.json")
	for _, path := range []string{temp, foreign, cache.path(Key("b"), lockExtension)} {
		require.NoError(t, os.WriteFile(path, []byte("mine"), 0o600))
	}
	_, err = cache.Get(t.Context(), Key("c"), func(context.Context) (chaim.AwsCreds, error) {
		gone, err = cache.Sweep(t.Context())
		return chaim.AwsCreds{}, errAway
	})
	require.ErrorIs(t, err, errAway)
	assert.ElementsMatch(t, []string{temp, cache.path(Key("b"), lockExtension)}, gone, "not the lock that is held")

	gone, err = cache.Sweep(t.Context())
	require.NoError(t, err)
	assert.Empty(t, gone, "valid keys, and a failure of this second")

	gone, err = cache.Clear(t.Context())
	require.NoError(t, err)
	assert.ElementsMatch(t, []string{data, lock, cache.path(Key("c"), dataExtension), cache.path(Key("c"), lockExtension)}, gone)
	assert.Equal(t, []string{"notes.json"}, names(t, folder))
}

// TestLockIsTheOneAtItsPath has whoever takes the lock remove it, while others have its file open already.
func TestLockIsTheOneAtItsPath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	var holders atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 2000 {
				l, err := sharedfile.LockSide(path, lockFlags, false)
				if !assert.NoError(t, err) || l == nil {
					continue
				}
				assert.Equal(t, int32(1), holders.Add(1))
				runtime.Gosched()
				holders.Add(-1)
				assert.NoError(t, l.Remove())
			}
		})
	}
	wg.Wait()
}

// TestChurn has callers and whoever removes files get in each other's way. Half of the keys have no end, so that they are not stored.
func TestChurn(t *testing.T) {
	folder := newFolder(t)
	synctest.Test(t, func(t *testing.T) {
		cache := Cache{folder: folder}
		busy := make(chan struct{}, 1)
		fetch := func(context.Context) (chaim.AwsCreds, error) {
			select {
			case busy <- struct{}{}:
			default:
				return chaim.AwsCreds{}, errors.New("two at once")
			}
			defer func() { <-busy }()
			<-time.After(time.Millisecond)
			creds := newCreds("1", time.Hour)
			if rand.N(2) == 0 {
				creds.Expires = time.Time{}
			}
			return creds, nil
		}
		done := make(chan error)
		for i := range 8 {
			go func() {
				var err, oneErr error
				for range 100 {
					if i < 3 {
						_, oneErr = cache.Clear(t.Context())
						<-time.After(time.Millisecond)
					} else {
						_, oneErr = cache.Get(t.Context(), Key("a"), fetch)
					}
					err = errors.Join(err, oneErr)
				}
				done <- err
			}()
		}
		for range 8 {
			assert.NoError(t, <-done)
		}
	})
}

// TestReadMeetsRemoval between its look at the file and its opening of it.
func TestReadMeetsRemoval(t *testing.T) {
	cache := Cache{folder: t.TempDir()}
	path, done := cache.path(Key("a"), dataExtension), make(chan error)
	go func() {
		var err error
		for range 5000 {
			err = errors.Join(err, os.WriteFile(path, nil, 0o600), os.Remove(path))
		}
		done <- err
	}()
	for {
		_, err := cache.read(Key("a"))
		assert.NoError(t, err)
		select {
		case err := <-done:
			require.NoError(t, err)
			return
		default:
		}
	}
}

func TestFullDisk(t *testing.T) {
	cache, want := Cache{folder: newFolder(t)}, newCreds("1", time.Hour)
	path := cache.path(Key("a"), dataExtension)
	var log strings.Builder
	cache.log = slog.New(slog.NewTextHandler(&log, nil))
	got, err := cache.Get(t.Context(), Key("a"), func(context.Context) (chaim.AwsCreds, error) {
		return want, os.Mkdir(path, 0o700) // which a file cannot be renamed to
	})
	require.NoError(t, err)
	assert.Equal(t, want, got)
	assert.Contains(t, log.String(), "cannot be cached")
	assert.NotContains(t, log.String(), "CANARY")
}

func TestNoSecretIsShown(t *testing.T) {
	cache, creds := cached(t, newFolder(t))
	e, err := cache.read(Key("a"))
	require.NoError(t, err)
	require.Equal(t, creds, e.creds())
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("shown", "entry", e)
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
		for _, value := range []any{e, &e, []entry{e}, map[string]entry{"": e}, struct{ E any }{&e}} {
			fmt.Fprintf(&log, format, value)
		}
	}
	for _, secret := range []string{creds.SecretAccessKey, creds.SessionToken} {
		assert.NotContains(t, log.String(), secret)
		assert.NotContains(t, log.String(), fmt.Sprintf("%x", secret))
	}
}

// TestReasonHoldsNoSecret, should an error that was not made for it have one.
func TestReasonHoldsNoSecret(t *testing.T) {
	const secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	cache := Cache{folder: newFolder(t)}
	_, err := cache.Get(t.Context(), Key("a"), func(context.Context) (chaim.AwsCreds, error) {
		return chaim.AwsCreds{}, errors.New("\x1b[2Jkey " + secret)
	})
	require.Error(t, err)
	text, err := os.ReadFile(cache.path(Key("a"), dataExtension))
	require.NoError(t, err)
	assert.NotContains(t, string(text), secret)
	_, err = cache.Get(t.Context(), Key("a"), never)
	assert.ErrorContains(t, err, "chaim: ?[2Jkey [secret] (the answer to another process, 0s ago)")
}

// TestReasonKeepsLocalNames of an error that chaim made, in the process that asked and in the others.
func TestReasonKeepsLocalNames(t *testing.T) {
	const text = `keys for account "acme-production-AdministratorAccess-123456789012" as "AWSReservedSSO_AdministratorAccess_0123456789abcdef": ` +
		`[profile token=acme-production-AdministratorAccess-123456789012] in /srv/folder/folder/folder/folder/folder/folder/config`
	cache := Cache{folder: newFolder(t)}
	_, err := cache.Get(t.Context(), Key("a"), func(context.Context) (chaim.AwsCreds, error) {
		return chaim.AwsCreds{}, fmt.Errorf("%w: %s", chaim.ErrNotConfigured, text)
	})
	require.ErrorContains(t, err, text)
	_, err = cache.Get(t.Context(), Key("a"), never)
	assert.ErrorContains(t, err, text)
	assert.ErrorContains(t, err, "(the answer to another process, 0s ago)")
}

func TestSomethingElseInItsPlace(t *testing.T) {
	for name, make := range map[string]func(path string) error{
		"folder":        func(path string) error { return os.Mkdir(path, 0o700) },
		"link":          func(path string) error { return os.Symlink(filepath.Join(filepath.Dir(path), "x"), path) },
		"dangling link": func(path string) error { return os.Symlink("y", path) },
	} {
		for _, extension := range []string{dataExtension, lockExtension} {
			t.Run(name+extension, func(t *testing.T) {
				cache := Cache{folder: t.TempDir()}
				require.NoError(t, os.WriteFile(filepath.Join(cache.folder, "x"), nil, 0o600))
				require.NoError(t, make(cache.path(Key("a"), extension)))
				_, err := cache.Get(t.Context(), Key("a"), never)
				assert.ErrorIs(t, err, sharedfile.ErrUnsafe)
				assert.NoFileExists(t, filepath.Join(cache.folder, "y"))
			})
		}
	}
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "elsewhere"), 0o700))
	require.NoError(t, os.Symlink("elsewhere", filepath.Join(dir, "process")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	for _, name := range []string{"process", "file"} {
		_, err := Cache{folder: filepath.Join(dir, name)}.Get(t.Context(), Key("a"), never)
		assert.ErrorIs(t, err, sharedfile.ErrUnsafe)
		assert.ErrorContains(t, err, name+" is no folder")
	}
	_, err := Cache{folder: filepath.Join(dir, "process")}.Clear(t.Context())
	assert.ErrorIs(t, err, sharedfile.ErrUnsafe)
	require.NoError(t, os.Symlink("elsewhere", filepath.Join(dir, "chaim")))
	_, err = Cache{folder: filepath.Join(dir, "chaim", "process")}.Get(t.Context(), Key("a"), never)
	require.Error(t, err)
	assert.NoDirExists(t, filepath.Join(dir, "elsewhere", "process"), "nothing is made behind a link")
	_, err = Cache{folder: filepath.Join(dir, "file", "process")}.Get(t.Context(), Key("a"), never)
	assert.ErrorContains(t, err, "cannot use the cache of credentials: ")
}

func BenchmarkGet(b *testing.B) {
	cache, _ := cached(b, filepath.Join(b.TempDir(), "process"))
	for b.Loop() {
		if _, err := cache.Get(b.Context(), Key("a"), never); err != nil {
			b.Fatal(err)
		}
	}
}
