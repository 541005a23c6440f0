package chaim_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

func TestKeep(t *testing.T) {
	srv := chaimtest.NewServer(t)
	opts := optionsFor(t, srv)
	opts.Keep, opts.TempName = true, "dev"
	for range 2 { // the second replaces the first
		require.NoError(t, chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error { return nil }))
	}
	text := read(t, credentialsFile(opts))
	assert.Equal(t, 1, strings.Count(text, "[dev]\n"))
	assert.Contains(t, text, "accountname = sredev\n")
	assert.NotContains(t, text, "chaim_scope")

	opts.Keep = false
	err := chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error { t.Error("fn was called"); return nil })
	assert.ErrorIs(t, err, chaim.ErrInUse, "a scope does not take a kept profile away")

	opts.TempName = ""
	c, err := chaim.New(opts)
	require.NoError(t, err)
	defer c.Close()
	assert.NoError(t, c.DeleteAccount(t.Context(), "dev"))
	assert.Empty(t, read(t, credentialsFile(opts)))
}

func TestDeleteAccount(t *testing.T) {
	srv := chaimtest.NewServer(t)
	opts := optionsFor(t, srv)
	c, err := chaim.New(opts)
	require.NoError(t, err)
	defer c.Close()
	assert.NoError(t, c.DeleteAccount(t.Context(), "absent"))
	assert.NoFileExists(t, credentialsFile(opts))
	assert.NoFileExists(t, credentialsFile(opts)+".lock", "nothing to delete leaves nothing behind")

	write(t, credentialsFile(opts), userFile)
	assert.ErrorIs(t, c.DeleteAccount(t.Context(), "prod"), chaim.ErrUnmanagedAccount)
	assert.Error(t, c.DeleteAccount(t.Context(), "default"))

	other, err := chaim.New(opts)
	require.NoError(t, err)
	defer other.Close()
	_, err = other.RequestKeys(t.Context())
	require.NoError(t, err)
	assert.ErrorIs(t, c.DeleteAccount(t.Context(), other.Profile()), chaim.ErrInUse, "a live scope of somebody else")

	const theirs = "[nested]\ncredential_process = x\n  accountname = y\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\n" +
		"[reused]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naccountname = y\nchaim_scope = dead\nexpires = 1\n"
	plain := optionsFor(t, srv)
	write(t, credentialsFile(plain), theirs)
	reader, err := chaim.New(plain)
	require.NoError(t, err)
	defer reader.Close()
	for _, profile := range []string{"nested", "reused"} {
		assert.ErrorIs(t, reader.DeleteAccount(t.Context(), profile), chaim.ErrUnmanagedAccount)
	}
	assert.Equal(t, theirs, read(t, credentialsFile(plain)))
	write(t, credentialsFile(plain), strings.ReplaceAll(theirs, "AKIA", "ASIA"))
	assert.NoError(t, reader.DeleteAccount(t.Context(), "reused"), "expired keys of a dead scope")

	assert.NoError(t, other.DeleteAccount(t.Context(), other.Profile()))
	assert.Equal(t, userFile, read(t, credentialsFile(opts)))
	assert.Zero(t, other.Creds().AccessKeyID)

	_, err = other.RequestKeys(t.Context())
	assert.ErrorIs(t, err, chaim.ErrClosed, "that closed it")
	_, err = other.Retrieve(t.Context())
	assert.ErrorIs(t, err, chaim.ErrClosed)
	assert.ErrorIs(t, other.DeleteAccount(t.Context(), other.Profile()), chaim.ErrClosed)
	assert.NoError(t, other.Close())
	assert.Equal(t, userFile, read(t, credentialsFile(opts)))
}

func TestRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		opts := optionsFor(t, srv)
		started := time.Now()
		err := chaim.WithContext(t.Context(), opts, func(ctx context.Context, c *chaim.Client) error {
			for range 24 * 12 {
				<-time.After(5 * time.Minute)
				creds, err := c.Retrieve(ctx)
				require.NoError(t, err)
				left := time.Until(creds.Expires)
				assert.GreaterOrEqual(t, left, 20*time.Minute-time.Second)
				assert.Contains(t, read(t, credentialsFile(opts)), "aws_access_key_id = "+creds.AccessKeyID, "the profile has the keys that Retrieve gives")
			}
			return ctx.Err()
		})
		require.NoError(t, err)
		assert.Equal(t, 24*time.Hour, time.Since(started))
		assert.Empty(t, read(t, credentialsFile(opts)))
		n := len(srv.Requests())
		assert.True(t, 36 <= n && n <= 49, "24 hours with keys of 1 hour took %d requests", n)
	})
}

func TestExpiredKeysEndTheScope(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		opts := optionsFor(t, srv)
		started := time.Now()
		err := chaim.WithContext(t.Context(), opts, func(ctx context.Context, c *chaim.Client) error {
			first := c.Creds()
			assert.Equal(t, chaim.StateOK, c.State())
			srv.Inject(-1, chaimtest.Status(503))
			<-ctx.Done()
			assert.Equal(t, chaim.StateExpired, c.State())
			assert.ErrorIs(t, context.Cause(ctx), chaim.ErrExpired)
			var ge *chaim.GatewayError
			if assert.ErrorAs(t, context.Cause(ctx), &ge) {
				assert.Equal(t, 503, ge.StatusCode)
			}
			assert.Equal(t, 1, strings.Count(context.Cause(ctx).Error(), "chaim: "))
			assert.False(t, time.Now().Before(first.Expires), "valid keys are kept until they expire")

			_, err := c.Retrieve(t.Context())
			assert.ErrorIs(t, err, chaim.ErrExpired)
			return err
		})
		assert.ErrorIs(t, err, chaim.ErrExpired)
		assert.Less(t, time.Since(started), 62*time.Minute)
		assert.Empty(t, read(t, credentialsFile(opts)))
	})
}

func TestRenewalRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		err := chaim.WithContext(t.Context(), optionsFor(t, srv), func(ctx context.Context, c *chaim.Client) error {
			srv.Inject(-1, chaimtest.Garbage())
			<-time.After(50 * time.Minute)
			srv.Clear()
			<-time.After(2 * time.Hour)
			return ctx.Err()
		})
		assert.NoError(t, err)
	})
}

func TestNoRenew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		opts := optionsFor(t, srv)
		opts.NoRenew, opts.Duration = true, 15*time.Minute
		err := chaim.WithContext(t.Context(), opts, func(ctx context.Context, c *chaim.Client) error {
			<-ctx.Done()
			assert.Len(t, srv.Requests(), 1)
			return context.Cause(ctx)
		})
		assert.ErrorIs(t, err, chaim.ErrExpired)

		c, err := chaim.New(opts)
		require.NoError(t, err)
		defer c.Close()
		_, err = c.RequestKeys(t.Context())
		require.NoError(t, err)
		<-time.After(time.Hour)
		assert.Len(t, srv.Requests(), 2)
		creds, err := c.Retrieve(t.Context())
		require.NoError(t, err)
		assert.Len(t, srv.Requests(), 3, "whoever finds the keys expired waits for new ones")
		assert.Equal(t, 15*time.Minute, time.Until(creds.Expires))
	})
}

func TestLockedFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		opts := optionsFor(t, srv)
		write(t, credentialsFile(opts), userFile)
		c, err := chaim.New(opts)
		require.NoError(t, err)
		_, err = c.RequestKeys(t.Context())
		require.NoError(t, err)

		held, err := sharedfile.LockSide(credentialsFile(opts)+".lock", os.O_CREATE|os.O_RDONLY, false)
		require.NoError(t, err)
		started := time.Now()
		assert.ErrorIs(t, c.Close(), chaim.ErrLocked)
		assert.Equal(t, 10*time.Second, time.Since(started))
		err = chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error { t.Error("fn was called"); return nil })
		assert.ErrorIs(t, err, chaim.ErrLocked)

		require.NoError(t, held.Close())
		assert.NoError(t, c.Close(), "Close tries again")
		assert.NoError(t, c.Close())
		assert.Equal(t, userFile, read(t, credentialsFile(opts)))
	})
}

func TestRemovalThatFailsIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		opts := optionsFor(t, srv)
		var log bytes.Buffer
		opts.Logger = slog.New(slog.NewTextHandler(&log, nil))
		hold := func() *sharedfile.Side {
			l, err := sharedfile.LockSide(credentialsFile(opts)+".lock", os.O_RDONLY, false)
			require.NoError(t, err)
			require.NotNil(t, l)
			return l
		}
		var held *sharedfile.Side
		mine := errors.New("mine")
		err := chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error {
			held = hold()
			return mine
		})
		assert.ErrorIs(t, err, mine)
		assert.ErrorIs(t, err, chaim.ErrLocked)
		assert.ErrorContains(t, err, "tempname")

		require.NoError(t, held.Close())
		assert.Panics(t, func() {
			_ = chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error {
				held = hold()
				panic("mine")
			})
		})
		require.NoError(t, held.Close())
		assert.Equal(t, 2, strings.Count(log.String(), "profile could not be removed"))
	})
}

// TestDeafSourceDoesNotKeepTheProfile has a renewal under way, in a source that does not heed its context, when the
// scope ends.
func TestDeafSourceDoesNotKeepTheProfile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := chaim.Options{Account: "sredev", Dir: t.TempDir()}
		release := make(chan struct{})
		calls := 0
		opts.Source = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			if calls++; calls > 1 {
				<-release
			}
			return aws.Credentials{AccessKeyID: "ASIA", SecretAccessKey: "s", CanExpire: true, Expires: time.Now().Add(time.Hour)}, nil
		})
		err := chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error {
			<-time.After(45 * time.Minute)
			return nil
		})
		assert.NoError(t, err)
		assert.Empty(t, read(t, credentialsFile(opts)))
		close(release)
		synctest.Wait()
		assert.Empty(t, read(t, credentialsFile(opts)), "what comes too late is not written")
	})
}

func TestSourceWithoutKeys(t *testing.T) {
	opts := chaim.Options{Account: "sredev", Dir: t.TempDir()}
	opts.Source = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, nil })
	err := chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error { t.Error("fn was called"); return nil })
	assert.ErrorContains(t, err, "without keys")
	assert.NotErrorIs(t, err, chaim.ErrExpired)
	assert.NoFileExists(t, credentialsFile(opts))
}

func TestColdRetrieveAsksOnce(t *testing.T) {
	srv := chaimtest.NewServer(t)
	c, err := chaim.New(optionsFor(t, srv))
	require.NoError(t, err)
	defer c.Close()
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			_, err := c.Retrieve(t.Context())
			assert.NoError(t, err)
		})
	}
	wg.Wait()
	assert.Len(t, srv.Requests(), 1)
}

func TestCloseEndsARequestUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		opts := optionsFor(t, srv)
		srv.Inject(-1, chaimtest.Hang())
		c, err := chaim.New(opts)
		require.NoError(t, err)
		failed := make(chan error)
		go func() { _, err := c.RequestKeys(t.Context()); failed <- err }()
		synctest.Wait()
		started := time.Now()
		assert.NoError(t, c.Close())
		assert.ErrorIs(t, <-failed, chaim.ErrClosed)
		assert.Zero(t, time.Since(started))
		assert.NoFileExists(t, credentialsFile(opts))
	})
}

func TestAfterClose(t *testing.T) {
	srv := chaimtest.NewServer(t)
	c, err := chaim.New(optionsFor(t, srv))
	require.NoError(t, err)
	_, err = c.RequestKeys(t.Context())
	require.NoError(t, err)
	require.NoError(t, c.Close())

	_, err = c.RequestKeys(t.Context())
	assert.ErrorIs(t, err, chaim.ErrClosed)
	_, err = c.Retrieve(t.Context())
	assert.ErrorIs(t, err, chaim.ErrClosed)
	_, err = c.RequestList(t.Context())
	assert.ErrorIs(t, err, chaim.ErrClosed)
	assert.ErrorIs(t, c.DeleteAccount(t.Context(), "x"), chaim.ErrClosed)
	_, err = c.ConsoleURL(t.Context())
	assert.ErrorIs(t, err, chaim.ErrClosed)
	assert.Zero(t, c.Creds().AccessKeyID)
}

// TestDeleteAccountDuringAWrite has another program empty the file first, and fill it later.
func TestDeleteAccountDuringAWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := optionsFor(t, chaimtest.NewServer(t))
		const text = "[a]\nk = v\n\n[old]\naws_access_key_id = ASIAEXAMPLE000000001\naccountname = x\n"
		write(t, credentialsFile(opts), text)
		c, err := chaim.New(opts)
		require.NoError(t, err)
		defer c.Close()
		f, err := os.OpenFile(credentialsFile(opts), os.O_WRONLY|os.O_TRUNC, 0)
		require.NoError(t, err)
		written := make(chan error)
		go func() {
			<-time.After(time.Second)
			_, err := f.WriteString(text)
			written <- errors.Join(err, f.Close())
		}()
		deleted := make(chan error)
		go func() { deleted <- c.DeleteAccount(t.Context(), "old") }()
		require.NoError(t, <-written)
		require.NoError(t, <-deleted)
		assert.Equal(t, "[a]\nk = v\n", read(t, credentialsFile(opts)))
	})
}

func TestNewWarnsOfTheFile(t *testing.T) {
	var log bytes.Buffer
	opts := chaim.Options{
		Account: "sredev", Dir: t.TempDir(), Logger: slog.New(slog.NewTextHandler(&log, nil)),
		Source: credentials.NewStaticCredentialsProvider("ASIAEXAMPLE000000001", "secret", "token"),
	}
	for text, want := range map[string]string{"[a]\nk = v\n": "", "[a]\nk = v\n[a]\n": "line=3"} {
		write(t, credentialsFile(opts), text)
		c, err := chaim.New(opts)
		require.NoError(t, err)
		require.NoError(t, c.Close())
		assert.Contains(t, log.String(), want)
		assert.Equal(t, want != "", log.Len() > 0, log.String())
		assert.Equal(t, text, read(t, credentialsFile(opts)))
		log.Reset()
	}
}

func TestSource(t *testing.T) {
	opts := chaim.Options{
		Account: "222222222222", Role: "Ops", Region: "us-gov-west-1", Duration: 90 * time.Minute, Terrible: true, Dir: t.TempDir(),
		Source: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "secret", "token"),
	}
	err := chaim.WithContext(t.Context(), opts, func(ctx context.Context, c *chaim.Client) error {
		assert.Equal(t, strings.Join([]string{
			"[tempname]", "aws_access_key_id = AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key = secret", "aws_session_token = token",
			"aws_security_token = token", "duration = 5400", "gui_url = notset", "role = Ops", "accountname = 222222222222", "region = us-gov-west-1", "chaim_scope = ID-HASHES", "",
		}, "\n"), regexp.MustCompile(`[A-Z2-7]{26}(-[0-9a-f]{16}){2}`).ReplaceAllLiteralString(read(t, credentialsFile(opts)), "ID-HASHES"))
		_, err := c.RequestList(ctx)
		assert.ErrorIs(t, err, chaim.ErrNotConfigured)
		return nil
	})
	require.NoError(t, err)

	opts.Source = credentials.NewStaticCredentialsProvider("AKIA", "line\nbreak", "")
	err = chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error { t.Error("fn was called"); return nil })
	assert.ErrorContains(t, err, "aws_secret_access_key")
	assert.Empty(t, read(t, credentialsFile(opts)))
}

func TestEnviron(t *testing.T) {
	srv := chaimtest.NewServer(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
	opts := optionsFor(t, srv)
	c, err := chaim.New(opts)
	require.NoError(t, err)
	defer c.Close()
	other := optionsFor(t, srv)
	other.Dir, other.Account = opts.Dir, "Connected Homes"
	assert.NotContains(t, clientFor(t, other).Environ(), "AWS_PROFILE=tempname", "which is another account's")
	creds, err := c.RequestKeys(t.Context())
	require.NoError(t, err)
	assert.NotContains(t, clientFor(t, other).Environ(), "AWS_PROFILE=tempname")
	env := c.Environ()
	for _, want := range []string{"AWS_PROFILE=tempname", "AWS_DEFAULT_PROFILE=tempname", "AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=", "AWS_SHARED_CREDENTIALS_FILE=" + credentialsFile(opts)} {
		assert.Contains(t, env, want)
	}
	assert.NotContains(t, strings.Join(env, "\n"), creds.AccessKeyID)
}

func TestConcurrentUse(t *testing.T) {
	srv := chaimtest.NewServer(t)
	opts := optionsFor(t, srv)
	c, err := chaim.New(opts)
	require.NoError(t, err)
	check := func(err error) {
		if err != nil && !errors.Is(err, chaim.ErrClosed) && !errors.Is(err, chaim.ErrNoURL) {
			t.Error(err)
		}
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { _, err := c.Retrieve(t.Context()); check(err) })
		wg.Go(func() { _, err := c.RequestKeys(t.Context()); check(err) })
		wg.Go(func() { check(c.DeleteAccount(t.Context(), c.Profile())) })
		wg.Go(func() { _ = fmt.Sprint(c, c.Creds(), c.Profile(), c.Environ()) })
		wg.Go(func() { _, err := c.ConsoleURL(t.Context()); check(err) })
	}
	wg.Go(func() { check(c.Close()) })
	wg.Wait()
	require.NoError(t, c.Close())
	assert.NotContains(t, string(readIfThere(t, credentialsFile(opts))), "[")
}

func readIfThere(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if !errors.Is(err, os.ErrNotExist) {
		require.NoError(t, err)
	}
	return text
}
