package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/chaim-go/chaim/internal/humantime"
)

// talk is a log for people at a terminal: each record is a line like those of say, with the attributes in brackets and the
// error at its end.
type talk struct {
	w     io.Writer
	level slog.Level
	group string // with a dot at its end, if there is one
	attrs []slog.Attr
}

// Enabled reports whether records of a level are written.
func (t talk) Enabled(_ context.Context, level slog.Level) bool { return level >= t.level }

// WithAttrs is t with attributes for each record.
func (t talk) WithAttrs(attrs []slog.Attr) slog.Handler {
	t.attrs = slices.Clone(t.attrs)
	for _, attr := range attrs {
		t.attrs = append(t.attrs, slog.Attr{Key: t.group + attr.Key, Value: attr.Value})
	}
	return t
}

// WithGroup is t with a name before those of the attributes that follow.
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
			cause = ": " + harmless(reason(err))
			if also := hint(err, exitFailed); also != "" {
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
	line := "chaim: " + harmless(strings.TrimPrefix(r.Message, "chaim: "))
	if len(details) > 0 {
		line += " (" + strings.Join(details, ", ") + ")"
	}
	_, err := io.WriteString(t.w, line+cause+"\n")
	return err
}

// inTalk is a value of an attribute in words.
func inTalk(value slog.Value) string {
	switch value.Kind() {
	case slog.KindTime:
		return humantime.Until(value.Time(), time.Now())
	case slog.KindDuration:
		return value.Duration().Round(time.Millisecond).String()
	}
	return quoted(fmt.Sprint(value))
}
