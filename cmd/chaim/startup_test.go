package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/chaimtest"
)

// buildProgram builds the program in a folder as releases are built.
func buildProgram(tb testing.TB, dir string) string {
	tb.Helper()
	linked, binary := filepath.Join(tb.TempDir(), "linked.exe"), filepath.Join(tb.TempDir(), "program.exe")
	cmd := exec.CommandContext(tb.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", linked, dir)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	require.NoError(tb, err, "%s", out)
	// Linux keeps a file that the linker has written in single pages of memory, and a large program starts up to a quarter
	// slower from those than from a copy that was written at once or has been read from the disk.
	text, err := os.ReadFile(linked)
	require.NoError(tb, err)
	require.NoError(tb, os.WriteFile(binary, text, 0o700))
	return binary
}

// command returns a function that runs a program once.
func command(b *testing.B, env []string, binary string, args ...string) func() {
	return func() {
		cmd := exec.CommandContext(b.Context(), binary, args...)
		cmd.Env, cmd.Stderr = env, os.Stderr
		require.NoError(b, cmd.Run(), "%s %q", binary, args)
	}
}

// compareRuns runs base and ours in turn, because the speed of a machine drifts, and reports medians, and as unit how many
// times as long as base ours takes.
func compareRuns(b *testing.B, unit string, base, ours func()) {
	base()
	ours()
	var baseTimes, ourTimes []float64
	for b.Loop() {
		b.StopTimer()
		baseTimes = append(baseTimes, timeOf(base))
		b.StartTimer()
		ourTimes = append(ourTimes, timeOf(ours))
	}
	slices.Sort(baseTimes)
	slices.Sort(ourTimes)
	baseTime, ourTime := baseTimes[len(baseTimes)/2], ourTimes[len(ourTimes)/2]
	b.ReportMetric(baseTime, "base-ns")
	b.ReportMetric(ourTime, "ours-ns")
	b.ReportMetric(ourTime/baseTime, unit)
}

func timeOf(run func()) float64 {
	start := time.Now()
	run()
	return float64(time.Since(start))
}

// What every command costs before it does anything, beside a Go program that does nothing. The goal is 1.5.
func BenchmarkVersion(b *testing.B) {
	chaim, empty := buildProgram(b, "."), buildProgram(b, "./testdata/startup/empty")
	compareRuns(b, "x-empty", command(b, nil, empty), command(b, nil, chaim, "version"))
}

// A scope around a program that does nothing, beside the smallest program of the AWS SDK that gets keys from STS. Neither
// the gateway nor STS takes any time. The goal is 1.5, with TMPDIR in memory: only the scope waits for a disk.
func BenchmarkExec(b *testing.B) {
	chaim, sdk := buildProgram(b, "."), buildProgram(b, "./testdata/startup/sdk")
	nothing, err := exec.LookPath("true")
	require.NoError(b, err)
	srv := chaimtest.NewServer(b)
	keys := srv.AddKeys("sredev", "somebody")
	signing := []string{"AWS_ACCESS_KEY_ID=" + keys.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + keys.SecretAccessKey}
	// Later ones win.
	environ := func(more ...string) []string {
		return append(append(os.Environ(), srv.Environ(b.TempDir())...), more...)
	}
	base := command(b, environ(signing...), sdk, "arn:aws:iam::111111111111:role/CrossAccountReadOnly")
	for _, source := range []struct {
		name, account string
		env           []string
	}{
		{"gateway", "sredev", environ()},
		{"sts", "111111111111", environ(append(signing, "CHAIM_URL=", "CHAIM_USER=", "CHAIM_TOKEN=")...)},
	} {
		b.Run(source.name, func(b *testing.B) {
			compareRuns(b, "x-sdk", base, command(b, source.env, chaim, "exec", source.account, "--", nothing))
		})
	}
}

var initTrace = regexp.MustCompile(`(?m)^init (main|\S*chaim-go/chaim\S*) @.* clock, (\d+) bytes,`)

// What is prepared before main begins is paid for by every command, and by every program that imports the library.
func TestPackagesPrepareLittleBeforeMain(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), buildProgram(t, "."), "--help")
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	packages := initTrace.FindAllStringSubmatch(string(out), -1)
	require.NotEmpty(t, packages)
	for _, p := range packages {
		size, err := strconv.Atoi(p[2])
		require.NoError(t, err)
		assert.Less(t, size, 8<<10, p[1])
	}
}
