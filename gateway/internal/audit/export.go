package audit

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"time"
)

// line is an event as a line of JSON. Its event is the body, byte by byte.
type line struct {
	Seq      int64           `json:"seq"`
	Idx      int64           `json:"idx"`
	Event    json.RawMessage `json:"event,omitempty"`
	Redacted bool            `json:"redacted,omitempty"`
}

// WriteJSONL writes events as JSON objects, one a line: seq, idx, and the event as it is in the log, or redacted.
func WriteJSONL(w io.Writer, events iter.Seq2[Entry, error]) error {
	for e, err := range events {
		if err != nil {
			return err
		}
		l := line{Seq: e.Seq, Idx: e.Idx, Event: e.Body, Redacted: e.IsRedacted()}
		if !l.Redacted && !json.Valid(e.Body) {
			return fmt.Errorf("event %s of the audit log is not JSON: run chaim-gateway audit verify", e.Position)
		}
		if _, err := w.Write(append(canonical(l), '\n')); err != nil {
			return err
		}
	}
	return nil
}

// WriteCSV writes events as a table for spreadsheets, with a row of titles. A value that a spreadsheet would take for a
// formula gets an apostrophe before it. The position of the last row is where a later export goes on.
func WriteCSV(w io.Writer, events iter.Seq2[Entry, error]) error {
	out := csv.NewWriter(w)
	_ = out.Write([]string{ // Error tells
		"seq", "idx", "at", "type", "actor", "kind", "token", "ip", "agent", "subject", "account", "role", "issue", "details", "redacted",
	})
	for entry, err := range events {
		if err != nil {
			out.Flush()
			return err
		}
		row := []string{strconv.FormatInt(entry.Seq, 10), strconv.FormatInt(entry.Idx, 10)}
		if entry.IsRedacted() {
			row = append(append(row, make([]string, 12)...), "redacted")
		} else {
			e, err := ParseBody(entry.Body)
			if err != nil {
				out.Flush()
				return fmt.Errorf("event %s of the audit log: %w: run chaim-gateway audit verify", entry.Position, err)
			}
			details := ""
			if len(e.Details) > 0 {
				details = string(canonical(e.Details))
			}
			for _, value := range []string{
				e.At.Format(time.RFC3339Nano), string(e.Type), e.Actor.Name, e.Actor.Kind, e.Actor.Token, e.Actor.IP, e.Actor.Agent,
				e.Subject, e.Account, e.Role, e.Issue, details, "",
			} {
				row = append(row, plain(value))
			}
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// plain keeps a spreadsheet from running a value.
func plain(value string) string {
	if value != "" && strings.ContainsRune("=+-@\t\r\n", rune(value[0])) {
		return "'" + value
	}
	return value
}

// Follow calls write with the events after a position, and looks for newer ones again and again, until ctx ends or write
// fails. The events are those that read returns; between two looks it waits for interval.
func Follow(ctx context.Context, after Position, interval time.Duration, read func(context.Context, Position) iter.Seq2[Entry, error],
	write func(iter.Seq2[Entry, error]) error,
) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		err := write(func(yield func(Entry, error) bool) {
			for e, err := range read(ctx, after) {
				if !yield(e, err) || err != nil {
					return
				}
				after = e.Position
			}
		})
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}
