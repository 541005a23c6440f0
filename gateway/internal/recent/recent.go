// Package recent remembers what callers have done lately, in bounded memory. Strangers decide how many callers there are.
package recent

import "net/netip"

// maxRemembered is how many keys each of the two generations of a Map has.
const maxRemembered = 10_000

// Map is a map that forgets what was not used while 10,000 others were. The zero value is ready. It is not safe for concurrent
// use.
type Map[K comparable, V any] struct{ young, old map[K]V }

// Find returns the value of a key, if there is one.
func (m *Map[K, V]) Find(key K) (value V, isKnown bool) {
	if value, isKnown = m.young[key]; !isKnown {
		value, isKnown = m.old[key]
	}
	return value, isKnown
}

// Get returns the value of a key, and keeps it from being forgotten. It makes a value for a new key.
func (m *Map[K, V]) Get(key K, newValue func() V) V {
	if value, isYoung := m.young[key]; isYoung {
		return value
	}
	value, isKnown := m.Find(key)
	if !isKnown {
		value = newValue()
	}
	if m.young == nil || len(m.young) == maxRemembered {
		m.young, m.old = map[K]V{}, m.young
	}
	m.young[key] = value
	return value
}

// Network returns the network that counts for an address: the address itself, or for IPv6 its /64, because a host has a whole
// one. It is the zero Prefix for the zero Addr.
func Network(addr netip.Addr) netip.Prefix {
	const hostBits = 64
	addr = addr.Unmap().WithZone("")
	bits := addr.BitLen()
	if addr.Is6() {
		bits -= hostBits
	}
	prefix, _ := addr.Prefix(bits)
	return prefix
}
