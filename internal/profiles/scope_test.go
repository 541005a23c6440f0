package profiles

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/internal/keys"
)

// bookOf returns the book of a credentials file with that text. There is no AWS config file.
func bookOf(t *testing.T, text string) *Book {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(dir, "config"))
	path := filepath.Join(dir, "credentials")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return Open(path, nil, slog.New(slog.DiscardHandler))
}

func textOf(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		require.NoError(t, err)
	}
	return string(text)
}

// end is when all grants of these tests expire.
var end = time.Date(2099, 1, 2, 3, 4, 5, 0, time.UTC)

// grant returns the n-th set of keys.
func grant(n int) keys.Grant {
	g := keys.Grant{Account: "sredev", Role: "rro", Region: "eu-west-1", Duration: time.Hour}
	g.AccessKeyID, g.SecretAccessKey, g.SessionToken = fmt.Sprintf("ASIAEXAMPLE%09d", n), "secret", "token"
	g.AccountID, g.CanExpire, g.Expires = "111111111111", true, end
	return g
}

// linesOfGrant returns the lines of a profile with grant n, without the header and the mark.
func linesOfGrant(n int) string {
	return fmt.Sprintf(`aws_access_key_id = ASIAEXAMPLE%09d
aws_secret_access_key = secret
aws_session_token = token
expires = 4071006245
expstr = Expires at 03:04:05 UTC.
duration = 1
gui_url = notset
role = rro
accountname = sredev
accountid = 111111111111
aws_account_id = 111111111111
region = eu-west-1
`, n)
}

// lend starts a scope, and closes it at the end of the test.
func lend(t *testing.T, b *Book, spec Spec) *Scope {
	t.Helper()
	if spec.Account.Name == "" {
		spec.Account.Name = "sredev"
	}
	s, err := b.Lend(spec)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, closed(s)) })
	return s
}

func closed(s *Scope) error {
	s.Stop()
	defer s.Wait()
	return s.Close(context.Background())
}

var markLine = regexp.MustCompile(`(?m)^chaim_scope = [A-Z2-7]{26}-[0-9a-f]{16}-[0-9a-f]{16}(\+?)$`)

// unmarked replaces the marks of scopes in a text, which are random.
func unmarked(text string) string { return markLine.ReplaceAllString(text, "chaim_scope = MARK$1") }

func TestScope(t *testing.T) {
	for name, tt := range map[string]struct{ text, above string }{
		"no file":           {"", ""},
		"another profile":   {"[mine]\naws_access_key_id = x\n", "[mine]\naws_access_key_id = x\n\n"},
		"an unfinished end": {"[mine]\nx = y", "[mine]\nx = y\n"},
	} {
		t.Run(name, func(t *testing.T) {
			b := bookOf(t, tt.text)
			s := lend(t, b, Spec{})
			for n := range 3 {
				require.NoError(t, s.Check())
				require.NoError(t, s.Write(t.Context(), grant(n)))
				note := ""
				if strings.HasSuffix(tt.text, "y") {
					note = "+"
				}
				assert.Equal(t, tt.above+"[tempname]\n"+linesOfGrant(n)+"chaim_scope = MARK"+note+"\n", unmarked(textOf(t, b.Path())))
			}
			assert.Equal(t, "tempname", s.Name())
			require.NoError(t, closed(s))
			assert.Equal(t, tt.text, textOf(t, b.Path()))
			left, err := os.ReadDir(filepath.Join(filepath.Dir(b.Path()), folderName))
			require.NoError(t, err)
			assert.Empty(t, left)
			assert.ErrorIs(t, s.Write(t.Context(), grant(9)), keys.ErrClosed)
			assert.Equal(t, tt.text, textOf(t, b.Path()))
		})
	}
}

func TestKeptScope(t *testing.T) {
	b := bookOf(t, "[default]\nregion = us-east-1\n")
	s := lend(t, b, Spec{Name: "dev", Keep: true, Default: true})
	require.NoError(t, s.Check())
	require.NoError(t, s.Write(t.Context(), grant(1)))
	require.NoError(t, closed(s))
	kept := textOf(t, b.Path())
	assert.Contains(t, kept, "[dev]\n"+linesOfGrant(1))
	assert.Regexp(t, `(?s)^\[default\]\naws_access_key_id = ASIAEXAMPLE000000001\n.*section = sredev\nalias = dev\n.*chaim_copy = [0-9a-f]{16}\nregion = us-east-1\n`, kept)

	require.NoError(t, b.Delete(t.Context(), "dev"))
	assert.Equal(t, "[default]\nregion = us-east-1\n", textOf(t, b.Path()))
}

func TestNameThatIsTaken(t *testing.T) {
	const users = "[tempname]\naws_access_key_id = AKIAMINE000000000000\n"
	b := bookOf(t, users)
	s := lend(t, b, Spec{Name: "tempname"})
	err := s.Check()
	assert.ErrorIs(t, err, keys.ErrInUse)
	assert.ErrorIs(t, err, ErrUnmanaged)
	assert.ErrorIs(t, s.Write(t.Context(), grant(1)), keys.ErrInUse)
	assert.Equal(t, users, textOf(t, b.Path()))

	free := lend(t, b, Spec{})
	require.NoError(t, free.Write(t.Context(), grant(1)))
	assert.Regexp(t, "^tempname-[a-z2-7]{12}$", free.Name())
	assert.Contains(t, textOf(t, b.Path()), users)
	require.NoError(t, closed(free))
	assert.Equal(t, users, textOf(t, b.Path()))
}

// TestScopeThatIsLost has another program write back the text from before the scope, and then use the name of the profile.
func TestScopeThatIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bookOf(t, "")
		s := lend(t, b, Spec{})
		require.NoError(t, s.Write(t.Context(), grant(1)))
		want := textOf(t, b.Path())
		require.NoError(t, os.WriteFile(b.Path(), []byte("[mine]\n"), 0o600))
		<-time.After(time.Second)
		assert.Equal(t, "[mine]\n\n"+want, textOf(t, b.Path()))

		taken := "[tempname]\naws_access_key_id = AKIAMINE000000000000\n"
		require.NoError(t, os.WriteFile(b.Path(), []byte(taken), 0o600))
		<-time.After(time.Second)
		_, err := s.Delete(t.Context())
		assert.ErrorIs(t, err, ErrUnmanaged)
		assert.ErrorIs(t, s.Park(t.Context()), ErrUnmanaged)
		assert.Empty(t, textOf(t, b.ParkedPath()))
		assert.ErrorIs(t, s.Write(t.Context(), grant(2)), keys.ErrInUse)
		require.NoError(t, closed(s))
		assert.Equal(t, taken, textOf(t, b.Path()), "it stays")
	})
}

func TestParkAndUnpark(t *testing.T) {
	b := bookOf(t, "[dev]\n# mine\n"+linesOfGrant(1)+"output = json\n")
	require.NoError(t, b.Park(t.Context(), "dev"))
	assert.Equal(t, "[dev]\n# mine\noutput = json\n", textOf(t, b.Path()))
	assert.Equal(t, "[dev]\nduration = 1\nrole = rro\naccountname = sredev\naccountid = 111111111111\nregion = eu-west-1\n", textOf(t, b.ParkedPath()))
	parked, err := b.ListParked()
	require.NoError(t, err)
	assert.Equal(t, []string{"dev"}, parked)

	failure := errors.New("no keys")
	isBack, err := b.Unpark(t.Context(), "dev", func(Definition) (keys.Grant, error) { return keys.Grant{}, failure })
	assert.False(t, isBack)
	assert.ErrorIs(t, err, failure)
	isBack, err = b.Unpark(t.Context(), "dev", func(d Definition) (keys.Grant, error) {
		assert.Equal(t, keys.Request{Account: "sredev", AccountID: "111111111111", Role: "rro", Region: "eu-west-1", Duration: time.Hour}, d.Request)
		return grant(2), nil
	})
	assert.True(t, isBack)
	require.NoError(t, err)
	assert.Equal(t, "[dev]\n"+linesOfGrant(2)+"# mine\noutput = json\n", textOf(t, b.Path()))
	assert.Empty(t, textOf(t, b.ParkedPath()))
	_, err = b.Unpark(t.Context(), "dev", nil)
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

func TestRenewKeptProfile(t *testing.T) {
	b := bookOf(t, "[dev]\n"+linesOfGrant(1)+"\n[mine]\naws_access_key_id = AKIAMINE000000000000\n")
	_, err := b.Definition("mine")
	assert.ErrorIs(t, err, ErrUnmanaged)
	_, err = b.Definition("absent")
	assert.ErrorIs(t, err, fs.ErrNotExist)
	d, err := b.Definition("dev")
	require.NoError(t, err)
	require.NoError(t, b.Renew(t.Context(), "dev", d, grant(2)))
	assert.Contains(t, textOf(t, b.Path()), "[dev]\n"+linesOfGrant(2)+"\n[mine]\n")

	other := strings.Replace(textOf(t, b.Path()), "role = rro", "role = mpu", 1)
	require.NoError(t, os.WriteFile(b.Path(), []byte(other), 0o600))
	assert.ErrorIs(t, b.Renew(t.Context(), "dev", d, grant(3)), keys.ErrInUse, "its definition has changed")
	assert.Equal(t, other, textOf(t, b.Path()))

	s := lend(t, b, Spec{})
	require.NoError(t, s.Write(t.Context(), grant(4)))
	_, err = b.Definition("tempname")
	assert.ErrorIs(t, err, keys.ErrInUse, "a live scope renews its profile itself")
}

// TestTurns has the calls of a scope wait while another of its calls changes the profile.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bookOf(t, "")
		s := lend(t, b, Spec{})
		require.NoError(t, s.Write(t.Context(), grant(1)))
		endTurn, err := s.takeTurn(t.Context())
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err = s.Write(ctx, grant(2))
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.True(t, strings.HasPrefix(err.Error(), "chaim: waiting for "), err)
		_, err = s.Delete(ctx)
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, os.WriteFile(b.Path(), []byte("[mine]\n"), 0o600))
		<-time.After(time.Minute)
		assert.Equal(t, "[mine]\n", textOf(t, b.Path()), "the watcher waits too")
		endTurn()
		<-time.After(time.Minute)
		assert.Contains(t, textOf(t, b.Path()), "aws_access_key_id = ASIAEXAMPLE000000001\n")

		account, err := s.Delete(t.Context())
		require.NoError(t, err)
		assert.Equal(t, Holder{Name: "sredev", ID: "111111111111"}, account)
		assert.ErrorIs(t, s.Write(t.Context(), grant(2)), keys.ErrClosed)
		_, err = s.Delete(t.Context())
		assert.ErrorIs(t, err, keys.ErrClosed)
		<-time.After(time.Minute)
		assert.Equal(t, "[mine]", strings.TrimSpace(textOf(t, b.Path())))
	})
}

// TestEditMadeTwice has the first write made again, because another program has just written the file.
func TestEditMadeTwice(t *testing.T) {
	for name, tt := range map[string]struct {
		spec Spec
		text string
		id   string
	}{
		"a name that is taken": {Spec{Keep: true}, "[tempname]\nx = y\n", ""},
		"long-lived keys":      {Spec{Name: "dev"}, "[mine]\nx = y\n", "AKIAEXAMPLE000000001"},
		"both":                 {Spec{}, "[tempname]\nx = y\n", "AKIAEXAMPLE000000001"},
		"default":              {Spec{Name: "dev", Keep: true, Default: true}, "[mine]\nx = y\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := bookOf(t, tt.text)
			s := lend(t, b, tt.spec)
			g := grant(1)
			g.AccessKeyID = cmp.Or(tt.id, g.AccessKeyID)
			require.NoError(t, s.Write(t.Context(), g))
			text := textOf(t, s.Path())
			assert.True(t, strings.HasPrefix(text, tt.text))
			assert.Equal(t, 1, strings.Count(text, "accountname = "), text)
			assert.Contains(t, text, "["+s.Name()+"]\naws_access_key_id = "+g.AccessKeyID+"\n")
			_, err := s.Delete(t.Context())
			require.NoError(t, err)
			rest, _, _ := strings.Cut(textOf(t, s.Path()), "\n[default]")
			assert.Equal(t, strings.TrimSpace(tt.text), strings.TrimSpace(rest))
		})
	}
}

// TestParkedByAnother has another program park a profile to which the user had added lines of their own.
func TestParkedByAnother(t *testing.T) {
	for name, end := range map[string]func(*Scope) error{
		"park": func(s *Scope) error { return s.Park(context.Background()) },
		"delete": func(s *Scope) error {
			_, err := s.Delete(context.Background())
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := bookOf(t, "")
			s := lend(t, b, Spec{Name: "dev", Keep: true})
			require.NoError(t, s.Write(t.Context(), grant(1)))
			require.NoError(t, os.WriteFile(s.Path(), []byte(textOf(t, s.Path())+"output = json\n"), 0o600))
			require.NoError(t, b.Park(t.Context(), "dev"))
			require.NoError(t, end(s))
			assert.Equal(t, "[dev]\noutput = json\n", textOf(t, s.Path()))
			assert.ErrorIs(t, s.Write(t.Context(), grant(2)), keys.ErrClosed)
		})
	}
}

// TestParkWhileTheWatcherLooks has the watcher of the profile look while parking waits for another writer of chaim-parked.
func TestParkWhileTheWatcherLooks(t *testing.T) {
	b := bookOf(t, "")
	synctest.Test(t, func(t *testing.T) {
		s := lend(t, b, Spec{Name: "dev"})
		require.NoError(t, s.Write(t.Context(), grant(1)))
		<-time.After(watchInterval - 20*time.Millisecond)
		require.NoError(t, os.WriteFile(b.ParkedPath(), []byte("[other]\naccountname = other\n"), 0o600))
		start := time.Now()
		require.NoError(t, s.Park(t.Context()))
		assert.Greater(t, time.Since(start), 20*time.Millisecond, "the watcher has looked meanwhile")
		assert.Empty(t, textOf(t, s.Path()))
	})
}
