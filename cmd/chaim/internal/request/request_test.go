package request

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/cmd/chaim/internal/names"
)

func TestWordsForAccounts(t *testing.T) {
	words, ids := accountWords(names.Known{Accounts: []names.Account{
		{ID: "111111111111", Name: "sredev"},
		{ID: "222222222222", Name: "Connected Homes"},
		{ID: "333333333333", Name: "$(touch pwned)`x`"},
		{ID: "444444444444", Name: "twin"},
		{ID: "555555555555", Name: "twin"},
		{ID: "666666666666"},
		{Name: "no id;"},
		{Name: "noid"},
		{ID: "777777777777", Name: "--flag"},
	}})
	assert.Equal(t, []string{"sredev", "noid"}, words)
	assert.Equal(t, []string{
		"222222222222\tConnected-Homes", "333333333333\t-touch-pwned-x-", "444444444444\ttwin", "555555555555\ttwin", "666666666666",
		"777777777777\t--flag",
	}, ids)
}

func TestDurationFlag(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1": time.Hour, " 12 ": 12 * time.Hour, "900": 15 * time.Minute, "43200": 12 * time.Hour,
		"15m": 15 * time.Minute, "1h30m": 90 * time.Minute, "1.5h": 90 * time.Minute, "12h": 12 * time.Hour,
	} {
		var d Duration
		assert.NoError(t, d.Set(text), text)
		assert.Equal(t, want, time.Duration(d), text)
	}
	for _, text := range []string{
		"", "0", "-1", "13", "899", "43201", "1.5", "14m59s", "12h1s", "1h0.5s", "-2h", "9223372036854775807h",
		// In nanoseconds these are 1 hour and 20 minutes modulo 2^64.
		"36028797018967568", "36028797018965168", "18446744073709555216", "9223372036854775807",
	} {
		var d Duration
		assert.ErrorContains(t, d.Set(text), "not between 15 minutes and 12 hours", text)
		assert.Zero(t, d, text)
	}
}

func TestRowsOfProfilesSayWhatTheyAreFor(t *testing.T) {
	home := chaimtest.NewServer(t).Setenv(t)
	require.NoError(t, os.WriteFile(filepath.Join(home, "config"), []byte(`[profile dev]
role_arn = arn:aws:iam::111111111111:role/team/Dev
credential_source = Environment
[profile plain]
credential_process = true
[profile broken]
role_arn = arn:aws:iam::111111111111:role/Dev
`), 0o600))
	known := []chaim.Account{{Name: "dev"}, {Name: "plain"}, {Name: "broken"}}
	assert.Equal(t, []string{"dev     111111111111  Dev", "plain", "broken  unusable"}, accountRows(known, aboutProfile()))
}
