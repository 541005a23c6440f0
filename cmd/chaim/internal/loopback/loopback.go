// Package loopback tells who is at the other end of a connection within this machine.
package loopback

import "net/netip"

// IsForeign reports whether peer, which is connected to here, is known to be of another user than this process and root.
// Root can read our memory anyway, and the relay that connects the browsers of Windows to WSL runs as root.
//
// Nothing is known where the system does not tell, and of a peer that is gone. Then the answer is no, as what is served has
// a secret of its own to protect it.
func IsForeign(peer, here netip.AddrPort) bool { return isForeign(peer, here) }
