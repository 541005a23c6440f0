package loopback

import (
	"bufio"
	"encoding/binary"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

func isForeign(peer, here netip.AddrPort) bool {
	for _, table := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		f, err := os.Open(table)
		if err != nil {
			continue
		}
		uid, isFound := ownerOf(f, peer, here)
		_ = f.Close()
		if isFound {
			return uid != 0 && uid != os.Geteuid()
		}
	}
	return false
}

// ownerOf finds the user whose socket is at local and connected to remote in a table of the kernel.
// https://docs.kernel.org/networking/proc_net_tcp.html
func ownerOf(table io.Reader, local, remote netip.AddrPort) (uid int, isFound bool) {
	lines := bufio.NewScanner(table)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 8 || socketAddress(fields[1]) != local || socketAddress(fields[2]) != remote {
			continue
		}
		uid, err := strconv.Atoi(fields[7])
		return uid, err == nil
	}
	return 0, false
}

// socketAddress reads an address of such a table: words of 32 bits in the byte order of the machine, and a port. An IPv4
// address in the IPv6 table is one of IPv4.
func socketAddress(text string) netip.AddrPort {
	words, portText, _ := strings.Cut(text, ":")
	port, err := strconv.ParseUint(portText, 16, 16)
	var bytes []byte
	for ; len(words) >= 8; words = words[8:] {
		word, wordErr := strconv.ParseUint(words[:8], 16, 32)
		if wordErr != nil {
			return netip.AddrPort{}
		}
		bytes = binary.NativeEndian.AppendUint32(bytes, uint32(word))
	}
	address, isAddress := netip.AddrFromSlice(bytes)
	if err != nil || !isAddress || words != "" {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(address.Unmap(), uint16(port))
}
