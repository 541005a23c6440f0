//go:build neighbours && linux

package neighbours

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
)

// editor changes the session token of a profile as another program does.
type editor func(path, profile, token string) error

// ledger makes edits, one profile after the other, and counts those that were lost before the next edit of the profile.
type ledger struct {
	home        home
	edit        editor
	last        map[string]string
	edits, lost atomic.Int64
}

func (l *ledger) makeOne() error {
	profile := user(int(l.edits.Load()) % l.home.users)
	if err := l.check(profile); err != nil {
		return err
	}
	l.last[profile] = fmt.Sprintf("edit-%d", l.edits.Add(1))
	return l.edit(l.home.path, profile, l.last[profile])
}

func (l *ledger) check(profile string) error {
	found, err := readProfile(l.home.path, profile)
	if want := l.last[profile]; err == nil && want != "" && found.SessionToken != want {
		l.lost.Add(1)
	}
	return err
}

// beside is a run of commits next to an editor.
type beside struct {
	home    home
	edit    editor
	pause   time.Duration // between two edits, at most
	commits int
	edits   int // at least
}

// run returns how many edits were made, and how many of them were lost.
func (b beside) run(t *testing.T) (edits, lost int) {
	h := b.home
	c, err := chaim.New(options(h.dir))
	require.NoError(t, err)
	defer c.Close()
	_, err = c.RequestKeys(t.Context())
	require.NoError(t, err)

	l := &ledger{home: h, edit: b.edit, last: map[string]string{}}
	ended := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			if !assert.NoError(t, l.makeOne()) {
				return
			}
			select {
			case <-ended:
				return
			case <-time.After(rand.N(b.pause)):
			}
		}
	})
	var longest time.Duration // for which the keys of c were missing
	wg.Go(func() {
		present := time.Now()
		for every := time.Tick(5 * time.Millisecond); ; {
			if checkKeys(h.path, c) == nil {
				present = time.Now()
			} else {
				longest = max(longest, time.Since(present))
			}
			select {
			case <-ended:
				return
			case <-every:
			}
		}
	})
	start, commits := time.Now(), 0
	for ; !t.Failed() && (commits < b.commits || int(l.edits.Load()) < b.edits); commits += commitsOfBorrow {
		assert.NoError(t, borrow(t.Context(), h.dir))
	}
	took := time.Since(start)
	close(ended)
	wg.Wait()
	for i := range h.users {
		assert.NoError(t, l.check(user(i)))
	}
	assert.LessOrEqual(t, longest, time.Second, "the profile of a live client was away")
	assert.NoError(t, c.Close())
	swept, err := chaim.Sweep(t.Context(), h.dir)
	assert.NoError(t, err)
	h.assertUntouched(t)
	t.Logf("%d commits in %s beside %d edits, %d edits lost; live profile away for %s at most, %d dead ones swept",
		commits, took.Round(time.Millisecond), l.edits.Load(), l.lost.Load(), longest.Round(time.Millisecond), len(swept))
	return int(l.edits.Load()), int(l.lost.Load())
}

func TestBesideAWSWriter(t *testing.T) {
	t.Parallel()
	h := newHome(t, 10)
	writer := startPython(t, "testdata/writer.py", h.path)
	edit := func(_, profile, token string) error { return writer.ask(profile + " " + token) }
	edits, lost := beside{home: h, edit: edit, pause: 30 * time.Millisecond, commits: figure(300, 2_000)}.run(t)
	assert.LessOrEqual(t, float64(lost), 0.003*float64(edits))
}

// TestBesideAWSCommand runs "aws configure set" again and again.
func TestBesideAWSCommand(t *testing.T) {
	t.Parallel()
	edit := func(path, profile, token string) error {
		cmd := exec.CommandContext(t.Context(), "/usr/bin/aws", "configure", "set", "aws_session_token", token, "--profile", profile)
		cmd.Env = append(os.Environ(), "AWS_SHARED_CREDENTIALS_FILE="+path)
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}
	_, lost := beside{home: newHome(t, 10), edit: edit, pause: time.Second, edits: figure(10, 300)}.run(t)
	assert.Zero(t, lost)
}

// TestBesideRename has another program replace the file as we do, but without a lock.
func TestBesideRename(t *testing.T) {
	t.Parallel()
	edit := func(path, profile, token string) error {
		text, err := withToken(path, profile, token)
		if err != nil {
			return err
		}
		if err := os.WriteFile(path+".new", text, 0o600); err != nil {
			return err
		}
		return os.Rename(path+".new", path)
	}
	_, lost := beside{home: newHome(t, 10), edit: edit, pause: 20 * time.Millisecond, commits: figure(150, 500)}.run(t)
	assert.Zero(t, lost)
}

// TestBesideSlowWriter has a program pause half-way through the file, with half of the profiles gone.
func TestBesideSlowWriter(t *testing.T) {
	t.Parallel()
	const runs, commits = 6, 12
	inOne := func(path, profile, token string) error {
		text, err := withToken(path, profile, token)
		if err != nil {
			return err
		}
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		defer f.Close()
		for _, half := range [][]byte{text[:len(text)/2], text[len(text)/2:]} {
			if _, err := f.Write(half); err != nil {
				return err
			}
			<-time.After(4 * time.Millisecond)
		}
		return nil
	}
	inTwo := func(path, profile, token string) error {
		text, err := withToken(path, profile, token)
		if err != nil {
			return err
		}
		if err := os.WriteFile(path, text[:len(text)/2], 0o600); err != nil {
			return err
		}
		<-time.After(rand.N(200 * time.Millisecond))
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = f.Write(text[len(text)/2:])
		return err
	}
	for name, edit := range map[string]editor{"keeps the file open": inOne, "closes it half-way": inTwo} {
		for i := range runs {
			t.Run(fmt.Sprintf("%s, %d", name, i), func(t *testing.T) {
				beside{home: newHome(t, 10), edit: edit, pause: 30 * time.Millisecond, commits: commits}.run(t)
			})
		}
	}
}

// withToken returns the text of the file with another token in a profile.
func withToken(path, profile, token string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	head, tail, found := strings.Cut(string(text), "["+profile+"]\n")
	if !found {
		return nil, fmt.Errorf("profile %s is gone", profile)
	}
	line := tokenLine.FindStringIndex(tail)
	if line == nil {
		return nil, fmt.Errorf("profile %s has no token", profile)
	}
	return []byte(head + "[" + profile + "]\n" + tail[:line[0]] + "aws_session_token = " + token + tail[line[1]:]), nil
}

// TestStaleWrite has another program write back, again and again, the text from before the scope.
func TestStaleWrite(t *testing.T) {
	h := newHome(t, 10)
	c, err := chaim.New(options(h.dir))
	require.NoError(t, err)
	_, err = c.RequestKeys(t.Context())
	require.NoError(t, err)
	for range 5 {
		require.NoError(t, os.WriteFile(h.path, []byte(h.text), 0o600))
		start := time.Now()
		require.Eventually(t, func() bool { return checkKeys(h.path, c) == nil }, time.Second, 5*time.Millisecond)
		t.Logf("back after %s", time.Since(start).Round(time.Millisecond))
	}
	require.NoError(t, c.Close())
	h.assertUntouched(t)
}
