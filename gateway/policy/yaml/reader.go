package yaml

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/chaim-go/chaim/gateway/policy"
	"github.com/chaim-go/chaim/internal/spelling"
)

// reader reads nodes into Go values and collects all problems.
type reader struct {
	problems  policy.Problems
	positions map[string]policy.Position
}

func newReader(root *node) *reader {
	return &reader{positions: map[string]policy.Position{"": root.at}}
}

func (r *reader) error(at policy.Position, path, format string, args ...any) {
	r.problems = append(r.problems, policy.Problem{Position: at, Path: path, Message: fmt.Sprintf(format, args...)})
}

// wrong says that a value is not what its key needs.
func (r *reader) wrong(n *node, path, want string) {
	if n.kind == isNull {
		r.error(r.positions[path], path, "%s has no value; want %s", nameOf(path), want)
		return
	}
	r.error(n.at, path, "%s is %s; want %s", nameOf(path), kindNames[n.kind], want)
}

// fields are the keys that a mapping may have, with what reads their values.
type fields map[string]func(n *node, path string)

// object reads a mapping with known keys. The keys in later belong to versions of the gateway that are yet to come.
func (r *reader) object(n *node, path string, known fields, later ...string) {
	r.mapping(n, path, func(e entry, path string) {
		read, isKnown := known[e.key]
		switch {
		case isKnown:
			read(e.value, path)
		case slices.Contains(later, e.key):
			r.error(e.at, path, "%s is not yet supported by this gateway", e.key)
		default:
			r.error(e.at, path, "unknown key %q%s", e.key, suggestion(e.key, slices.Sorted(maps.Keys(known))))
		}
	})
}

// suggestion names the nearest of the known keys, or all if none is near.
func suggestion(key string, known []string) string {
	nearest, fewest := "", len(key)/2+1
	for _, other := range known {
		if n := spelling.Mistakes(strings.ToLower(key), other); n < fewest {
			nearest, fewest = other, n
		}
	}
	if nearest != "" {
		return fmt.Sprintf("; did you mean %q?", nearest)
	}
	return "; the keys here are " + strings.Join(known, ", ")
}

// mapping reads a mapping with any keys.
func (r *reader) mapping(n *node, path string, read func(e entry, path string)) {
	if n.kind != isMapping {
		r.wrong(n, path, "a mapping (key: value)")
		return
	}
	if len(n.entries) == 0 {
		r.error(n.at, path, "%s is empty", nameOf(path))
	}
	seen := map[string]policy.Position{}
	for _, e := range n.entries {
		path := strings.TrimPrefix(path+"."+e.key, ".")
		if first, isRepeated := seen[e.key]; isRepeated {
			r.error(e.at, path, "key %q is there twice, first in line %d", e.key, first.Line)
			continue
		}
		seen[e.key] = e.at
		r.note(e, path)
		read(e, path)
	}
}

// nameOf returns the last key of a path.
func nameOf(path string) string {
	if path == "" {
		return "the document"
	}
	return path[strings.LastIndex(path, ".")+1:]
}

// note remembers the place of a part: that of a scalar, or that of the key before a list or mapping.
func (r *reader) note(e entry, path string) {
	r.positions[path] = e.at
	if k := e.value.kind; k != isList && k != isMapping && k != isNull {
		r.positions[path] = e.value.at
	}
}

// list reads a list. An empty one is an error: it looks like "all", and would be "none".
func (r *reader) list(n *node, path, of string, read func(n *node, path string)) {
	if n.kind != isList {
		r.wrong(n, path, "a list of "+of)
		return
	}
	if len(n.entries) == 0 {
		r.error(n.at, path, "%s is empty; write at least one value, or leave it out", nameOf(path))
	}
	for i, e := range n.entries {
		path := fmt.Sprintf("%s[%d]", path, i)
		r.note(e, path)
		read(e.value, path)
	}
}

// text reads a text. YAML takes some words without quotes for numbers and the like.
func (r *reader) text(n *node, path string) (string, bool) {
	switch n.kind {
	case isText, isQuoted:
		if n.text == "" {
			r.error(n.at, path, "%s is empty", nameOf(path))
		}
		return n.text, n.text != ""
	case isNumber, isBool:
		r.error(n.at, path, "%s is %s; write a text in quotes: %q", nameOf(path), kindNames[n.kind], n.text)
	default:
		r.wrong(n, path, "a text")
	}
	return "", false
}

// into returns what reads a text into a variable.
func (r *reader) into(to *string) func(*node, string) {
	return func(n *node, path string) { *to, _ = r.text(n, path) }
}

// texts returns what reads a list of texts.
func (r *reader) texts(to *[]string, of string) func(*node, string) {
	return func(n *node, path string) {
		r.list(n, path, of, func(n *node, path string) {
			text, _ := r.text(n, path)
			*to = append(*to, text)
		})
	}
}

// id reads an account id. Without quotes YAML would take it for a number, and drop or reinterpret leading zeros.
func (r *reader) id(to *string) func(*node, string) {
	return func(n *node, path string) {
		if n.kind == isNumber || n.kind == isText {
			r.error(n.at, path, "account ids must be in quotes: %q", n.text)
			return
		}
		*to, _ = r.text(n, path)
	}
}

func (r *reader) ids(to *[]string) func(*node, string) {
	return func(n *node, path string) {
		r.list(n, path, "account ids", func(n *node, path string) {
			var id string
			r.id(&id)(n, path)
			*to = append(*to, id)
		})
	}
}

// duration reads a time such as 12h, 90m or 1h30m.
func (r *reader) duration(to *time.Duration) func(*node, string) {
	return func(n *node, path string) {
		const form = "a time such as 12h, 90m or 1h30m"
		if n.kind != isText && n.kind != isQuoted {
			r.wrong(n, path, form)
			return
		}
		d, err := time.ParseDuration(n.text)
		if err != nil || d <= 0 {
			r.error(n.at, path, "%s is %q; want %s", nameOf(path), n.text, form)
			return
		}
		*to = d
	}
}

// instant reads a time of RFC 3339.
func (r *reader) instant(to *time.Time) func(*node, string) {
	return func(n *node, path string) {
		text, isText := r.text(n, path)
		if !isText {
			return
		}
		at, err := time.Parse(time.RFC3339, text)
		if err != nil || at.Year() < 2000 {
			r.error(n.at, path, "%s is %q; want a time with its zone such as 2026-12-27T09:00:00Z, not before the year 2000",
				nameOf(path), text)
			return
		}
		*to = at
	}
}

func (r *reader) bool(to *bool) func(*node, string) {
	return func(n *node, path string) {
		if n.kind != isBool {
			r.wrong(n, path, "true or false")
			return
		}
		*to = n.text == "true"
	}
}
