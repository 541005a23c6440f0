package loopback

import (
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSocketOwner(t *testing.T) {
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0 100 0 0 10 0
   1: 0100007F:C350 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1001        0 4712 1 0 20 4 30 10 -1
   2: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 4713 1 0 20 4 30 10 -1
   3: 0000000000000000FFFF00000100007F:C351 0000000000000000FFFF00000100007F:1F90 01 00000000:00000000 00:00000000 00000000  1002        0 1 1
   4: 00000000000000000000000001000000:C352 00000000000000000000000001000000:1F90 01 00000000:00000000 00:00000000 00000000  1003        0 1 1
   5: 0100007F:C353 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  many        0 1 1
   6: 0100007F0100007F:C354 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1005        0 1 1
   7: XX00007F:C355 0100007F:1F90 01
`
	here := netip.MustParseAddrPort("127.0.0.1:8080")
	for peer, want := range map[string]int{
		"127.0.0.1:50000": 1001, "127.0.0.1:50001": 1002, "127.0.0.2:50000": -1, "127.0.0.1:50003": -1, "127.0.0.1:50004": -1, "127.0.0.1:8080": -1,
	} {
		uid, isFound := ownerOf(strings.NewReader(table), netip.MustParseAddrPort(peer), here)
		if !isFound {
			uid = -1
		}
		assert.Equal(t, want, uid, peer)
	}
	uid, _ := ownerOf(strings.NewReader(table), netip.MustParseAddrPort("[::1]:50002"), netip.MustParseAddrPort("[::1]:8080"))
	assert.Equal(t, 1003, uid)
}

func TestOwnSocketIsNotForeign(t *testing.T) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	conn, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	peer, here := netip.MustParseAddrPort(conn.LocalAddr().String()), netip.MustParseAddrPort(listener.Addr().String())
	assert.False(t, IsForeign(peer, here))
	table, err := os.Open("/proc/self/net/tcp")
	require.NoError(t, err)
	defer table.Close()
	uid, isFound := ownerOf(table, peer, here)
	assert.True(t, isFound)
	assert.Equal(t, os.Geteuid(), uid)
}
