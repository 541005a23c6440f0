package chaim

import (
	"log/slog"
	"os"
)

// With CHAIM_TEST_LOG set, the tests log all there is, so that it can be searched for secrets.
func init() {
	if os.Getenv("CHAIM_TEST_LOG") != "" {
		silent = slog.New(slog.NewJSONHandler(os.Stdout, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
}
