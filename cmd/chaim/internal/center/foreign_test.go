package center

import (
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/term"
)

// TestForeignBrowserIsToldOnce has the browser of another user bring the answer twice, as for root, whose browser is that of
// a person.
func TestForeignBrowserIsToldOnce(t *testing.T) {
	f, err := os.Create(t.TempDir() + "/stderr")
	require.NoError(t, err)
	defer f.Close()
	foreign := true
	isForeign := telling(&cli.App{Err: term.NewOutlet(t.Context(), f)}, func(_, _ netip.AddrPort) bool { return foreign })
	for range 2 {
		assert.True(t, isForeign(netip.AddrPort{}, netip.AddrPort{}))
	}
	foreign = false
	assert.False(t, isForeign(netip.AddrPort{}, netip.AddrPort{}))
	text, err := os.ReadFile(f.Name())
	require.NoError(t, err)
	assert.Equal(t, 1, strings.Count(string(text), "\n"))
	assert.Contains(t, string(text), "another user of this machine brought the answer, which was not taken: run chaim as that user, or with --device")
}
