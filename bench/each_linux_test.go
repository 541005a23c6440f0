package bench

import (
	"path/filepath"
	"testing"
)

func BenchmarkEachProfiles(b *testing.B) {
	accounts, opts := newEach(b)
	opts.Profiles = true
	count := replacements(b, filepath.Join(opts.Options.Dir, "credentials"))
	serial := oneByOne(b, accounts, opts)
	count()
	compareEach(b, 1.2, serial, accounts, opts)
	b.ReportMetric(float64(count())/float64(b.N), "replacements")
}
