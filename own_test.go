package chaim_test

import (
	"context"
	"io/fs"
	"os"
	"strings"
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

// What a client does with its own profile, which it lends or keeps.

// ownChange removes the profile of a client.
type ownChange struct {
	do    func(c *chaim.Client, ctx context.Context, profile string) error
	parks bool
}

// ofOwn runs a test for each change of a client's own profile, and each kind of profile. The client has one named "dev".
func ofOwn(t *testing.T, f func(t *testing.T, opts chaim.Options, c *chaim.Client, change ownChange)) {
	t.Helper()
	for name, change := range map[string]ownChange{
		"delete": {(*chaim.Client).DeleteAccount, false},
		"park":   {(*chaim.Client).ParkAccount, true},
	} {
		for kind, isKept := range map[string]bool{"lent": false, "kept": true} {
			t.Run(name+" "+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					opts := optionsFor(t, chaimtest.NewServer(t))
					opts.TempName, opts.Keep = "dev", isKept
					c := clientFor(t, opts)
					_, err := c.RequestKeys(t.Context())
					require.NoError(t, err)
					f(t, opts, c, change)
				})
			})
		}
	}
}

// holdLock has another program, as it were, have the lock of the credentials file.
func holdLock(t *testing.T, opts chaim.Options) *sharedfile.Side {
	t.Helper()
	lock, err := sharedfile.LockSide(credentialsFile(opts)+".lock", os.O_RDONLY, false)
	require.NoError(t, err)
	require.NotNil(t, lock)
	return lock
}

// assertOpen checks that a client has its profile, and can renew it.
func assertOpen(t *testing.T, opts chaim.Options, c *chaim.Client) {
	t.Helper()
	assert.Contains(t, read(t, credentialsFile(opts)), "aws_access_key_id = "+c.Creds().AccessKeyID+"\n")
	creds, err := c.RequestKeys(t.Context())
	require.NoError(t, err)
	assert.Contains(t, read(t, credentialsFile(opts)), "aws_access_key_id = "+creds.AccessKeyID+"\n")
}

func assertClosed(t *testing.T, opts chaim.Options, c *chaim.Client) {
	t.Helper()
	_, err := c.Retrieve(t.Context())
	assert.ErrorIs(t, err, chaim.ErrClosed)
	assert.ErrorIs(t, c.DeleteAccount(t.Context(), "dev"), chaim.ErrClosed)
	assert.NotContains(t, read(t, credentialsFile(opts)), "[dev]")
	assert.Empty(t, scopeFiles(t, credentialsFile(opts)))
}

func TestOwnProfileOfALockedFile(t *testing.T) {
	ofOwn(t, func(t *testing.T, opts chaim.Options, c *chaim.Client, change ownChange) {
		lock := holdLock(t, opts)
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		start := time.Now()
		assert.ErrorIs(t, change.do(c, ctx, "dev"), context.DeadlineExceeded)
		assert.Equal(t, 500*time.Millisecond, time.Since(start))
		start = time.Now()
		assert.ErrorIs(t, change.do(c, t.Context(), "dev"), chaim.ErrLocked)
		assert.Equal(t, 10*time.Second, time.Since(start))
		require.NoError(t, lock.Close())
		assertOpen(t, opts, c)
		require.NoError(t, change.do(c, t.Context(), "dev"))
		assertClosed(t, opts, c)
	})
}

// TestOwnProfileDuringARenewal has keys come while the change waits for the lock: they are written if it fails, and else never.
func TestOwnProfileDuringARenewal(t *testing.T) {
	ofOwn(t, func(t *testing.T, opts chaim.Options, c *chaim.Client, change ownChange) {
		before := c.Creds()
		lock := holdLock(t, opts)
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		both := func(ctx context.Context) (changed, renewed chan error) {
			changed, renewed = make(chan error, 1), make(chan error, 1)
			go func() { changed <- change.do(c, ctx, "dev") }()
			synctest.Wait()
			go func() {
				_, err := c.RequestKeys(t.Context())
				renewed <- err
			}()
			return changed, renewed
		}
		changed, renewed := both(ctx)
		assert.ErrorIs(t, <-changed, context.DeadlineExceeded)
		require.NoError(t, lock.Close())
		require.NoError(t, <-renewed)
		assert.NotEqual(t, before, c.Creds())
		assertOpen(t, opts, c)

		lock = holdLock(t, opts)
		changed, renewed = both(t.Context())
		<-time.After(time.Second)
		require.NoError(t, lock.Close())
		require.NoError(t, <-changed)
		assert.ErrorIs(t, <-renewed, chaim.ErrClosed)
		<-time.After(time.Hour)
		assertClosed(t, opts, c)
	})
}

// TestOwnProfileThatChangesMeanwhile has the user write another one of the name while the change waits for the lock.
func TestOwnProfileThatChangesMeanwhile(t *testing.T) {
	ofOwn(t, func(t *testing.T, opts chaim.Options, c *chaim.Client, change ownChange) {
		lock := holdLock(t, opts)
		changed := make(chan error, 1)
		go func() { changed <- change.do(c, t.Context(), "dev") }()
		synctest.Wait()
		const users = "[dev]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = CANARY\naccountname = other\n"
		write(t, credentialsFile(opts), users)
		require.NoError(t, lock.Close())
		assert.ErrorIs(t, <-changed, chaim.ErrUnmanagedAccount)
		assert.Equal(t, [2]string{users, ""}, bothFiles(t, opts))
		assert.NotZero(t, c.Creds(), "it is open")
	})
}

// TestParkOwnProfileUnderATakenName has another account be parked under the name.
func TestParkOwnProfileUnderATakenName(t *testing.T) {
	ofOwn(t, func(t *testing.T, opts chaim.Options, c *chaim.Client, change ownChange) {
		const other = "[dev]\naccountname = other\naccountid = 222222222222\n"
		write(t, parkedFile(opts), other)
		assert.ErrorIs(t, c.ParkAccount(t.Context(), "dev"), chaim.ErrInUse)
		assertOpen(t, opts, c)
		require.NoError(t, c.DeleteAccount(t.Context(), "dev"))
		assertClosed(t, opts, c)
		assert.Equal(t, other, read(t, parkedFile(opts)))
	})
}

func TestOwnProfileThatIsGone(t *testing.T) {
	ofOwn(t, func(t *testing.T, opts chaim.Options, c *chaim.Client, _ ownChange) {
		const users = "[mine]\nregion = x\n"
		write(t, credentialsFile(opts), users)
		assert.ErrorIs(t, c.ParkAccount(t.Context(), "dev"), fs.ErrNotExist)
		assert.NotZero(t, c.Creds(), "it is open")
		require.NoError(t, c.DeleteAccount(t.Context(), "dev"))
		<-time.After(time.Hour)
		assertClosed(t, opts, c)
		assert.Equal(t, [2]string{users, ""}, bothFiles(t, opts))
	})
}

// TestOwnProfileThatIsParkedToo has the same account be parked under the name, as the id or the name tells.
func TestOwnProfileThatIsParkedToo(t *testing.T) {
	ofOwn(t, func(t *testing.T, opts chaim.Options, c *chaim.Client, change ownChange) {
		for _, parked := range []string{"[dev]\naccountname = sredev\n", "[dev]\naccountname = 111111111111\n", "[dev]\naccountname = old name\naccountid = 111111111111\n"} {
			write(t, parkedFile(opts), parked)
			require.NoError(t, change.do(c, t.Context(), "dev"))
			assertClosed(t, opts, c)
			lines := strings.Fields(strings.ReplaceAll(read(t, parkedFile(opts)), " = ", "="))
			if change.parks {
				assert.ElementsMatch(t, []string{"[dev]", "duration=1", "role=rro", "accountname=sredev", "accountid=111111111111", "region=eu-west-1"}, lines)
			} else {
				assert.Empty(t, lines)
			}
			c = clientFor(t, opts)
			_, err := c.RequestKeys(t.Context())
			require.NoError(t, err)
		}
	})
}

// TestOwnProfileWithLongLivedKeys has a source of such keys: the client has put them there, and may take them away.
func TestOwnProfileWithLongLivedKeys(t *testing.T) {
	for name, parked := range map[string]string{"delete": "", "park": "[dev]\nduration = "} {
		for _, isKept := range []bool{false, true} {
			opts := chaim.Options{
				Account: "sredev", Dir: t.TempDir(), TempName: "dev", Keep: isKept,
				Source: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "CANARYsecret", ""),
			}
			c := clientFor(t, opts)
			_, err := c.RequestKeys(t.Context())
			require.NoError(t, err)
			if name == "delete" {
				require.NoError(t, c.DeleteAccount(t.Context(), "dev"))
			} else {
				require.NoError(t, c.ParkAccount(t.Context(), "dev"))
			}
			assertClosed(t, opts, c)
			texts := bothFiles(t, opts)
			assert.Empty(t, texts[0])
			assert.True(t, strings.HasPrefix(texts[1], parked), texts[1])
			assert.NotContains(t, texts[1], "AKIA")
		}
	}
}

// TestDeleteOwnByID has a client name its account by the id, and a broker that tells no other name.
func TestDeleteOwnByID(t *testing.T) {
	opts := chaim.Options{
		Account: "111111111111", Dir: t.TempDir(), TempName: "dev",
		Source: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "ASIAEXAMPLE000000001", SecretAccessKey: "CANARY", SessionToken: "CANARY", CanExpire: true, Expires: time.Now().Add(time.Hour)}, nil
		}),
	}
	write(t, parkedFile(opts), "[dev]\naccountname = sredev\naccountid = 111111111111\n")
	c := clientFor(t, opts)
	_, err := c.RequestKeys(t.Context())
	require.NoError(t, err)
	require.NoError(t, c.DeleteAccount(t.Context(), "dev"))
	assertClosed(t, opts, c)
	assert.Empty(t, read(t, parkedFile(opts)))
}
