package trail

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/audit"
)

func TestMoments(t *testing.T) {
	for text, want := range map[string]time.Time{
		"":                     {},
		"2026-11-30":           time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC),
		"2026-11-30T21:00:00Z": time.Date(2026, 11, 30, 21, 0, 0, 0, time.UTC),
	} {
		got, err := moment("--since", text)
		require.NoError(t, err)
		assert.True(t, want.Equal(got), text)
	}
	got, err := moment("--since", "24h")
	require.NoError(t, err)
	assert.WithinDuration(t, time.Now().Add(-24*time.Hour), got, time.Minute)
	for _, text := range []string{"yesterday", "-1h", "0s", "21:00"} {
		_, err := moment("--since", text)
		assert.ErrorContains(t, err, "--since", text)
	}
}

func TestLinesOfEvents(t *testing.T) {
	entry := audit.Seal(audit.Event{
		Type: audit.IssueIssued, At: time.Date(2026, 11, 30, 21, 0, 0, 0, time.UTC), Account: "111111111111", Role: "rro", Issue: "iss_1",
		Actor:   audit.Actor{Kind: "user", Name: "ann", IP: "10.0.0.1", Agent: "x"},
		Details: map[string]string{"key_id": "ASIA", "error": "a\nb\x1b[31m"},
	})
	entry.Position = audit.Position{Seq: 12, Idx: 3}
	assert.Equal(t, `12.3     2026-11-30T21:00:00Z issue.issued    ann account=111111111111 role=rro issue=iss_1 ip=10.0.0.1 `+
		`error="a\nb\x1b[31m" key_id=ASIA`, line(entry))
	entry.Body = []byte("{")
	assert.Contains(t, line(entry), "unreadable")
	assert.Equal(t, "1.0      redacted", line(audit.Entry{Position: audit.Position{Seq: 1}}))
}
