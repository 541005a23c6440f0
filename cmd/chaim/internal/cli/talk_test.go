package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/chaim-go/chaim"
)

func TestTalk(t *testing.T) {
	var text strings.Builder
	log := slog.New(talk{w: &text, level: slog.LevelInfo})
	says := func(want string) {
		t.Helper()
		assert.Equal(t, want, text.String())
		text.Reset()
	}
	log.Debug("chaim: details")
	says("")
	log.Warn("chaim: profile was changed", "profile", "tempname", "path", "/a b")
	says("chaim: profile was changed (profile tempname, path /a b)\n")
	log.Info("chaim: server failed, will retry", "server", "gw", "pause", 1500*time.Microsecond, "error", fmt.Errorf("chaim: %w\nchaim: more", errors.New("no reply")))
	says("chaim: server failed, will retry (server gw, pause 2ms): no reply; more\n")
	log.Warn("new keys", "expires", time.Now().Add(-time.Hour))
	says("chaim: new keys (expires has expired)\n")
	log.With("a", 1).WithGroup("g").With("b", 2).Error("evil\x1b[31m\n", "c", "\x1b[0m")
	says("chaim: evil�[31m� (a 1, g.b 2, g.c \"\\x1b[0m\")\n")
	log.Error("chaim: credentials expired", "error", &chaim.GatewayError{Message: "usertoken has expired"})
	assert.Contains(t, text.String(), NewToken, "a program that runs on says it, too")
	text.Reset()
	log.Warn("keys", "creds", chaim.AwsCreds{AccessKeyID: "AKIA", SecretAccessKey: "CANARY"})
	assert.NotContains(t, text.String(), "CANARY")
	assert.False(t, log.Enabled(context.Background(), slog.LevelDebug))
}
