package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/config"
	"github.com/chaim-go/chaim/gateway/internal/store"
)

// session opens a new database.
func session(t *testing.T) *Session {
	t.Helper()
	url := "sqlite:" + filepath.Join(t.TempDir(), "gw", "gateway.db")
	require.NoError(t, store.Migrate(t.Context(), url))
	s, err := OpenWith(t.Context(), &config.Config{Database: config.NewSecret(url)})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return s
}

func addGroup(s *Session, name string) store.Change {
	e := s.Event(audit.GroupAdded, "", "group", name)
	return store.Change{Events: []audit.Event{e}, Effects: []store.Effect{store.AddGroup(name, e.At)}}
}

func TestChangesAreDecidedAgainIfPeopleChanged(t *testing.T) {
	s := session(t)
	decided := 0
	err := s.Change(t.Context(), func(v *store.View) (store.Change, error) {
		if decided++; decided == 1 { // another command is faster
			require.NoError(t, s.Change(t.Context(), func(*store.View) (store.Change, error) { return addGroup(s, "first"), nil }))
			return addGroup(s, "first"), nil
		}
		require.Equal(t, []string{"first"}, v.Groups)
		return addGroup(s, "second"), nil
	})
	require.NoError(t, err)
	assert.Equal(t, 2, decided)
}

func TestNothingIsStoredOfAChangeThatIsRefused(t *testing.T) {
	s := session(t)
	refused := errors.New("no")
	require.ErrorIs(t, s.Change(t.Context(), func(*store.View) (store.Change, error) { return addGroup(s, "g"), refused }), refused)
	require.NoError(t, s.Change(t.Context(), func(*store.View) (store.Change, error) { return store.Change{}, nil }))
	head, err := s.DB.Head(t.Context())
	require.NoError(t, err)
	assert.Zero(t, head.Seq)
}

func TestExitCodes(t *testing.T) {
	for _, test := range []struct {
		err  error
		want int
	}{
		{nil, ExitOK},
		{errors.New("x"), ExitFailed},
		{Usagef("x"), ExitUsage},
		{fmt.Errorf("x: %w", &Exit{Code: 7}), 7},
		{&Exit{Code: ExitDenied}, ExitDenied},
		{fmt.Errorf("x: %w", Ended{syscall.SIGTERM}), ExitSignaled + int(syscall.SIGTERM)},
		{fmt.Errorf("x: %w", &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}), ExitUnreachable},
		{store.ErrBusy, ExitUnreachable},
		{context.DeadlineExceeded, ExitUnreachable},
		{syscall.EPIPE, ExitReader},
	} {
		assert.Equal(t, test.want, ExitCode(test.err), "%v", test.err)
	}
}

func TestTablesShowNoControlCharacters(t *testing.T) {
	assert.Equal(t, "Zoë O'Brien", Printable("Zoë O'Brien"))
	assert.Equal(t, `"a\x1b[31m\nb"`, Printable("a\x1b[31m\nb"))
	assert.Equal(t, `"\xff"`, Printable("\xff"))
}
