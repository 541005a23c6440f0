package recent

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestAMapForgetsInBoundedMemory(t *testing.T) {
	var m Map[int, string]
	newValue := func() string { return "new" }
	m.Get(-1, func() string { return "used again and again" })
	m.Get(-2, func() string { return "not used again" })
	for i := range 3 * maxRemembered {
		m.Get(i, newValue)
		if i%1000 == 0 {
			assert.Equal(t, "used again and again", m.Get(-1, newValue))
		}
	}
	assert.LessOrEqual(t, len(m.young)+len(m.old), 2*maxRemembered)
	_, isKnown := m.Find(-2)
	assert.False(t, isKnown)
	_, isKnown = m.Find(3*maxRemembered - 1)
	assert.True(t, isKnown)
}

func TestANetworkIsWhatOneHostHas(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.1": "192.0.2.1/32", "::ffff:192.0.2.1": "192.0.2.1/32", "2001:db8::1": "2001:db8::/64", "fe80::1%eth0": "fe80::/64",
	} {
		assert.Equal(t, netip.MustParsePrefix(want), Network(netip.MustParseAddr(addr)))
	}
	assert.Zero(t, Network(netip.Addr{}))
}
