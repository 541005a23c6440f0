package trail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/cli"
	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/store"
)

func auditCommand(a *cli.App) *cobra.Command {
	return cli.Group("audit", "Verify, follow and export the audit log", auditVerify(a), auditTail(a), auditExport(a), auditRedact(a))
}

// verdict is what verify prints as JSON.
type verdict struct {
	Gateway     string   `json:"gateway"`
	Batches     int64    `json:"batches"` // the number of the last one
	Hash        string   `json:"hash"`
	Checkpoints int      `json:"checkpoints"`
	Findings    []string `json:"findings"`
	Accepted    []string `json:"accepted"` // what an operator has accepted
}

func auditVerify(a *cli.App) *cobra.Command {
	var path string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "verify", Short: "Look whether the audit log was changed", Args: cobra.NoArgs,
		Long: `verify reads the whole audit log and computes it anew: each event against its hash, each column against its event, each batch
against the one before, and the end against the checkpoints. It names each place that is wrong. Its exit code is 1 if there
is one.

A person who can write to the database can write the log anew as a whole, or cut off its end. Only checkpoints that this
person cannot reach show that: give the copy that you keep elsewhere with --checkpoints.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.With(cmd.Context(), func(s *cli.Session) error {
				if path != "" {
					if _, err := os.Stat(path); err != nil {
						return fmt.Errorf("--checkpoints: %w", err)
					}
					s.Config.Audit.Checkpoints = path
				}
				v, err := verify(cmd.Context(), s)
				if err != nil {
					return err
				}
				return v.show(a, asJSON)
			})
		},
	}
	cmd.Flags().StringVar(&path, "checkpoints", "", "`FILE` of checkpoints (default audit.checkpoints)")
	cli.AddJSONFlag(cmd, &asJSON)
	return cmd
}

func verify(ctx context.Context, s *cli.Session) (v verdict, err error) {
	v = verdict{Gateway: s.DB.ID(), Findings: []string{}, Accepted: []string{}}
	ring, err := s.Ring()
	if err != nil {
		return v, err
	}
	note := func(f audit.Finding) {
		if f.Accepted == (audit.Position{}) {
			v.Findings = append(v.Findings, f.String())
		} else {
			v.Accepted = append(v.Accepted, fmt.Sprintf("%s (accepted by event %s)", f, f.Accepted))
		}
	}
	points, wrong, err := cli.Checkpoints(s, ring)
	if err != nil {
		return v, err
	}
	for _, f := range wrong {
		note(f)
	}
	snapshot, err := s.DB.Snapshot(ctx)
	if err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	head, err := audit.Verify(audit.Log{
		GatewayID: s.DB.ID(), Batches: snapshot.AllBatches(ctx), Events: snapshot.AllEvents(ctx), Checkpoints: points,
	}, note)
	v.Batches, v.Hash, v.Checkpoints = head.Seq, fmt.Sprintf("%x", head.Hash), len(points)
	return v, err
}

func (v verdict) show(a *cli.App, asJSON bool) error {
	if asJSON {
		if err := a.JSON(v); err != nil {
			return err
		}
	} else {
		for _, text := range append(slices.Clone(v.Findings), v.Accepted...) {
			if _, err := fmt.Fprintln(a.Out, text); err != nil {
				return err
			}
		}
	}
	if n := len(v.Findings); n > 0 {
		return &cli.Exit{Code: cli.ExitFailed, Text: fmt.Sprintf("the audit log is not whole: %d findings", n)}
	}
	compared := fmt.Sprintf("compared with %d checkpoints", v.Checkpoints)
	if v.Checkpoints == 0 {
		compared = "but there is no checkpoint to compare it with, so a cut end would not be noticed"
	}
	a.Say("the audit log of gateway %s is whole: %d batches, %s", v.Gateway, v.Batches, compared)
	return nil
}

// filterFlags are flags that select events.
type filterFlags struct {
	filter       store.EventFilter
	kind         string
	since, until string
}

func (f *filterFlags) add(cmd *cobra.Command) {
	set := cmd.Flags()
	set.StringVar(&f.filter.Actor, "actor", "", "only what this `NAME` did")
	set.StringVar(&f.filter.Subject, "user", "", "only what is about this `USER`")
	set.StringVar(&f.filter.Account, "account", "", "only what is about this account, by its `ID`")
	set.StringVar(&f.kind, "type", "", "only events of this `TYPE`, such as issue.issued")
	set.StringVar(&f.since, "since", "", "from this `TIME` on: a date, a time as 2026-11-30T21:00:00Z, or a duration before now as 24h")
	set.StringVar(&f.until, "until", "", "up to this `TIME`")
}

func (f *filterFlags) read() (filter store.EventFilter, err error) {
	filter = f.filter
	filter.Type = audit.Type(f.kind)
	if filter.Since, err = moment("--since", f.since); err != nil {
		return filter, err
	}
	filter.Until, err = moment("--until", f.until)
	return filter, err
}

// moment reads a time of a flag. An empty text is the zero time.
func moment(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return time.Now().Add(-d), nil
	}
	return time.Time{}, cli.Usagef("%s: %q is neither a date, nor a time as 2026-11-30T21:00:00Z, nor a duration as 24h", flag, text)
}

// followPause is the time between two looks for new events.
const followPause = time.Second

func auditTail(a *cli.App) *cobra.Command {
	var f filterFlags
	var count int
	var isFollowing, asJSON bool
	cmd := &cobra.Command{
		Use: "tail", Short: "Show the newest events", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			filter, err := f.read()
			switch {
			case err != nil:
				return err
			case count < 0:
				return cli.Usagef("-n is a number of events, not %d", count)
			}
			return a.With(cmd.Context(), func(s *cli.Session) error {
				write := lineWriter(a.Out)
				if asJSON {
					write = func(events iter.Seq2[audit.Entry, error]) error { return audit.WriteJSONL(a.Out, events) }
				}
				return tail(cmd.Context(), s, filter, count, isFollowing, write)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().IntVarP(&count, "lines", "n", 20, "how many events, as `N`")
	cmd.Flags().BoolVarP(&isFollowing, "follow", "f", false, "show new events as they come")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, an event a line")
	return cmd
}

func tail(
	ctx context.Context, s *cli.Session, filter store.EventFilter, count int, isFollowing bool, write func(iter.Seq2[audit.Entry, error]) error,
) error {
	var last []audit.Entry
	at := audit.Position{}
	if filter == (store.EventFilter{}) { // a batch has at least one event
		head, err := s.DB.Head(ctx)
		if err != nil {
			return err
		}
		at.Seq = max(0, head.Seq-int64(count))
	}
	for e, err := range s.DB.Events(ctx, at, filter) {
		if err != nil {
			return err
		}
		at = e.Position
		if last = append(last, e); len(last) > count {
			last = last[1:]
		}
	}
	if err := write(entries(last)); err != nil || !isFollowing {
		return err
	}
	err := audit.Follow(ctx, at, followPause, func(ctx context.Context, after audit.Position) iter.Seq2[audit.Entry, error] {
		return s.DB.Events(ctx, after, filter)
	}, write)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func entries(list []audit.Entry) iter.Seq2[audit.Entry, error] {
	return func(yield func(audit.Entry, error) bool) {
		for _, e := range list {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// lineWriter writes events for people, one a line.
func lineWriter(w io.Writer) func(iter.Seq2[audit.Entry, error]) error {
	return func(events iter.Seq2[audit.Entry, error]) error {
		for e, err := range events {
			if err == nil {
				_, err = fmt.Fprintln(w, line(e))
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
}

// line is an event for people.
func line(entry audit.Entry) string {
	if entry.IsRedacted() {
		return fmt.Sprintf("%-8s redacted", entry.Position)
	}
	e, err := audit.ParseBody(entry.Body)
	if err != nil {
		return fmt.Sprintf("%-8s unreadable: run 'chaim-gateway audit verify'", entry.Position)
	}
	parts := []string{
		fmt.Sprintf("%-8s", entry.Position), e.At.Format("2006-01-02T15:04:05Z"), fmt.Sprintf("%-15s", e.Type), cli.Printable(e.Actor.Name),
	}
	add := func(name, value string) {
		if value != "" {
			parts = append(parts, name+"="+cli.Printable(value))
		}
	}
	add("user", e.Subject)
	add("account", e.Account)
	add("role", e.Role)
	add("issue", e.Issue)
	add("ip", e.Actor.IP)
	for _, name := range slices.Sorted(maps.Keys(e.Details)) {
		add(name, e.Details[name])
	}
	return strings.Join(parts, " ")
}

func auditExport(a *cli.App) *cobra.Command {
	var f filterFlags
	var format, after, out string
	cmd := &cobra.Command{
		Use: "export", Short: "Write events as JSON lines or as a table", Args: cobra.NoArgs,
		Long: `export writes events in their order. Each has a position, such as 12.0. To go on later, give the last one with --after: no event
is left out or written twice. That someone has exported is an event of the log, too.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			filter, err := f.read()
			if err != nil {
				return err
			}
			from, err := audit.ParsePosition(after)
			if err != nil {
				return cli.Usagef("--after: %v", err)
			}
			write, isKnown := map[string]func(io.Writer, iter.Seq2[audit.Entry, error]) error{"jsonl": audit.WriteJSONL, "csv": audit.WriteCSV}[format]
			if !isKnown {
				return cli.Usagef("--format is jsonl or csv, not %q", format)
			}
			return a.With(cmd.Context(), func(s *cli.Session) error {
				asked := s.Event(audit.AuditExported, "", "format", format, "after", after, "since", f.since, "until", f.until)
				if err := s.Append(cmd.Context(), store.Change{Events: []audit.Event{asked}}); err != nil {
					return err
				}
				return export(a, out, func(w io.Writer) error { return write(w, s.DB.Events(cmd.Context(), from, filter)) })
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&format, "format", "jsonl", "`FORMAT`: jsonl or csv")
	cmd.Flags().StringVar(&after, "after", "", "only events after this `POSITION`")
	cmd.Flags().StringVarP(&out, "output", "o", "", "write to this new `FILE` (default the standard output)")
	return cmd
}

// export writes to a new file, or to the standard output if the path is empty.
func export(a *cli.App, path string, write func(io.Writer) error) error {
	if path == "" {
		return write(a.Out)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = errors.Join(write(f), f.Close())
	if err == nil {
		a.Say("wrote %s", path)
	}
	return err
}

func auditRedact(a *cli.App) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "redact POSITION --reason TEXT", Short: "Remove the content of an event, such as a name that must be forgotten", Args: cobra.ExactArgs(1),
		Long: `redact removes the content of one event for good. Its hash stays, so the log is still whole, and a new event says which one was
redacted, by whom and why. Backups and exports keep what they have.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := audit.ParsePosition(args[0])
			switch {
			case err != nil || p == (audit.Position{}):
				return cli.Usagef("%q is no position of an event, such as 12.0: 'chaim-gateway audit tail' shows them", args[0])
			case strings.TrimSpace(reason) == "":
				return cli.Usagef("why? Give --reason: it stays in the log")
			}
			return a.With(cmd.Context(), func(s *cli.Session) error {
				err := s.Append(cmd.Context(), store.Redact(s.Actor, time.Now().UTC().Truncate(time.Microsecond), p, reason))
				if errors.Is(err, store.ErrConflict) {
					return fmt.Errorf("event %s cannot be redacted: it does not exist, is redacted already, or says itself what was redacted", p)
				}
				if err == nil {
					a.Say("redacted event %s", p)
				}
				return err
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "`TEXT` that stays in the log")
	return cmd
}
