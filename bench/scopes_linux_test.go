package bench

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/chaim-go/chaim"
)

// Scopes that are open at the same time, compared with the same number one after the other. The ratio compares how often
// the file is replaced.
func BenchmarkScopes(b *testing.B) {
	const scopes = 100
	opts, path := newScopes(b, 4<<10)
	count := replacements(b, path)
	concurrent := func() {
		var opened, ended sync.WaitGroup
		opened.Add(scopes)
		for range scopes {
			ended.Go(func() {
				open := sync.OnceFunc(opened.Done)
				defer open() // so that no other scope waits for one that fails
				assert.NoError(b, chaim.WithContext(b.Context(), opts, func(context.Context, *chaim.Client) error {
					open()
					opened.Wait()
					return nil
				}))
			})
		}
		ended.Wait()
	}
	serial := func() {
		for range scopes {
			require.NoError(b, chaim.WithContext(b.Context(), opts, func(context.Context, *chaim.Client) error { return nil }))
		}
	}

	b.ReportAllocs()
	serial() // not measured: the first edit finds a new file
	count()
	var times, serialTimes, wall, replaced, ratios []float64
	for b.Loop() {
		b.StopTimer()
		serialTime := measure(serial)
		serialCount := count()
		require.GreaterOrEqual(b, serialCount, 2*scopes, "replacements are counted")
		b.StartTimer()
		time := measure(concurrent)
		n := count()
		times, serialTimes, wall = append(times, time), append(serialTimes, serialTime), append(wall, time/serialTime)
		replaced, ratios = append(replaced, float64(n)), append(ratios, float64(n)/float64(serialCount))
	}
	b.ReportMetric(median(serialTimes), "base-ns")
	b.ReportMetric(median(times), "ours-ns")
	b.ReportMetric(median(wall), "wall-ratio")
	b.ReportMetric(median(replaced), "replacements")
	reportRatio(b, median(ratios), 0.1)
}

// replacements returns a function that returns how often the file was replaced since the last call. The system reports an
// exchange of two files as two moves.
func replacements(b *testing.B, path string) func() int {
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, unix.Close(fd)) })
	_, err = unix.InotifyAddWatch(fd, filepath.Dir(path), unix.IN_MOVED_TO)
	require.NoError(b, err)
	return func() int {
		moves := 0
		for buffer := make([]byte, 64<<10); ; {
			n, err := unix.Read(fd, buffer)
			if errors.Is(err, unix.EAGAIN) {
				return moves
			}
			require.NoError(b, err)
			for events := buffer[:n]; len(events) > 0; {
				mask, size := binary.NativeEndian.Uint32(events[4:]), binary.NativeEndian.Uint32(events[12:])
				require.Zero(b, mask&unix.IN_Q_OVERFLOW)
				name := events[unix.SizeofInotifyEvent:][:size]
				if string(bytes.TrimRight(name, "\x00")) == filepath.Base(path) {
					moves++
				}
				events = events[unix.SizeofInotifyEvent+size:]
			}
		}
	}
}
