package manage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/proc"
	"github.com/chaim-go/chaim/cmd/chaim/internal/term"
)

func TestLayOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now().UTC()
		profile := func(name string, left, duration time.Duration) chaim.Profile {
			return chaim.Profile{Name: name, Account: "Connected Homes", Role: "rro", Region: "eu-west-1", Expires: now.Add(left), Duration: duration}
		}
		live := profile("tempname", 50*time.Minute, time.Hour)
		live.Live = true
		isDefault := profile("work", 20*time.Minute, time.Hour)
		isDefault.Default = true
		odd := chaim.Profile{Name: "a\x1b[31mb", Account: strings.Repeat("x", 200)}
		dead := profile("dead", 5*time.Minute, time.Hour)
		dead.Dead = true
		profiles := []chaim.Profile{live, isDefault, dead, profile("over", -time.Second, time.Hour), odd}
		cut := `"` + strings.Repeat("x", 64) + `..."`
		wide := strings.Repeat(" ", len(cut)-len("Connected Homes"))
		assert.Equal(t, []string{
			"  PROFILE       ACCOUNT" + wide + "          ROLE  REGION     LEFT        EXPIRES      STATE",
			"  tempname      Connected Homes" + wide + "  rro   eu-west-1  #########.  50m (00:50)  live",
			"* work          Connected Homes" + wide + "  rro   eu-west-1  ####......  20m (00:20)  kept",
			"  dead          Connected Homes" + wide + "  rro   eu-west-1  #.........  5m (00:05)   dead",
			"  over          Connected Homes" + wide + "  rro   eu-west-1  ..........  expired      expired",
			`  "a\x1b[31mb"  ` + cut + "  -     -          -           unknown      kept",
		}, layOut(profiles, term.Drawing{}))
		colored := layOut(profiles, term.Drawing{HasBlocks: true, HasColors: true})
		for i, bar := range []string{
			"\x1b[1mLEFT\x1b[0m        \x1b[1mEXPIRES",
			"\x1b[32m█████████░\x1b[0m  50m", "\x1b[33m████░░░░░░\x1b[0m  20m", "\x1b[31m█░░░░░░░░░\x1b[0m  5m", "\x1b[31m░░░░░░░░░░\x1b[0m  expired",
			"-           unknown",
		} {
			assert.Contains(t, colored[i], bar)
		}
		assert.Contains(t, colored[1], "\x1b[32mlive\x1b[0m")
		assert.Contains(t, colored[3], "\x1b[31mdead\x1b[0m")
		assert.Contains(t, colored[4], "\x1b[33mexpired\x1b[0m")
	})
}

// TestLayOutFits has the names of real organizations.
func TestLayOutFits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now().UTC()
		profile := func(name, account string) chaim.Profile {
			return chaim.Profile{
				Name: name, Account: account, Role: "CrossAccountReadOnly", Region: "ap-southeast-2", Expires: now.Add(54 * time.Minute), Duration: time.Hour,
			}
		}
		same := []chaim.Profile{profile("sredev", "sredev"), profile("Connected-Homes-Production", "Connected Homes Production")}
		other := []chaim.Profile{profile("sredev", "sredev"), profile("tempname", "Connected Homes Production")}
		titles := func(profiles []chaim.Profile, width int) []string {
			lines := layOut(profiles, term.Drawing{Width: width})
			for _, line := range lines {
				assert.True(t, width == 0 || len(line) <= width, "%d columns: %q", width, line)
			}
			return strings.Fields(lines[0])
		}
		all := []string{"PROFILE", "ACCOUNT", "ROLE", "REGION", "LEFT", "EXPIRES", "STATE"}
		assert.Equal(t, all, titles(same, 0))
		assert.Equal(t, all, titles(same, 200))
		assert.Equal(t, []string{"PROFILE", "ROLE", "REGION", "LEFT", "EXPIRES", "STATE"}, titles(same, 100))
		assert.Equal(t, []string{"PROFILE", "ROLE", "EXPIRES", "STATE"}, titles(same, 80))
		assert.Equal(t, []string{"PROFILE", "EXPIRES", "STATE"}, titles(same, 50))
		assert.Equal(t, []string{"PROFILE", "ACCOUNT", "ROLE", "REGION", "EXPIRES", "STATE"}, titles(other, 100))
		assert.Equal(t, []string{"PROFILE", "ACCOUNT", "EXPIRES", "STATE"}, titles(other, 60))
		assert.Equal(t, []string{"PROFILE", "EXPIRES", "STATE"}, titles(other, 40))
	})
}

// TestBar is of an hour, second by second.
func TestBar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := 0
		for left := range 3601 {
			p := chaim.Profile{Expires: time.Now().Add(time.Duration(left) * time.Second), Duration: time.Hour}
			drawn := bar(p, term.Drawing{})
			full := strings.Count(drawn.Text, "#")
			require.Len(t, drawn.Text, barCells)
			require.Equal(t, left > 0, full > 0, left)
			require.GreaterOrEqual(t, full, before)
			require.LessOrEqual(t, full, before+1)
			require.Equal(t, left < 720, drawn.Color == term.Red, left)
			before = full
		}
		assert.Equal(t, barCells, before)
	})
}

func TestWatch(t *testing.T) {
	for name, tt := range map[string]struct {
		cause, want error
	}{
		"Ctrl-C is how it ends": {proc.SignalError{Signal: os.Interrupt}, nil},
		"a signal":              {proc.SignalError{Signal: syscall.SIGTERM}, proc.SignalError{Signal: syscall.SIGTERM}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "terminal")
				out, err := os.Create(path)
				require.NoError(t, err)
				defer out.Close()
				ctx, cancel := context.WithCancelCause(t.Context())
				drawings := [][]string{{"a", "b"}, {"c"}, nil}
				n, start := 0, time.Now()
				err = watch(ctx, term.NewOutlet(ctx, out), func() ([]string, error) {
					assert.Equal(t, time.Duration(n)*time.Second, time.Since(start))
					if n++; n == len(drawings) {
						cancel(tt.cause)
					}
					return drawings[n-1], nil
				})
				assert.Equal(t, tt.want, err)
				text, err := os.ReadFile(path)
				require.NoError(t, err)
				const begin, end = "\x1b[?25l\x1b[?7l\r", "\x1b[J\x1b[?7h\x1b[?25h"
				assert.Equal(t, begin+"a\x1b[K\r\nb\x1b[K\r\n"+end+
					begin+"\x1b[2Ac\x1b[K\r\n"+end+
					begin+"\x1b[1Ano profiles are held\x1b[K\r\n"+end+
					"\r\x1b[K", string(text))
			})
		})
	}
	broken := errors.New("cannot read")
	assert.ErrorIs(t, watch(t.Context(), term.NewOutlet(t.Context(), os.Stdout), func() ([]string, error) { return nil, broken }), broken)
}

// TestRenewSeveralAtATime renews 20 profiles that take a second each, the first more.
func TestRenewSeveralAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "out")
		out, err := os.Create(path)
		require.NoError(t, err)
		defer out.Close()
		var names []string
		for i := range 20 {
			names = append(names, fmt.Sprintf("dev%02d", i))
		}
		var mu sync.Mutex
		running, most := 0, 0
		count := func(n int) {
			mu.Lock()
			defer mu.Unlock()
			running += n
			most = max(most, running)
		}
		start := time.Now()
		get := func(_ context.Context, _ *chaim.Client, name string) (chaim.AwsCreds, error) {
			count(1)
			defer count(-1)
			pause := time.Second
			if name == "dev00" {
				pause *= 2
			}
			<-time.After(pause)
			if name == "dev01" {
				return chaim.AwsCreds{}, fmt.Errorf("chaim: %s: %w", name, chaim.ErrDenied)
			}
			return chaim.AwsCreds{Expires: time.Now().Add(time.Hour)}, nil
		}
		err = renewAll(t.Context(), &cli.App{Out: term.NewOutlet(t.Context(), out)}, nil, names, false, get)
		assert.Equal(t, cli.ExitDenied, cli.ExitCode(err))
		assert.Equal(t, 3*time.Second, time.Since(start))
		assert.Equal(t, atOnce, most)
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		var printed []string
		for line := range strings.Lines(string(text)) {
			name, _, _ := strings.Cut(line, " ")
			printed = append(printed, name)
		}
		assert.Equal(t, append([]string{"dev00"}, names[2:]...), printed)
	})
}
