package cli

import (
	"context"
	"log/slog"

	"github.com/chaim-go/chaim/gateway/internal/ambient"
	"github.com/chaim-go/chaim/gateway/internal/config"
)

// WarnLog is a log of what goes wrong, for commands that ask AWS: only it has the words of AWS.
func (a *App) WarnLog() *slog.Logger {
	return slog.New(slog.NewTextHandler(a.Err, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// Assumer makes what asks AWS STS with the identity of this machine. A nil log is none.
func Assumer(ctx context.Context, c *config.Config, log *slog.Logger) (*ambient.Assumer, error) {
	return ambient.New(ctx, ambient.Options{Regions: c.AWS.Regions, ExternalID: c.AWS.ExternalID.Reveal(), Log: log})
}
