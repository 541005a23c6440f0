package chaim_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
)

// lead has a link lead to another file in one step, as programs do that switch between credentials files.
func lead(link, target string) error {
	next := link + ".next"
	if err := os.Symlink(target, next); err != nil {
		return err
	}
	return os.Rename(next, link)
}

// linked returns options for a credentials file that is a link, and the two files it may lead to: it leads to the first.
func linked(t *testing.T, inOneFolder bool) (opts chaim.Options, first, second string) {
	t.Helper()
	opts = optionsFor(t, chaimtest.NewServer(t))
	dir := t.TempDir()
	first, second = filepath.Join(dir, "one"), filepath.Join(dir, "two")
	if !inOneFolder {
		second = filepath.Join(t.TempDir(), "two")
	}
	write(t, first, "[one]\nregion = r\n")
	write(t, second, "[two]\nregion = r\n")
	require.NoError(t, lead(credentialsFile(opts), first))
	return opts, first, second
}

// TestLinkThatLeadsElsewhere has the link to the credentials file lead to another one while a scope lives. The scope stays
// in the first, where another program may sweep, and ends there.
func TestLinkThatLeadsElsewhere(t *testing.T) {
	for _, inOneFolder := range []bool{true, false} {
		for _, form := range []chaim.ProfileForm{chaim.Keys, chaim.Process} {
			t.Run(form.String(), func(t *testing.T) {
				opts, first, second := linked(t, inOneFolder)
				opts.Form = form
				before := [2]string{read(t, first), read(t, second)}
				require.NoError(t, chaim.WithContext(t.Context(), opts, func(ctx context.Context, c *chaim.Client) error {
					require.NoError(t, lead(credentialsFile(opts), second))
					files := scopeFiles(t, first)
					_, err := c.RequestKeys(ctx)
					require.NoError(t, err)
					assert.Contains(t, c.Environ(), "AWS_SHARED_CREDENTIALS_FILE="+first)
					during := read(t, first)
					assert.Equal(t, form == chaim.Keys, strings.Contains(during, c.Creds().AccessKeyID))

					other := clientFor(t, opts) // which sweeps
					for _, dir := range []string{opts.Dir, filepath.Dir(second)} {
						swept, err := chaim.Sweep(ctx, dir)
						require.NoError(t, err)
						assert.Empty(t, swept)
					}
					require.NoError(t, other.DeleteAccount(ctx, c.Profile()), "that is not there")
					assert.Equal(t, during, read(t, first))
					assert.ElementsMatch(t, files, scopeFiles(t, first))

					write(t, first, before[0]) // an old copy, written back
					isBack := func() bool {
						text, err := os.ReadFile(first)
						return err == nil && string(text) == during
					}
					require.Eventually(t, isBack, 10*time.Second, 20*time.Millisecond)
					assert.Equal(t, before[1], read(t, second))
					return nil
				}))
				assert.Equal(t, before, [2]string{read(t, first), read(t, second)})
				assert.Empty(t, scopeFiles(t, first))
				assert.Empty(t, scopeFiles(t, second))
			})
		}
	}
}

// TestLinkBeforeAndAfterAScope has each scope be where the link leads when it begins, and its client's own profile be deleted
// and parked where it is.
func TestLinkBeforeAndAfterAScope(t *testing.T) {
	opts, first, second := linked(t, true)
	opts.TempName, opts.Keep, opts.NoRenew = "dev", true, true
	before := [2]string{read(t, first), read(t, second)}
	for name, end := range map[string]func(c *chaim.Client) error{
		"deleted": func(c *chaim.Client) error { return c.DeleteAccount(t.Context(), "dev") },
		"parked":  func(c *chaim.Client) error { return c.ParkAccount(t.Context(), "dev") },
	} {
		t.Run(name, func(t *testing.T) {
			c := clientFor(t, opts)
			require.NoError(t, lead(credentialsFile(opts), second))
			_, err := c.RequestKeys(t.Context())
			require.NoError(t, err)
			require.NoError(t, lead(credentialsFile(opts), first))
			assert.Contains(t, read(t, second), c.Creds().AccessKeyID)
			require.NoError(t, end(c))
			assert.Equal(t, before, [2]string{read(t, first), read(t, second)})
			assert.Equal(t, name == "parked", len(parkedAccounts(t, clientFor(t, opts))) == 1, "beside the link")
			require.NoError(t, os.RemoveAll(parkedFile(opts)))
		})
	}
}

// TestLinkAfterAKill has a scope die after the link has been led elsewhere: a sweep of the file where it was removes it.
func TestLinkAfterAKill(t *testing.T) {
	for _, form := range []chaim.ProfileForm{chaim.Keys, chaim.Process} {
		t.Run(form.String(), func(t *testing.T) {
			opts, first, second := linked(t, true)
			before := [2]string{read(t, first), read(t, second)}
			cmd := exec.CommandContext(t.Context(), os.Args[0])
			cmd.Env = append(os.Environ(), "AWS_SHARED_CREDENTIALS_FILE="+credentialsFile(opts), "CHAIM_TEST_DIE="+form.String(), "CHAIM_TEST_LINK="+second)
			require.EqualError(t, cmd.Run(), "exit status 7")
			during := read(t, first)
			require.Contains(t, during, "[tempname]")

			swept, err := chaim.Sweep(t.Context(), opts.Dir)
			require.NoError(t, err)
			assert.Empty(t, swept)
			assert.Equal(t, [2]string{during, before[1]}, [2]string{read(t, first), read(t, second)})

			require.NoError(t, lead(credentialsFile(opts), first))
			swept, err = chaim.Sweep(t.Context(), opts.Dir)
			require.NoError(t, err)
			assert.Contains(t, swept, chaim.Swept{Path: credentialsFile(opts), Profile: "tempname"})
			assert.Equal(t, before, [2]string{read(t, first), read(t, second)})
			assert.Empty(t, scopeFiles(t, first))
		})
	}
}
