package token

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestKeysAreListedWithoutSecrets(t *testing.T) {
	r, err := NewRing("gw_list")
	require.NoError(t, err)
	r, err = r.RotatePepper().RotateSigning()
	require.NoError(t, err)
	keys := r.Keys()
	require.Len(t, keys, 4)
	var states []State
	for _, k := range keys {
		states = append(states, k.State)
	}
	assert.Equal(t, []State{Verify, Active, Verify, Active}, states)
	assert.Equal(t, r.PepperID(), keys[1].ID)
	assert.Equal(t, r.PublicKeys(), []string{keys[2].Public, keys[3].Public})
	text, err := r.text()
	require.NoError(t, err)
	for _, p := range r.peppers {
		assert.NotContains(t, fmt.Sprintf("%v %x", keys, keys), string(p.secret))
	}
	assert.NotContains(t, fmt.Sprint(keys), "PRIVATE")
	assert.Contains(t, string(text), "PRIVATE")
}
