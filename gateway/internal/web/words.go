package web

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/chaim-go/chaim/gateway/internal/portal"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/internal/humantime"
)

func utc(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

func iso(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// timeLeft is what is left of a time that has an end.
type timeLeft struct {
	Seconds int // zero if it has ended
	Total   int // at least 1
	Text    string
}

func left(begin, end time.Time) timeLeft {
	now := time.Now().UTC()
	total, rest := end.Sub(begin), max(0, end.Sub(now))
	t := timeLeft{Seconds: int(rest.Seconds()), Total: max(1, int(total.Seconds()))}
	t.Seconds = min(t.Seconds, t.Total)
	if t.Text = "ended"; rest > 0 {
		t.Text, _, _ = strings.Cut(humantime.Short(end, now), " ")
		t.Text += " left"
	}
	return t
}

// lifetime writes a duration as people say it: 45m, 1h, 1h30m, 6d.
func lifetime(d time.Duration) string {
	if d >= 48*time.Hour && d%(24*time.Hour) == 0 {
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	}
	text := d.Round(time.Second).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func kindText(k store.Kind) string {
	switch k {
	case store.WebToken:
		return "Browser"
	case store.CLIToken:
		return "Command"
	default:
		return "Token"
	}
}

func stateText(s store.State) string {
	switch s {
	case store.Intent:
		return "asking AWS"
	case store.Issued:
		return "lent"
	case store.Failed:
		return "failed"
	case store.Withheld:
		return "withheld"
	default:
		return "unknown"
	}
}

// simple is a name that all shells take as it is.
var simple = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._-]*$`)

// command returns the shell line that runs a program with keys of a role. An account whose name needs quotes goes by its id.
func command(a portal.Account, r portal.Role) string {
	name := a.Name
	if !simple.MatchString(name) {
		name = a.ID
	}
	return "chaim exec " + name + " " + r.Alias + " -- "
}

// with returns a path with a query of names and values. Those that are empty are left out.
func with(path string, pairs ...string) string {
	query := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			query.Set(pairs[i], pairs[i+1])
		}
	}
	if len(query) == 0 {
		return path
	}
	return path + "?" + query.Encode()
}

// field is an input with its label.
type field struct{ Name, Label, Value, Hint string }

func newField(name, label, value, hint string) field { return field{name, label, value, hint} }

// pair is one name and value.
type pair struct{ Name, Value string }

func pairs(m map[string]string) []pair {
	list := make([]pair, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		list = append(list, pair{name, m[name]})
	}
	return list
}

// short returns the first digits of a hash.
func short(text string) string { return text[:min(len(text), 16)] }

// navEntry is an entry of the navigation.
type navEntry struct {
	Path, Words string
	IsHere      bool
}

func newEntry(path, words, section string) navEntry { return navEntry{path, words, path == section} }
