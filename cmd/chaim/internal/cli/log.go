package cli

import (
	"io"
	"log/slog"

	"github.com/chaim-go/chaim/cmd/chaim/internal/term"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// LogFlags say what is logged, and where. The zero value logs warnings to stderr.
type LogFlags struct {
	Verbosity int    // number of -v
	File      string // also append to it; empty means no file
	Format    string // text or json
}

// Open makes the log: to stderr, and one level more to the file. done closes the file.
func (f LogFlags) Open(stderr *term.Outlet) (log *slog.Logger, done func() error, err error) {
	levels := []slog.Level{slog.LevelWarn, slog.LevelInfo, slog.LevelDebug}
	n := min(f.Verbosity, len(levels)-1)
	if f.Format != "text" && f.Format != "json" {
		return nil, nil, Usagef("--log-format is text or json, not %q", f.Format)
	}
	toStderr := f.toStderr(stderr, levels[n])
	if f.File == "" {
		return slog.New(toStderr), func() error { return nil }, nil
	}
	file, err := sharedfile.OpenLog(f.File)
	if err != nil {
		return nil, nil, errtext.Wrap(err, "log file")
	}
	toFile := f.handler(term.NewImpatientOutlet(file), slog.HandlerOptions{Level: levels[min(n+1, len(levels)-1)]})
	return slog.New(slog.NewMultiHandler(toStderr, toFile)), file.Close, nil
}

// toStderr writes lines for people to a terminal. Elsewhere it leaves out the time.
func (f LogFlags) toStderr(stderr *term.Outlet, level slog.Level) slog.Handler {
	opts := slog.HandlerOptions{Level: level}
	switch {
	case f.Format == "json":
	case term.IsTerminal(stderr):
		return talk{w: stderr, level: level}
	default:
		opts.ReplaceAttr = func(groups []string, attr slog.Attr) slog.Attr {
			if len(groups) == 0 && attr.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return attr
		}
	}
	return f.handler(stderr, opts)
}

func (f LogFlags) handler(w io.Writer, opts slog.HandlerOptions) slog.Handler {
	if f.Format == "json" {
		return slog.NewJSONHandler(w, &opts)
	}
	return slog.NewTextHandler(w, &opts)
}
