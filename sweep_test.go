package chaim_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
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
)

// dieInScope is what a child process does: it ends where no deferred call runs.
func dieInScope(form string) {
	opts := chaim.Options{
		Account: "sredev",
		Source:  credentials.NewStaticCredentialsProvider("ASIAEXAMPLE000000001", "CANARY-secret", "CANARY-token"),
	}
	if form == "Process" {
		opts.Form = chaim.Process
	}
	err := chaim.WithContext(context.Background(), opts, func(_ context.Context, c *chaim.Client) error {
		if form == "Panic" {
			go func() { panic(c.Creds()) }()
			select {}
		}
		if target := os.Getenv("CHAIM_TEST_LINK"); target != "" { // that the link leads to from now on
			if err := lead(os.Getenv("AWS_SHARED_CREDENTIALS_FILE"), target); err != nil {
				return err
			}
			if _, err := c.RequestKeys(context.Background()); err != nil {
				return err
			}
		}
		os.Exit(7)
		return nil
	})
	panic(err)
}

func TestPanicTraceShowsNoSecret(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(t.TempDir(), "credentials"), "CHAIM_TEST_DIE=Panic", "GOTRACEBACK=system")
	out, err := cmd.CombinedOutput()
	require.EqualError(t, err, "exit status 2")
	assert.Contains(t, string(out), "panic: ")
	assert.Contains(t, string(out), "goroutine")
	assert.NotContains(t, string(out), "CANARY")
}

// scopeOfTheDead returns a credentials file in which a process died in a scope.
func scopeOfTheDead(t *testing.T, form chaim.ProfileForm) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "credentials")
	write(t, path, userFile)
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "AWS_SHARED_CREDENTIALS_FILE="+path, "CHAIM_TEST_DIE="+form.String())
	require.EqualError(t, cmd.Run(), "exit status 7")
	require.Contains(t, read(t, path), "[tempname]")
	return path
}

// scopeFiles lists the files of scopes.
func scopeFiles(t *testing.T, path string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(filepath.Dir(path), "chaim", "*"))
	require.NoError(t, err)
	return found
}

func TestSweepRemovesWhatTheDeadLeft(t *testing.T) {
	for form, files := range map[chaim.ProfileForm]int{chaim.Keys: 1, chaim.Process: 2} {
		t.Run(form.String(), func(t *testing.T) {
			path := scopeOfTheDead(t, form)
			dir := filepath.Dir(path)
			want := []chaim.Swept{{Path: path, Profile: "tempname"}}
			for _, temp := range []string{".chaim-tmp-credentials-1", filepath.Join("chaim", ".chaim-tmp-credentials-ABCDEFGHIJKLMNOPQRSTUVWXYZ.json-2")} {
				write(t, filepath.Join(dir, temp), "secret")
				want = append(want, chaim.Swept{Path: filepath.Join(dir, temp)})
			}
			for _, file := range scopeFiles(t, path) {
				if !strings.HasPrefix(filepath.Base(file), ".") {
					want = append(want, chaim.Swept{Path: file})
				}
			}
			require.Len(t, want, 3+files)

			swept, err := chaim.Sweep(t.Context(), dir)
			require.NoError(t, err)
			assert.ElementsMatch(t, want, swept)
			assert.Equal(t, userFile, read(t, path))
			assert.Empty(t, scopeFiles(t, path))
			assert.NoFileExists(t, filepath.Join(dir, ".chaim-tmp-credentials-1"))

			swept, err = chaim.Sweep(t.Context(), dir)
			assert.NoError(t, err)
			assert.Empty(t, swept)
		})
	}
}

func TestNewSweeps(t *testing.T) {
	opts := chaim.Options{
		Account: "sredev", TempName: "tempname", Dir: filepath.Dir(scopeOfTheDead(t, chaim.Keys)),
		Source: credentials.NewStaticCredentialsProvider("ASIAEXAMPLE000000002", "secret", "token"),
	}
	err := chaim.WithContext(t.Context(), opts, func(_ context.Context, c *chaim.Client) error {
		assert.Contains(t, read(t, credentialsFile(opts)), "ASIAEXAMPLE000000002", "the name is free again")
		return nil
	})
	require.NoError(t, err)
	assert.Equal(t, userFile, read(t, credentialsFile(opts)))
	assert.Empty(t, scopeFiles(t, credentialsFile(opts)))
}

func TestSweepLeavesTheLivingAlone(t *testing.T) {
	srv := chaimtest.NewServer(t)
	opts := optionsFor(t, srv)
	opts.Form = chaim.Process
	err := chaim.WithContext(t.Context(), opts, func(ctx context.Context, c *chaim.Client) error {
		before := read(t, credentialsFile(opts))
		swept, err := chaim.Sweep(ctx, opts.Dir)
		assert.NoError(t, err)
		assert.Empty(t, swept)
		assert.Equal(t, before, read(t, credentialsFile(opts)))
		assert.Len(t, scopeFiles(t, credentialsFile(opts)), 2)

		other, err := chaim.New(opts)
		require.NoError(t, err)
		defer other.Close()
		assert.ErrorIs(t, other.DeleteAccount(ctx, c.Profile()), chaim.ErrInUse)
		return nil
	})
	require.NoError(t, err)
	assert.Empty(t, scopeFiles(t, credentialsFile(opts)))
}

func TestSweepLeavesWhatTheUserEdited(t *testing.T) {
	path := scopeOfTheDead(t, chaim.Keys)
	mine := strings.Replace(read(t, path), "ASIAEXAMPLE000000001", "AKIAIOSFODNN7EXAMPLE", 1)
	write(t, path, mine)
	swept, err := chaim.Sweep(t.Context(), filepath.Dir(path))
	require.NoError(t, err)
	assert.Len(t, swept, 1, "the lease")
	assert.Equal(t, mine, read(t, path))
}

func TestSweepOfNothingTouchesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	swept, err := chaim.Sweep(t.Context(), dir)
	assert.NoError(t, err)
	assert.Empty(t, swept)
	assert.NoDirExists(t, dir)
}

// TestOverwrittenProfileIsRepaired also takes the files of the scope away.
func TestOverwrittenProfileIsRepaired(t *testing.T) {
	for _, form := range []chaim.ProfileForm{chaim.Keys, chaim.Process} {
		t.Run(form.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := chaimtest.NewServer(t)
				opts := optionsFor(t, srv)
				opts.Form = form
				err := chaim.WithContext(t.Context(), opts, func(ctx context.Context, c *chaim.Client) error {
					before, files := read(t, credentialsFile(opts)), scopeFiles(t, credentialsFile(opts))
					<-time.After(1234 * time.Millisecond) // between two looks
					write(t, credentialsFile(opts), "")
					for _, name := range files { // of the folder, whose identity is part of the mark
						require.NoError(t, os.Remove(name))
					}
					<-time.After(time.Second)
					assert.Equal(t, before, read(t, credentialsFile(opts)))
					assert.Equal(t, files, scopeFiles(t, credentialsFile(opts)))

					// An old copy of the section is none of anybody else's.
					_, err := c.RequestKeys(ctx)
					require.NoError(t, err)
					renewed := read(t, credentialsFile(opts))
					write(t, credentialsFile(opts), before)
					<-time.After(time.Second)
					if form == chaim.Keys {
						assert.Equal(t, renewed, read(t, credentialsFile(opts)))
					}
					swept, err := chaim.Sweep(ctx, opts.Dir)
					assert.NoError(t, err)
					assert.Empty(t, swept)
					return nil
				})
				require.NoError(t, err)
				assert.Empty(t, read(t, credentialsFile(opts)))
				assert.Empty(t, scopeFiles(t, credentialsFile(opts)))
			})
		})
	}
}

// TestLeaseThatIsElsewhere has the credentials file moved while a scope lives, as tools that manage links do.
func TestLeaseThatIsElsewhere(t *testing.T) {
	opts := chaim.Options{
		Account: "sredev", Dir: t.TempDir(),
		Source: credentials.NewStaticCredentialsProvider("ASIAEXAMPLE000000001", "secret", "token"),
	}
	write(t, credentialsFile(opts), userFile)
	err := chaim.WithContext(t.Context(), opts, func(ctx context.Context, c *chaim.Client) error {
		moved := filepath.Join(opts.Dir, "dotfiles", "credentials")
		require.NoError(t, os.Mkdir(filepath.Dir(moved), 0o700))
		require.NoError(t, os.Rename(credentialsFile(opts), moved))
		require.NoError(t, os.Symlink(moved, credentialsFile(opts)))
		before := read(t, moved)
		swept, err := chaim.Sweep(ctx, opts.Dir)
		assert.NoError(t, err)
		assert.Empty(t, swept)
		assert.Equal(t, before, read(t, moved))

		write(t, moved, strings.Replace(before, "chaim_scope", "expires = 1\nchaim_scope", 1))
		swept, err = chaim.Sweep(ctx, opts.Dir)
		assert.NoError(t, err)
		assert.Equal(t, []chaim.Swept{{Path: credentialsFile(opts), Profile: c.Profile()}}, swept, "keys that have expired")
		return nil
	})
	require.NoError(t, err)
	assert.Equal(t, userFile, read(t, credentialsFile(opts)))
}

// A profile that stands twice cannot be removed until the user has mended that. Until then its lease says whose it is.
func TestLeaseStaysWithItsProfile(t *testing.T) {
	path := scopeOfTheDead(t, chaim.Keys)
	text := read(t, path)
	write(t, path, text+"\n[tempname]\nregion = x\n")
	swept, err := chaim.Sweep(t.Context(), filepath.Dir(path))
	assert.ErrorContains(t, err, "[tempname] stands twice")
	assert.Empty(t, swept)
	assert.Len(t, scopeFiles(t, path), 1)

	write(t, path, text)
	swept, err = chaim.Sweep(t.Context(), filepath.Dir(path))
	assert.NoError(t, err)
	assert.Len(t, swept, 2)
	assert.Equal(t, userFile, read(t, path))
}

// TestProfileWrittenBackAfterItsScope has another program read the file before a scope ends, and write it back after.
func TestProfileWrittenBackAfterItsScope(t *testing.T) {
	for _, form := range []chaim.ProfileForm{chaim.Keys, chaim.Process} {
		opts := optionsFor(t, chaimtest.NewServer(t))
		opts.Form = form
		write(t, credentialsFile(opts), userFile)
		var during string
		err := chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error {
			during = read(t, credentialsFile(opts))
			return nil
		})
		require.NoError(t, err)
		write(t, credentialsFile(opts), during)
		c, err := chaim.New(opts)
		require.NoError(t, err)
		require.NoError(t, c.Close())
		assert.Equal(t, userFile, read(t, credentialsFile(opts)))
	}
}

// TestNoPlaceForLeases has the user keep a file where the folder would be.
func TestNoPlaceForLeases(t *testing.T) {
	opts := chaim.Options{
		Account: "sredev", Dir: t.TempDir(),
		Source: credentials.NewStaticCredentialsProvider("ASIAEXAMPLE000000001", "secret", "token"),
	}
	write(t, credentialsFile(opts), userFile)
	write(t, filepath.Join(opts.Dir, "chaim"), "mine")
	c, err := chaim.New(opts)
	require.NoError(t, err)
	_, err = c.RequestKeys(t.Context())
	assert.ErrorContains(t, err, filepath.Join(opts.Dir, "chaim"))
	assert.NoError(t, c.Close())
	assert.Equal(t, userFile, read(t, credentialsFile(opts)))
	assert.Equal(t, "mine", read(t, filepath.Join(opts.Dir, "chaim")))
}

// TestFileThatGrew beyond what chaim would write, by another program, still loses the keys: at the end of the scope, or by a
// sweep after its process died.
func TestFileThatGrew(t *testing.T) {
	grow := func(path string) (foreign string) {
		foreign = strings.Repeat("# "+strings.Repeat("x", 77)+"\n", 20<<20/80)
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		require.NoError(t, err)
		_, err = f.WriteString(foreign)
		require.NoError(t, errors.Join(err, f.Close()))
		return foreign
	}
	opts := optionsFor(t, chaimtest.NewServer(t))
	path := credentialsFile(opts)
	write(t, path, userFile)
	var foreign string
	require.NoError(t, chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error {
		foreign = grow(path)
		return nil
	}))
	assert.True(t, strings.HasSuffix(read(t, path), foreign))
	assert.NotContains(t, read(t, path), "aws_session_token")

	path = scopeOfTheDead(t, chaim.Keys)
	foreign = grow(path)
	swept, err := chaim.Sweep(t.Context(), filepath.Dir(path))
	require.NoError(t, err)
	assert.NotEmpty(t, swept)
	assert.True(t, strings.HasSuffix(read(t, path), foreign))
	assert.NotContains(t, read(t, path), "aws_session_token")
}

// TestTwoFilesInOneFolder sweeps one file while scopes of the other come and go.
func TestTwoFilesInOneFolder(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "credentials"), userFile)
	work := filepath.Join(dir, "credentials-work")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", work)
	opts := chaim.Options{
		Account: "sredev", Form: chaim.Process,
		Source: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "ASIAEXAMPLE000000001", SecretAccessKey: "s", CanExpire: true, Expires: time.Now().Add(time.Hour)}, nil
		}),
	}
	ctx, stop := context.WithCancel(t.Context())
	var sweeper sync.WaitGroup
	sweeper.Go(func() {
		for ctx.Err() == nil {
			swept, err := chaim.Sweep(context.Background(), dir)
			assert.NoError(t, err)
			assert.Empty(t, swept)
		}
	})
	for range 50 {
		assert.NoError(t, chaim.WithContext(ctx, opts, func(context.Context, *chaim.Client) error {
			assert.Len(t, scopeFiles(t, work), 2)
			return nil
		}))
	}
	stop()
	sweeper.Wait()
	assert.Empty(t, read(t, work))
	assert.Empty(t, scopeFiles(t, work))
}

// TestFilesOfDeadScopeGoWithItsProfile deletes and parks a profile whose scope died after the client was made.
func TestFilesOfDeadScopeGoWithItsProfile(t *testing.T) {
	for name, take := range map[string]func(*chaim.Client, context.Context, string) error{
		"delete": (*chaim.Client).DeleteAccount, "park": (*chaim.Client).ParkAccount,
	} {
		c, path := clientOf(t, "")
		require.NoError(t, os.Remove(path))
		opts := optionsFor(t, chaimtest.NewServer(t))
		opts.Form = chaim.Process
		require.NoError(t, chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error {
			return os.CopyFS(filepath.Dir(path), os.DirFS(opts.Dir)) // of the copied lease nobody has the lock
		}))
		files := func() []string {
			names, err := filepath.Glob(filepath.Join(filepath.Dir(path), "chaim", "*"))
			require.NoError(t, err)
			return names
		}
		require.Len(t, files(), 2, "a lease, and keys")
		require.NoError(t, take(c, t.Context(), "tempname"), name)
		assert.Empty(t, files(), name)
	}
}
