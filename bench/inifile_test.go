package bench

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/internal/inifile"
)

// Work on the text only, without a file.
func BenchmarkText(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		doc := document(n)
		for _, work := range []struct {
			name string
			do   func() error
		}{
			{"Scan", func() error {
				if found := len(inifile.Parse(doc).Sections()); found != n {
					return fmt.Errorf("found %d sections", found)
				}
				return nil
			}},
			{"Set", func() error {
				_, err := setSection(doc, sectionName(n/2), pairs(1))
				return err
			}},
			{"Delete", func() error {
				_, err := deleteSection(doc, sectionName(n/2))
				return err
			}},
		} {
			b.Run(fmt.Sprintf("%s/%dsections", work.name, n), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(doc)))
				for b.Loop() {
					require.NoError(b, work.do())
				}
			})
		}
	}
}
