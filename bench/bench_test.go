package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// compare runs base and ours in turn, because the speed of a disk drifts, and reports the median ratio of ours to base. Time
// and allocations per operation are those of ours. A goal of zero means none.
func compare(b *testing.B, goal float64, base, ours func()) {
	b.ReportAllocs()
	ours() // not measured: the first edit finds a new file and no lock file
	base()
	var baseTimes, ourTimes, ratios []float64
	for b.Loop() {
		b.StopTimer()
		baseTime := measure(base)
		b.StartTimer()
		ourTime := measure(ours)
		baseTimes, ourTimes, ratios = append(baseTimes, baseTime), append(ourTimes, ourTime), append(ratios, ourTime/baseTime)
	}
	b.ReportMetric(median(baseTimes), "base-ns")
	b.ReportMetric(median(ourTimes), "ours-ns")
	reportRatio(b, median(ratios), goal)
}

func reportRatio(b *testing.B, ratio, goal float64) {
	b.ReportMetric(ratio, "ratio")
	if goal > 0 {
		b.ReportMetric(goal, "goal")
	}
}

func measure(f func()) float64 {
	start := time.Now()
	f()
	return float64(time.Since(start))
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// newDir makes a folder on the disk to measure: in CHAIM_BENCH_DIR, or among other temporary files.
func newDir(b *testing.B) string {
	dir, err := os.MkdirTemp(os.Getenv("CHAIM_BENCH_DIR"), "chaim-bench-")
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, os.RemoveAll(dir)) })
	return dir
}

// newFile makes a credentials file in a folder of its own.
func newFile(b *testing.B, text []byte) string {
	path := filepath.Join(newDir(b), "credentials")
	require.NoError(b, os.WriteFile(path, text, 0o600))
	return path
}

const sectionSize = 540

// document returns a credentials file with n sections as AWS tools write them, of sectionSize bytes each.
func document(n int) []byte {
	var text []byte
	for i := range n {
		section := fmt.Sprintf("[%s]\n", sectionName(i))
		for _, p := range pairs(0) {
			section += p.Key + " = " + p.Value + "\n"
		}
		comment := "# " + strings.Repeat("-", sectionSize-len(section)-4) + "\n\n"
		text = append(text, section+comment...)
	}
	return text
}

func sectionName(i int) string { return fmt.Sprintf("user-%05d", i) }

// pairs returns keys with an id of their own for each generation, all of the same length.
func pairs(generation int) []inifile.Pair {
	return []inifile.Pair{
		{Key: "aws_access_key_id", Value: keyID(generation)},
		{Key: "aws_secret_access_key", Value: strings.Repeat("s", 40)},
		{Key: "aws_session_token", Value: strings.Repeat("t", 320)},
		{Key: "region", Value: "eu-west-1"},
		{Key: inifile.MarkerKey, Value: "sredev"},
	}
}

func keyID(generation int) string { return fmt.Sprintf("ASIA%016d", generation) }

// editor makes a file of n sections. It returns a function that makes one durable edit of a section in the middle, with another
// key id each time, and a function that returns the text after the last edit.
func editor(b *testing.B, n int) (edit func(), last func() []byte) {
	file := sharedfile.File{Path: newFile(b, document(n))}
	generation := 0
	var text []byte
	b.Cleanup(func() {
		got, err := os.ReadFile(file.Path)
		require.NoError(b, err)
		require.Contains(b, string(got), keyID(generation), "the last edit is in the file")
	})
	return func() {
		generation++
		require.NoError(b, file.Edit(b.Context(), func(doc []byte) ([]byte, error) {
			var err error
			text, err = setSection(doc, sectionName(n/2), pairs(generation))
			return text, err
		}))
	}, func() []byte { return text }
}

// replaceBare replaces a file durably with as few system calls as possible.
func replaceBare(b *testing.B, path string, text []byte) {
	f, err := os.CreateTemp(filepath.Dir(path), "bare-*")
	require.NoError(b, err)
	_, err = f.Write(text)
	require.NoError(b, err)
	require.NoError(b, f.Sync())
	require.NoError(b, f.Close())
	require.NoError(b, os.Rename(f.Name(), path))
	dir, err := os.Open(filepath.Dir(path))
	require.NoError(b, err)
	require.NoError(b, dir.Sync())
	require.NoError(b, dir.Close())
}

// setSection and deleteSection are edits of a text.
func setSection(text []byte, name string, pairs []inifile.Pair) ([]byte, error) {
	doc := inifile.Parse(text)
	err := doc.Set(name, pairs)
	return doc.Bytes(), err
}

func deleteSection(text []byte, name string) ([]byte, error) {
	doc := inifile.Parse(text)
	err := doc.Delete(name)
	return doc.Bytes(), err
}
