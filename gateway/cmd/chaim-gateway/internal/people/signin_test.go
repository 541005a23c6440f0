package people

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/cli"
	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/config"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/token"
)

// opened is a gateway with the user ada, who is linked, and has a token of each kind.
func opened(t *testing.T) (*cli.App, *cli.Session) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "gw")
	require.NoError(t, os.Mkdir(dir, 0o700))
	path := filepath.Join(dir, "config.yaml")
	require.NoError(t, os.WriteFile(path, []byte("url: http://127.0.0.1:8443\ndatabase: {url: 'sqlite:gateway.db'}\nkeyring: ring.json\nlimits: {tokens_per_user: 1}\n"), 0o600))
	c, _, err := config.Load(path, nil)
	require.NoError(t, err)
	require.NoError(t, store.Migrate(t.Context(), c.Database.Reveal()))
	s, err := cli.OpenWith(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	ring, err := token.NewRing(s.DB.ID())
	require.NoError(t, err)
	require.NoError(t, ring.Save(c.KeyRing))

	now := time.Now()
	effects := []store.Effect{
		store.AddUser(store.User{Name: "ada", SourceIdentity: "ada", Created: now}),
		store.AddIdentity(store.Identity{Issuer: "https://idp.example.com", Subject: "7", User: "ada", Created: now}),
	}
	for _, kind := range []store.Kind{store.WebToken, store.CLIToken} {
		_, row := ring.New(kind, "ada", "", now.Add(time.Hour))
		effects = append(effects, store.AddToken(row))
	}
	require.NoError(t, s.Change(t.Context(), func(*store.View) (store.Change, error) {
		return store.Change{Events: []audit.Event{s.Event(audit.UserAdded, "ada")}, Effects: effects}, nil
	}))
	return &cli.App{Out: os.Stdout, Err: os.Stderr, ConfigPath: path}, s
}

func TestSignInsDoNotCountAsTokensMadeByHand(t *testing.T) {
	_, s := opened(t)
	_, err := NewToken(t.Context(), s, "ada", "", time.Hour)
	require.NoError(t, err)
	_, err = NewToken(t.Context(), s, "ada", "", time.Hour)
	assert.ErrorContains(t, err, "user ada has 1 tokens already")
}

func TestUnlinkEndsTheSignInsAndNotTheTokensMadeByHand(t *testing.T) {
	a, s := opened(t)
	_, err := NewToken(t.Context(), s, "ada", "", time.Hour)
	require.NoError(t, err)
	cmd := userUnlink(a)
	cmd.SetArgs([]string{"ada"})
	require.NoError(t, cmd.ExecuteContext(t.Context()))
	v, err := s.DB.View(t.Context())
	require.NoError(t, err)
	require.Len(t, v.Tokens, 3)
	for _, row := range v.Tokens {
		assert.Equal(t, row.Kind == store.UserToken, row.Revoked.IsZero(), row.Kind)
	}
	_, err = s.DB.Identity(t.Context(), "https://idp.example.com", "7")
	assert.ErrorIs(t, err, store.ErrNotFound)
}

func TestSignInLinksAreRowsWithoutTheirCode(t *testing.T) {
	_, s := opened(t)
	address, err := SignInLink(t.Context(), s, "ada")
	require.NoError(t, err)
	u, err := url.Parse(address)
	require.NoError(t, err)
	assert.Equal(t, "http://127.0.0.1:8443/auth/link", u.Scheme+"://"+u.Host+u.Path)
	code := u.Query().Get("code")
	var last audit.Event
	for entry, err := range s.DB.Events(t.Context(), audit.Position{}, store.EventFilter{}) {
		require.NoError(t, err)
		last, err = audit.ParseBody(entry.Body)
		require.NoError(t, err)
		assert.NotContains(t, string(entry.Body), code)
	}
	assert.Equal(t, audit.LinkMade, last.Type)
	assert.Equal(t, "ada", last.Subject)
	_, err = s.DB.Flow(t.Context(), []byte(code))
	assert.True(t, errors.Is(err, store.ErrNotFound), "a row has the digest of the code")
}
