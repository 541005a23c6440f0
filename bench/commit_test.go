package bench

import (
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// One edit, compared with the bare replacement of the same bytes.
func BenchmarkCommit(b *testing.B) {
	for _, kb := range []int{4, 64, 1024} {
		b.Run(fmt.Sprintf("%dKB", kb), func(b *testing.B) {
			edit, last := editor(b, kb<<10/sectionSize)
			bare := newFile(b, nil)
			compare(b, 1.3, func() { replaceBare(b, bare, last()) }, edit)
		})
	}
}

// One edit of a file of 10,000 sections, compared with a copy of the file.
func BenchmarkLargeFile(b *testing.B) {
	edit, _ := editor(b, 10_000)
	from := newFile(b, document(10_000))
	compare(b, 0, func() { copyFile(b, from, from+".copy") }, edit)
}

// copyFile does the work of "cp" and fsync, without the start of a process.
func copyFile(b *testing.B, from, to string) {
	in, err := os.Open(from)
	require.NoError(b, err)
	out, err := os.Create(to)
	require.NoError(b, err)
	_, err = io.Copy(out, in)
	require.NoError(b, err)
	require.NoError(b, out.Sync())
	require.NoError(b, out.Close())
	require.NoError(b, in.Close())
}
