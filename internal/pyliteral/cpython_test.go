//go:build cpython

package pyliteral

import (
	"errors"
	"math/rand/v2"
	"os/exec"
	"reflect"
	"strconv"
	"testing"
)

// askCPython runs corpus.py. Without python3 the test fails.
func askCPython(t *testing.T, seed int64) corpus {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "python3", "testdata/corpus.py", strconv.FormatInt(seed, 10)).Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		t.Fatalf("corpus.py %d: %v\n%s", seed, err, exit.Stderr)
	}
	if err != nil {
		t.Fatal(err)
	}
	return decodeCorpus(t, out)
}

// The stored corpus is what CPython answers. Only the answers marked with a
// version may be others with another CPython.
func TestCPythonStoredCorpus(t *testing.T) {
	stored := readCorpus(t)
	fresh := askCPython(t, stored.Seed)
	t.Logf("stored by CPython %s, compared with %s", stored.Python, fresh.Python)
	if !reflect.DeepEqual(fresh.Quotes, stored.Quotes) {
		t.Error("other quotes: run corpus.py again")
	}
	if len(fresh.Cases) != len(stored.Cases) {
		t.Fatalf("%d cases, %d stored: run corpus.py again", len(fresh.Cases), len(stored.Cases))
	}
	for i, got := range fresh.Cases {
		want := stored.Cases[i]
		if fresh.Python != stored.Python && got.Text == want.Text && want.Version != "" {
			continue
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("case %d, %q: CPython answers something else than stored", i, want.Text)
		}
	}
}

func TestCPythonFreshCorpus(t *testing.T) {
	stored := readCorpus(t)
	fresh := askCPython(t, rand.Int64())
	if fresh.Python != stored.Python {
		// Parse follows the version that the stored answers come from.
		cases := fresh.Cases[:0]
		for _, tc := range fresh.Cases {
			if tc.Version == "" {
				cases = append(cases, tc)
			}
		}
		fresh.Cases = cases
	}
	fresh.check(t)
}
