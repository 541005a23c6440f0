package token

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/store"
)

func newRing(t testing.TB) *Ring {
	t.Helper()
	r, err := NewRing("gw_test")
	require.NoError(t, err)
	return r
}

func newToken(t testing.TB, r *Ring) (secret Secret, row store.Token) {
	t.Helper()
	text, row := r.New(store.UserToken, "ada", "laptop", time.Now().Add(time.Hour))
	id, secret, err := Parse(text.Reveal())
	require.NoError(t, err)
	require.Equal(t, row.ID, id)
	return secret, row
}

func TestTokenVerifies(t *testing.T) {
	r := newRing(t)
	secret, row := newToken(t, r)
	assert.True(t, r.Verify(row, secret))
	assert.Equal(t, r.PepperID(), row.Seal.KeyID)
	assert.Equal(t, "laptop", row.Label)
	row.Label, row.Created, row.Revoked = "renamed", time.Time{}, time.Now()
	assert.True(t, r.Verify(row, secret), "what people may change is not part of the MAC")
}

// TestRowCannotBeForged says what a writer of the database cannot do with a row.
func TestRowCannotBeForged(t *testing.T) {
	r := newRing(t)
	secret, row := newToken(t, r)
	_, other := newToken(t, r)
	for name, change := range map[string]func(*store.Token){
		"another user":       func(w *store.Token) { w.User = "admin" },
		"a longer life":      func(w *store.Token) { w.Expires = w.Expires.Add(time.Microsecond) },
		"another id":         func(w *store.Token) { w.ID = other.ID },
		"a moved boundary":   func(w *store.Token) { w.ID, w.User = w.ID+"a", "da" },
		"another MAC":        func(w *store.Token) { w.Seal.MAC = other.Seal.MAC },
		"no MAC":             func(w *store.Token) { w.Seal.MAC = nil },
		"a cut MAC":          func(w *store.Token) { w.Seal.MAC = w.Seal.MAC[:31] },
		"an unknown pepper":  func(w *store.Token) { w.Seal.KeyID = "pep_other" },
		"no pepper":          func(w *store.Token) { w.Seal.KeyID = "" },
		"a row of no token":  func(w *store.Token) { *w = store.Token{} },
		"the row of another": func(w *store.Token) { *w = other },
	} {
		forged := row
		change(&forged)
		assert.False(t, r.Verify(forged, secret), name)
	}
	assert.False(t, r.Verify(row, Secret{}), "an empty secret")
	assert.False(t, newRing(t).Verify(row, secret), "a ring of another gateway")
	assert.False(t, newRing(t).Verify(store.Token{}, secret))
}

func TestTokenText(t *testing.T) {
	r := newRing(t)
	text, row := r.New(store.UserToken, "ada", "", time.Now().Add(time.Hour))
	plain := text.Reveal()
	assert.Regexp(t, `^chm1_[0-9a-v]{26}_[0-9a-v]{52}$`, plain)
	assert.NotRegexp(t, `[=&%-]`, plain, "Python's form parser, configparser and searches for UUIDs leave it alone")
	assert.Equal(t, "tok_"+plain[5:31], row.ID)
	for _, wrong := range []string{
		"", "chm1_", plain + "0", plain[:len(plain)-1], " " + plain, plain + "\n", strings.ToUpper(plain),
		strings.Replace(plain, "chm1_", "chm2_", 1), plain[:31] + "-" + plain[32:], plain[:40] + "w" + plain[41:],
		plain[:10] + "é" + plain[12:], plain[:10] + "_" + plain[11:], "0b0c1d2e-1111-4222-8333-444455556666",
	} {
		_, secret, err := Parse(wrong)
		assert.ErrorIs(t, err, ErrForm, "%q", wrong)
		assert.Empty(t, secret.Reveal())
	}
}

func FuzzParse(f *testing.F) {
	text, _ := newRing(f).New(store.UserToken, "ada", "", time.Time{})
	for _, seed := range []string{text.Reveal(), "", "chm1__", "chm1_\x00", text.Reveal() + "="} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, secret, err := Parse(text)
		if err != nil {
			assert.ErrorIs(t, err, ErrForm)
			assert.NotContains(t, err.Error(), "CANARY")
			return
		}
		assert.Equal(t, text, "chm1_"+strings.TrimPrefix(id, "tok_")+"_"+secret.Reveal(), "a token has one text")
	})
}

// TestNothingPrintsSecrets prints all types with all that prints.
func TestNothingPrintsSecrets(t *testing.T) {
	r := newRing(t)
	text, _ := r.New(store.UserToken, "ada", "", time.Now())
	_, secret, err := Parse(text.Reveal())
	require.NoError(t, err)
	file := &File{}
	file.ring.Store(r)
	pepper := r.active().secret
	signingKey := r.signings[0].private
	for _, v := range []any{text, &text, secret, r, *r, struct{ S Secret }{secret}, []Secret{secret}, map[string]*Ring{"r": r}} {
		var out strings.Builder
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v)
		doc, err := json.Marshal(v)
		require.NoError(t, err)
		out.Write(doc)
		for _, one := range []string{
			secret.Reveal(), signingKey, string(pepper), fmt.Sprintf("%x", secret.Reveal()), fmt.Sprintf("%x", pepper),
			fmt.Sprint(pepper), fmt.Sprintf("%#v", pepper),
		} {
			assert.False(t, strings.Contains(out.String(), one), "%T", v)
		}
	}
}

// BenchmarkVerify compares a known token with an unknown one: the work is the same.
func BenchmarkVerify(b *testing.B) {
	r := newRing(b)
	secret, row := newToken(b, r)
	for name, row := range map[string]store.Token{"known": row, "unknown": {ID: row.ID}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				r.Verify(row, secret)
			}
		})
	}
}
