package request

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
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

// TestRoleARNs: one with -r or as the second argument is checked as one in the place of the account.
func TestRoleARNs(t *testing.T) {
	const id, role = "111111111111", "arn:aws:iam::111111111111:role/adm"
	for name, tt := range map[string]struct{ args, role, region, want string }{
		"alone":                     {role, "", "", ""},
		"second":                    {id + " " + role, "", "eu-west-1", ""},
		"by a flag":                 {id, "arn:aws:iam::111111111111:role/team/adm", "", ""},
		"with a name":               {"sredev", role, "", ""},
		"alias":                     {id, "adm", "", ""},
		"of another system":         {"sredev", "arn:minio:iam:::role/adm", "", ""},
		"alone, session":            {"arn:aws:sts::111111111111:assumed-role/Read/adm", "", "", "is not the ARN of a role"},
		"alone, no name":            {"arn:aws:iam::111111111111:role/", "", "", "is not the ARN of a role"},
		"second, session":           {id + " arn:aws:sts::111111111111:assumed-role/Read/adm", "", "", "is not the ARN of a role"},
		"by a flag, session":        {"sredev", "arn:aws:sts::111111111111:assumed-role/Read/adm", "", "is not the ARN of a role"},
		"by a flag, user":           {"sredev", "arn:aws:iam::111111111111:user/adm", "", "is not the ARN of a role"},
		"by a flag, in pieces":      {"sredev", "arn:aws:iam:adm", "", "is not the ARN of a role"},
		"second, another account":   {"222222222222 " + role, "", "", "is not one of account 222222222222"},
		"by a flag, other account":  {"222222222222", role, "", "is not one of account 222222222222"},
		"second, another partition": {id + " arn:aws-us-gov:iam::111111111111:role/adm", "", "eu-west-1", "is of partition aws-us-gov"},
		"alone, another partition":  {"arn:aws-us-gov:iam::111111111111:role/adm", "", "eu-west-1", "is of partition aws-us-gov"},
	} {
		t.Run(name, func(t *testing.T) {
			r := Request{Terms: Terms{Role: tt.role, Region: tt.region}}
			account, err := r.TakeArgs(&cobra.Command{}, strings.Fields(tt.args))
			if tt.want != "" {
				require.ErrorContains(t, err, tt.want)
				return
			}
			require.NoError(t, err)
			assert.Contains(t, []string{id, "sredev"}, account)
		})
	}
}
