package chaim_test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
)

var (
	markLine = regexp.MustCompile(`(?m)^chaim_scope = .*\n`)
	idLine   = regexp.MustCompile(`(?m)^accountid = .*\n`)
)

// TestScopeRenewedByTheOriginals has another tool put newer keys of the same account into the profile of a scope, as
// "cca renew" does. No keys stay after the scope's end, whether its watcher has seen them or not.
func TestScopeRenewedByTheOriginals(t *testing.T) {
	const before = "[mine]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\n"
	const renewed = "aws_access_key_id = ASIATHEIRS0000000001\naws_secret_access_key = CANARY\naws_session_token = CANARY\n" +
		"expires = 4102444800\nduration = 1\nrole = rro\naccountname = sredev\n"
	for _, form := range []chaim.ProfileForm{chaim.Keys, chaim.Process} {
		for name, tt := range map[string]struct{ hasMark, isSeen bool }{
			"mark gone": {}, "mark of before": {hasMark: true}, "seen": {isSeen: true}, "mark of before, seen": {true, true},
		} {
			t.Run(form.String()+", "+name, func(t *testing.T) {
				opts := optionsFor(t, chaimtest.NewServer(t))
				opts.Form = form
				path := credentialsFile(opts)
				write(t, path, before)
				require.NoError(t, chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error {
					text := before + "\n[tempname]\n" + renewed
					if tt.hasMark {
						text += markLine.FindString(read(t, path))
					}
					write(t, path, text)
					if tt.isSeen {
						isBack := func() bool {
							text, err := os.ReadFile(path)
							return err == nil && !strings.Contains(string(text), "ASIATHEIRS")
						}
						require.Eventually(t, isBack, 10*time.Second, 20*time.Millisecond, "the profile is the scope's again")
					}
					return nil
				}))
				assert.Equal(t, before, read(t, path))
				assert.Empty(t, scopeFiles(t, path))
			})
		}
	}
}

// TestScopeOfAnAccountSpeltOtherwise has another tool write the account of a scope's profile in another way. It is known by
// its id, and not taken for another account of such a name.
func TestScopeOfAnAccountSpeltOtherwise(t *testing.T) {
	const otherID = "accountid = 222222222222\n"
	for name, tt := range map[string]struct {
		account string
		change  func(string) string
		isOurs  bool
	}{
		"case":                   {"SREDEV", nil, true},
		"id":                     {"111111111111", nil, true},
		"id, nothing else known": {"111111111111", func(text string) string { return idLine.ReplaceAllString(text, "") }, true},
		"another id":             {"222222222222", nil, false},
		"case, another id":       {"SREDEV", func(text string) string { return idLine.ReplaceAllString(text, otherID) }, false},
		"case, no id":            {"SREDEV", func(text string) string { return idLine.ReplaceAllString(text, "") }, false},
		"same name, another id":  {"sredev", func(text string) string { return idLine.ReplaceAllString(text, otherID) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			opts := optionsFor(t, chaimtest.NewServer(t))
			path := credentialsFile(opts)
			require.NoError(t, chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error {
				text := markLine.ReplaceAllString(read(t, path), "")
				require.Contains(t, text, "accountid = 111111111111\n")
				text = strings.Replace(text, "accountname = sredev", "accountname = "+tt.account, 1)
				if tt.change != nil {
					text = tt.change(text)
				}
				write(t, path, text)
				return nil
			}))
			if tt.isOurs {
				assert.NotContains(t, read(t, path), "aws_access_key_id")
				return
			}
			assert.Contains(t, read(t, path), "accountname = "+tt.account)
		})
	}
}

// TestScopeRewrittenForAnother has the profile of a scope become one of another account, or of the user: it stays.
func TestScopeRewrittenForAnother(t *testing.T) {
	for name, change := range map[string]func(string) string{
		"another account": func(text string) string {
			return strings.Replace(text, "accountname = sredev", "accountname = prod", 1)
		},
		"long-lived keys": func(text string) string {
			return regexp.MustCompile(`aws_access_key_id = ASIA.*`).ReplaceAllString(text, "aws_access_key_id = AKIAIOSFODNN7EXAMPLE")
		},
		"no account": func(text string) string { return strings.Replace(text, "accountname = sredev\n", "", 1) },
	} {
		t.Run(name, func(t *testing.T) {
			opts := optionsFor(t, chaimtest.NewServer(t))
			path := credentialsFile(opts)
			var changed string
			require.NoError(t, chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error {
				changed = markLine.ReplaceAllString(change(read(t, path)), "")
				write(t, path, changed)
				return nil
			}))
			assert.Equal(t, changed, read(t, path))
		})
	}
}

// TestExpiredProfileIsTaken has a scope find a profile under its name that a killed program of the originals left.
func TestExpiredProfileIsTaken(t *testing.T) {
	const keys = "[tempname]\naws_access_key_id = ASIATHEIRS0000000001\naws_secret_access_key = CANARY\naws_session_token = CANARY\nduration = 1\n"
	const other = "accountname = other\nrole = mpu\n"
	for name, tt := range map[string]struct {
		section string
		isFree  bool
	}{
		"expired":              {keys + other + "expires = 1536139015\n", true},
		"expired, float":       {keys + other + "expires = 1536139015.75\n", true},
		"expired, ms":          {keys + other + "expires = 1536139015123\n", true},
		"expired, ISO":         {keys + other + "expires = 2018-09-05T09:16:55+00:00\n", true},
		"expired, negative":    {keys + other + "expires = -5\n", true},
		"expired, zero":        {keys + other + "expires = 0\n", true},
		"expired, no zone":     {keys + other + "expires = 2018-09-05 09:16:55\n", true},
		"expired, Python's":    {keys + other + "expires = 2018-09-05T09:16:55.123456\n", true},
		"expired, same":        {keys + "accountname = sredev\nexpires = 1536139015\n", true},
		"live":                 {keys + other + "expires = 4102444800\n", false},
		"unknown end":          {keys + other, false},
		"empty end":            {keys + other + "expires =\n", false},
		"the user's":           {keys + "expires = 1536139015\n", false},
		"long-lived":           {strings.Replace(keys, "ASIA", "AKIA", 1) + other + "expires = 1536139015\n", false},
		"with a role":          {keys + other + "expires = 1536139015\nrole_arn = arn:aws:iam::111111111111:role/x\nsource_profile = mine\n", false},
		"with other lines":     {keys + other + "expires = 1536139015\noutput = json\n", true},
		"with a mark of chaim": {keys + other + "expires = 4102444800\nchaim_scope = later-version\n", false},
	} {
		for _, explicit := range []string{"", "tempname"} {
			t.Run(name+" "+explicit, func(t *testing.T) {
				opts := optionsFor(t, chaimtest.NewServer(t))
				opts.TempName = explicit
				path := filepath.Join(opts.Dir, "credentials")
				write(t, path, tt.section)
				var used string
				err := chaim.WithContext(t.Context(), opts, func(_ context.Context, c *chaim.Client) error {
					used = c.Profile()
					assert.Equal(t, !tt.isFree, strings.Contains(read(t, path), "IATHEIRS"))
					return nil
				})
				if !tt.isFree && explicit != "" {
					require.ErrorIs(t, err, chaim.ErrInUse)
					assert.Equal(t, tt.section, read(t, path))
					return
				}
				require.NoError(t, err)
				assert.Equal(t, tt.isFree, used == "tempname", used)
				if !tt.isFree {
					assert.Equal(t, tt.section, read(t, path))
				} else {
					assert.NotContains(t, read(t, path), "aws_")
				}
			})
		}
	}
}
