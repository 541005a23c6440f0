package chaim_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
)

func TestRequestList(t *testing.T) {
	srv := chaimtest.NewServer(t)
	c, err := chaim.New(optionsFor(t, srv))
	require.NoError(t, err)
	defer c.Close()
	accounts, err := c.RequestList(t.Context())
	require.NoError(t, err)
	assert.Contains(t, accounts, chaim.Account{ID: "333333333333", Name: "O'Brien"})

	opts := optionsFor(t, srv)
	opts.Settings.SlackID, opts.Settings.WorkspaceID = "U1", "W1"
	var form url.Values
	opts.HTTPClient = &http.Client{Transport: watched{srv.HTTPClient().Transport, func(_ *http.Request, body string) {
		form, err = url.ParseQuery(body)
	}}}
	slack := clientFor(t, opts)
	_, listErr := slack.RequestList(t.Context())
	require.NoError(t, listErr)
	require.NoError(t, err)
	assert.Equal(t, []string{"--list", "U1", "W1"}, []string{form.Get("text"), form.Get("user_id"), form.Get("team_id")})

	srv.Inject(1, chaimtest.Reply(`{"accountlist": [["444444444444", "billing"]]}`))
	accounts, err = c.RequestList(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []chaim.Account{{ID: "444444444444", Name: "billing"}}, accounts)

	for _, text := range []string{"{}", "{'accountlist': 1}", "{'accountlist': ((1, 2),)}", "{'accountlist': (('1', '2', '3'),)}"} {
		srv.Inject(1, chaimtest.Reply(text))
		_, err = c.RequestList(t.Context())
		assert.ErrorAs(t, err, new(*chaim.GatewayError), text)
	}
	srv.Inject(1, chaimtest.Refuse("IncorrectCredentials: Invalid token"))
	_, err = c.RequestList(t.Context())
	assert.ErrorIs(t, err, chaim.ErrDenied)
}
