package rules

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/cli"
	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/config"
	"github.com/chaim-go/chaim/gateway/internal/store"
)

const text = `version: 1
roles: {rro: {aws: R}}
accounts: [{id: "111111111111", name: sredev}]
grants: [{id: all, to: {groups: [everyone]}, on: {ids: ["111111111111"]}, roles: [rro]}]
`

func session(t *testing.T) *cli.Session {
	t.Helper()
	url := "sqlite:" + filepath.Join(t.TempDir(), "gw", "gateway.db")
	require.NoError(t, store.Migrate(t.Context(), url))
	s, err := cli.OpenWith(t.Context(), &config.Config{Database: config.NewSecret(url)})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return s
}

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "policy.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestAPlanIsNotAppliedToPeopleThatItHasNotSeen(t *testing.T) {
	s := session(t)
	view, err := s.DB.View(t.Context())
	require.NoError(t, err)
	d, err := prepare(view, s.Config.OIDC, []byte(text))
	require.NoError(t, err)
	assert.True(t, d.diff.IsEmpty()) // there is no person yet

	e := s.Event(audit.UserAdded, "ann")
	add := store.Change{Events: []audit.Event{e}, Effects: []store.Effect{store.AddUser(store.User{Name: "ann", SourceIdentity: "ann", Created: e.At})}}
	require.NoError(t, s.Change(t.Context(), func(*store.View) (store.Change, error) { return add, nil }))
	require.ErrorIs(t, s.Append(t.Context(), d.change(s, view, "")), store.ErrStale)
	view, err = s.DB.View(t.Context())
	require.NoError(t, err)
	assert.Zero(t, view.Policy.Seq)
}

func TestAFileThatIsAppliedAlreadyMakesNoVersion(t *testing.T) {
	s := session(t)
	path := file(t, text)
	applied, err := ApplyFile(t.Context(), s, path)
	require.NoError(t, err)
	assert.EqualValues(t, 1, applied.Seq)
	applied, err = ApplyFile(t.Context(), s, path)
	require.NoError(t, err)
	assert.Zero(t, applied.Seq)
	_, err = ApplyFile(t.Context(), s, file(t, text+"nonsense: 1\n"))
	require.ErrorContains(t, err, "policy.yaml:5:1: ")
}

func TestOnlyTheHoldOfARestoreEndsAndOnlyWithTheCommandApply(t *testing.T) {
	for reason, isHeld := range map[string]bool{cli.HeldAfterRestore: false, "keys leaked": true} {
		s := session(t)
		e := s.Event(audit.GatewayFrozen, "")
		freeze := store.Change{Events: []audit.Event{e}, Effects: []store.Effect{store.Freeze(reason)}, Raises: true}
		require.NoError(t, s.Append(t.Context(), freeze))
		frozen := func() string {
			view, err := s.DB.View(t.Context())
			require.NoError(t, err)
			return view.Frozen
		}
		_, err := ApplyFile(t.Context(), s, file(t, text)) // as serve does at its start
		require.NoError(t, err)
		assert.Equal(t, reason, frozen())

		out, err := os.Create(filepath.Join(t.TempDir(), "out"))
		require.NoError(t, err)
		require.NoError(t, apply(t.Context(), &cli.App{Out: out, Err: out}, s, applyFlags{file: "policy.yaml", head: -1}, []byte(text)))
		require.NoError(t, out.Close())
		assert.Equal(t, isHeld, frozen() != "", reason)
	}
}
