package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/chaim-go/chaim/cmd/chaim/internal/term"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/humantime"
)

// talk is the log of a terminal. Each record is a line like those of [App.Say], with the attributes in brackets and the error
// at its end.
type talk struct {
	w     io.Writer
	level slog.Level
	group string // ends with a dot unless it is empty
	attrs []slog.Attr
}

// Enabled reports whether records of a level are written.
func (t talk) Enabled(_ context.Context, level slog.Level) bool { return level >= t.level }

// WithAttrs adds attributes to each record.
func (t talk) WithAttrs(attrs []slog.Attr) slog.Handler {
	t.attrs = slices.Clone(t.attrs)
	for _, attr := range attrs {
		t.attrs = append(t.attrs, slog.Attr{Key: t.group + attr.Key, Value: attr.Value})
	}
	return t
}

// WithGroup puts a name before those of the attributes that follow.
func (t talk) WithGroup(name string) slog.Handler {
	if name != "" {
		t.group += name + "."
	}
	return t
}

// Handle writes a record.
func (t talk) Handle(_ context.Context, r slog.Record) error {
	var details []string
	cause := ""
	note := func(attr slog.Attr) bool {
		value := attr.Value.Resolve()
		switch err, isError := value.Any().(error); {
		case isError && cause == "":
			cause = ": " + term.Harmless(Reason(err))
			if also := Hint(err, ExitFailed); also != "" {
				cause += "; " + also
			}
		case attr.Key != "":
			details = append(details, attr.Key+" "+inTalk(value))
		}
		return true
	}
	for _, attr := range t.attrs {
		note(attr)
	}
	r.Attrs(func(attr slog.Attr) bool {
		return note(slog.Attr{Key: t.group + attr.Key, Value: attr.Value})
	})
	line := "chaim: " + term.Harmless(strings.TrimPrefix(r.Message, "chaim: "))
	if len(details) > 0 {
		line += " (" + strings.Join(details, ", ") + ")"
	}
	_, err := io.WriteString(t.w, line+cause+"\n")
	return err
}

// inTalk is the value of an attribute in words.
func inTalk(value slog.Value) string {
	switch value.Kind() {
	case slog.KindTime:
		return humantime.Until(value.Time(), time.Now())
	case slog.KindDuration:
		return value.Duration().Round(time.Millisecond).String()
	}
	return term.Quoted(fmt.Sprint(value))
}

// Reason is the text of an error in one line.
func Reason(err error) string {
	lines := strings.Split(strings.TrimSpace(err.Error()), "\n")
	for i, line := range lines {
		lines[i] = errtext.Unprefixed(errors.New(strings.TrimSpace(line)))
	}
	return strings.Join(lines, "; ")
}
