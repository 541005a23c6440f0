package legacy

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/internal/keys"
)

// newClient returns this project's client of a handler.
func newClient(t *testing.T, h http.Handler) *chaim.Gateway {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return &chaim.Gateway{Settings: chaim.Settings{Endpoint: srv.URL + "/legacy/", Username: "chris", UserToken: token}}
}

func once(t *testing.T) context.Context { return keys.WithSingleAttempt(t.Context(), true) }

func TestOurClient(t *testing.T) {
	h, issuer, _ := newHandler()
	client := newClient(t, h)
	for _, name := range torture {
		want := valid(name)
		if name == "" {
			want = "123456789012"
		}
		issuer.grant.AccountName = name
		got, err := client.Keys(t.Context(), chaim.Request{Account: "123456789012", Role: "rro", Region: "eu-west-1", Duration: time.Hour})
		require.NoError(t, err, "%q", name)
		assert.Equal(t, []string{want, "123456789012", "CANARYsecret", ""}, []string{got.Account, got.AccountID, got.SecretAccessKey, got.ConsoleURL})
		assert.Equal(t, issue.Ask{Account: "123456789012", Role: "rro", Duration: time.Hour}, issuer.what, "our client asks for a link when it needs one")

		issuer.accounts = []issue.Account{{ID: "123456789012", Name: name}}
		list, err := client.Accounts(t.Context())
		require.NoError(t, err)
		assert.Equal(t, []chaim.Account{{ID: "123456789012", Name: valid(name)}}, list)
	}
	assert.Equal(t, "chaim-go 0.1.0", issuer.who.Agent)

	got, err := client.Keys(t.Context(), chaim.Request{Account: "123456789012", Role: "rro", Region: "eu-west-1", Duration: time.Hour})
	require.NoError(t, err)
	link, err := client.ConsoleURL(t.Context(), got)
	require.NoError(t, err)
	assert.Equal(t, fakeLink, link)
	assert.Equal(t, "CANARYsecret", issuer.keys.SecretAccessKey)
	assert.Equal(t, "chris", issuer.who.User)
	issuer.grant.URL = ""
	_, err = client.ConsoleURL(t.Context(), got)
	assert.ErrorIs(t, err, chaim.ErrNoURL)
}

func TestOurClientFindsAnAccountByAnOddName(t *testing.T) {
	h, issuer, _ := newHandler()
	issuer.accounts = []issue.Account{{ID: "123456789012", Name: "O'Brien, \\ \"Inc\""}}
	issuer.grant.AccountName = issuer.accounts[0].Name
	got, err := newClient(t, h).Keys(t.Context(), chaim.Request{Account: "O'Brien, \\ \"Inc\"", Role: "rro", Region: "eu-west-1", Duration: time.Hour})
	require.NoError(t, err)
	assert.Equal(t, "O'Brien, \\ \"Inc\"", got.Account)
	assert.Equal(t, "123456789012", issuer.what.Account)
}

func TestOurClientReadsAListOfTenThousand(t *testing.T) {
	h, issuer, _ := newHandler()
	issuer.accounts = manyAccounts(10_000)
	list, err := newClient(t, h).Accounts(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 10_000)
	assert.Equal(t, chaim.Account(issuer.accounts[9_999]), list[9_999])
}

func TestOurClientUnderstandsRefusals(t *testing.T) {
	type fact struct {
		status                int
		kind, message         string
		denied, away, isFinal bool
		pause                 time.Duration
	}
	for code, want := range map[issue.Code]fact{
		issue.BadToken:         {400, "IncorrectCredentials", "Invalid token", true, false, true, 0},
		issue.ExpiredToken:     {400, "IncorrectCredentials", "usertoken has expired", true, false, true, 0},
		issue.DisabledUser:     {400, "IncorrectCredentials", "chris is not an active user.", true, false, true, 0},
		issue.NoAccount:        {400, "DataNotFound", "Account not found: sredev", false, false, true, 0},
		issue.AmbiguousAccount: {400, "DataNotFound", "Account not found: sredev is not unique, use its id", false, false, true, 0},
		issue.NoRole:           {400, "DataNotFound", "Role not recognised: rro", false, false, true, 0},
		issue.NotAllowed:       {400, "DataNotFound", "Permission not granted to chris in sredev for rro", true, false, true, 0},
		issue.TooShort:         {400, "DataNotFound", "Permission not granted to chris in sredev for rro (why)", true, false, true, 0},
		issue.IsFrozen:         {400, "IssuingStopped", "why", false, false, true, 0},
		issue.RefusedBySTS:     {400, "DataNotFound", "startSTS error: why", false, false, true, 0},
		issue.Unavailable:      {503, "", "Service Unavailable", false, true, false, 7 * time.Second},
		issue.Busy:             {429, "", "Too Many Requests", false, false, false, 7 * time.Second},
	} {
		t.Run(string(code), func(t *testing.T) {
			h, issuer, _ := newHandler()
			issuer.err = &issue.Refusal{Code: code, Text: "why", RetryAfter: 7 * time.Second}
			client := newClient(t, h)
			_, err := client.Keys(once(t), chaim.Request{Account: "sredev", Role: "rro", Region: "eu-west-1", Duration: time.Hour})
			var refusal *chaim.GatewayError
			require.ErrorAs(t, err, &refusal)
			assert.Equal(t, want, fact{
				refusal.StatusCode, refusal.Kind, refusal.Message, errors.Is(err, chaim.ErrDenied), errors.Is(err, chaim.ErrUnreachable),
				refusal.Final, refusal.Pause,
			})
		})
	}
	h, issuer, _ := newHandler()
	issuer.err = &issue.Refusal{Code: issue.NotOurs, Text: "this gateway did not issue these keys to chris"}
	_, err := newClient(t, h).ConsoleURL(once(t), chaim.Grant{Credentials: issuer.grant.Keys, Account: "sredev"})
	var refusal *chaim.GatewayError
	require.ErrorAs(t, err, &refusal)
	assert.Equal(t, []string{"UrlGenerationFail", "this gateway did not issue these keys to chris"}, []string{refusal.Kind, refusal.Message})
}

func TestOurClientTriesAgainWhenTheGatewayIsAway(t *testing.T) {
	h, issuer, _ := newHandler()
	issuer.err = &issue.Refusal{Code: issue.Unavailable}
	_, err := newClient(t, h).Accounts(t.Context())
	require.ErrorIs(t, err, chaim.ErrUnreachable)
	assert.Equal(t, 3, issuer.asked)
}
