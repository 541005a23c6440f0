package legacy

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/internal/pyrepr"
)

// requireReadable reads a text as our client and as cca do, and compares one of its strings.
func requireReadable(t testing.TB, text, key, want string) {
	t.Helper()
	require.Empty(t, strings.IndexFunc(text, func(r rune) bool { return r < ' ' })+1, "no control characters")
	value, err := pyrepr.Parse(text)
	require.NoError(t, err, text)
	ours, _ := value.(pyrepr.Dict).Get(key)
	require.Equal(t, want, ours, text)
	theirs, err := swapped(text)
	require.NoError(t, err, text)
	require.Equal(t, want, theirs[key], text)
}

// valid has one U+FFFD for each byte that is not UTF-8.
func valid(text string) string { return string([]rune(text)) }

func TestTextsAreReadAlikeByAllClients(t *testing.T) {
	for i, name := range torture {
		want := valid(name)
		requireReadable(t, linkText(name+"."), "url", want+".")
		grant := issue.Grant{AccountID: "123456789012", AccountName: name, URL: name, Keys: aws.Credentials{
			AccessKeyID: name, SecretAccessKey: name, SessionToken: name, Expires: time.Now().Add(time.Minute),
		}}
		if name != "" {
			requireReadable(t, keysText(grant, time.Now()), "sectionname", want)
			requireReadable(t, keysText(grant, time.Now()), "url", want)
		}
		requireReadable(t, keysText(grant, time.Now()), "secretkey", want)
		list, err := swapped(listText([]issue.Account{{ID: "123456789012", Name: name}, {}}))
		require.NoError(t, err, quoteAll(torture)[i])
		assert.Equal(t, []any{[]any{"123456789012", want}, []any{"", ""}}, list["accountlist"])
	}
}

func TestQuoteEscapesAlike(t *testing.T) {
	for text, want := range map[string]string{
		"":             `''`,
		"O'Brien":      `'O\u0027Brien'`,
		`"\`:           `'\u0022\u005c'`,
		"\n\x7f\u0080": `'\u000a\u007f\u0080'`,
		"Zoë 👩":        `'Zoë 👩'`,
		"a\xffb":       "'a\ufffdb'",
		"\ufffd":       "'\ufffd'",
	} {
		var b strings.Builder
		quote(&b, text)
		assert.Equal(t, want, b.String())
	}
}

func FuzzQuoted(f *testing.F) {
	for _, name := range torture {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if text == "" {
			return
		}
		want := valid(text)
		requireReadable(t, linkText(text), "url", want)
		var e envelope
		require.NoError(t, json.Unmarshal(accepted(linkText(text)).body(), &e))
		requireReadable(t, e.Text, "url", want)
		require.NoError(t, json.Unmarshal(refused(text).body(), &e))
		require.Equal(t, []string{"400", refused(text).text}, []string{e.StatusCode, e.Text})
	})
}

func manyAccounts(n int) []issue.Account {
	accounts := make([]issue.Account, n)
	for i := range accounts {
		accounts[i] = issue.Account{ID: fmt.Sprintf("%012d", i), Name: fmt.Sprintf("team-%d Connected Homes' account", i)}
	}
	return accounts
}

// BenchmarkList compares the answer with a list of 10,000 accounts to encoding/json of the same slice.
func BenchmarkList(b *testing.B) {
	accounts := manyAccounts(10_000)
	b.Run("answer", func(b *testing.B) {
		for b.Loop() {
			_ = accepted(listText(accounts)).body()
		}
	})
	b.Run("json", func(b *testing.B) {
		for b.Loop() {
			_, _ = json.Marshal(accounts)
		}
	})
}

// TestListIsFast compares the best of several runs, because other processes disturb single ones.
func TestListIsFast(t *testing.T) {
	accounts := manyAccounts(10_000)
	took := func(work func()) time.Duration {
		start := time.Now()
		work()
		return time.Since(start)
	}
	ours, plain := time.Hour, time.Duration(0)
	for run := 0; run < 30 && ours > 3*plain; run++ {
		ours = min(ours, took(func() { _ = accepted(listText(accounts)).body() }))
		if one := took(func() { _, _ = json.Marshal(accounts) }); run == 0 || one < plain {
			plain = one
		}
	}
	assert.LessOrEqual(t, ours, 3*plain, "the answer, and three times the JSON of the slice")
	assert.Less(t, len(accepted(listText(accounts)).body()), 1<<20, "our client reads no more")
}
