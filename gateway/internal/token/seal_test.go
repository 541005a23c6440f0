package token

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/store"
)

func TestWhatIsSealedIsOpenedForItsPurposeOnly(t *testing.T) {
	r := newRing(t)
	sealed := r.Seal("cookie", []byte("CANARY"))
	assert.NotContains(t, sealed, "CANARY")
	plain, err := r.Unseal("cookie", sealed)
	require.NoError(t, err)
	assert.Equal(t, "CANARY", string(plain))
	assert.NotEqual(t, sealed, r.Seal("cookie", []byte("CANARY")), "two texts cannot be compared")

	id, rest, _ := strings.Cut(sealed, ".")
	for name, tc := range map[string]struct{ purpose, text string }{
		"another purpose": {"flow", sealed},
		"no text":         {"cookie", ""},
		"no key":          {"cookie", "." + rest},
		"another key":     {"cookie", "pep_other." + rest},
		"a cut text":      {"cookie", sealed[:len(sealed)-2]},
		"a changed text":  {"cookie", id + "." + flipped(rest)},
		"no base64":       {"cookie", id + ".!" + rest},
		"nothing sealed":  {"cookie", id + "."},
		"another ring's":  {"cookie", newRing(t).Seal("cookie", []byte("CANARY"))},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := r.Unseal(tc.purpose, tc.text)
			require.ErrorIs(t, err, ErrSeal)
		})
	}
}

// flipped changes a letter in the middle of a text.
func flipped(text string) string {
	i := len(text) / 2
	letter := "A"
	if text[i] == 'A' {
		letter = "B"
	}
	return text[:i] + letter + text[i+1:]
}

func TestSealsAndDigestsOutliveARotationButNotADeadKey(t *testing.T) {
	r := newRing(t)
	sealed, digest := r.Seal("cookie", []byte("x")), r.Digest("code", "ABCD")
	rotated := r.RotatePepper()
	_, err := rotated.Unseal("cookie", sealed)
	require.NoError(t, err)
	assert.NotEqual(t, digest, rotated.Digest("code", "ABCD"))
	assert.Equal(t, [][]byte{rotated.Digest("code", "ABCD"), digest}, rotated.Digests("code", "ABCD"))
	assert.NotEqual(t, digest, r.Digest("user code", "ABCD"))

	killed, err := rotated.KillPepper(r.PepperID())
	require.NoError(t, err)
	_, err = killed.Unseal("cookie", sealed)
	require.ErrorIs(t, err, ErrSeal)
	assert.Equal(t, [][]byte{rotated.Digest("code", "ABCD")}, killed.Digests("code", "ABCD"))
}

func TestTheKindOfATokenCannotBeChanged(t *testing.T) {
	r := newRing(t)
	kinds := []store.Kind{store.UserToken, store.CLIToken, store.WebToken}
	for _, kind := range kinds {
		text, row := r.New(kind, "ada", "", time.Now().Add(time.Hour))
		_, secret, err := Parse(text.Reveal())
		require.NoError(t, err)
		for _, other := range kinds {
			row.Kind = other
			assert.Equal(t, kind == other, r.Verify(row, secret), "%s as %s", kind, other)
		}
	}
}

func TestCodesAreLongAndDiffer(t *testing.T) {
	first, second := NewCode().Reveal(), NewCode().Reveal()
	assert.Len(t, first, 52)
	assert.NotEqual(t, first, second)
}

func FuzzUnseal(f *testing.F) {
	r := newRing(f)
	good := r.Seal("cookie", []byte("x"))
	f.Add(good)
	f.Add("pep_.")
	f.Fuzz(func(t *testing.T, text string) {
		plain, err := r.Unseal("cookie", text)
		if (err == nil) != (text == good) {
			t.Fatalf("%q: %q, %v", text, plain, err)
		}
	})
}
