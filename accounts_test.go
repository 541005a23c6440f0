package chaim_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
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

	for text, want := range map[string][]chaim.Account{
		`[('111111111111', 'a', 'active'), ('b', '222222222222', None, 3)]`:                      {{ID: "111111111111", Name: "a"}, {ID: "222222222222", Name: "b"}},
		`[(1, 2), 'row', None, ('c',), (), ('1', '2', '3'), {'id': '1'}, ('333333333333', 'd')]`: {{ID: "333333333333", Name: "d"}},
		`[('111111111111', '222222222222'), ('0', 'e')]`:                                         {{ID: "111111111111", Name: "222222222222"}, {ID: "0", Name: "e"}},
		`[]`: {},
		`[(111111111111, 'sredev'), (b'222222222222', b'b'), (11111111, 'row'), (22222222222, 'zeros')]`:                            {{ID: "111111111111", Name: "sredev"}, {ID: "222222222222", Name: "b"}, {ID: "022222222222", Name: "zeros"}},
		`[('1', '333333333333', 'c'), ('active', '444444444444', 'd'), (1700000000, 555555555555, 'e', 'old')]`:                     {{ID: "333333333333", Name: "c"}, {ID: "444444444444", Name: "d"}, {ID: "555555555555", Name: "e"}},
		`[('111111111111', 'a', datetime.datetime(2018, 9, 5, 9, 16)), (Decimal('1'), '222222222222', 'b'), (Decimal('1'), 'row')]`: {{ID: "111111111111", Name: "a"}, {ID: "222222222222", Name: "b"}},
		`[('111111111111', None), (222222222222, None, 1), (b'333333333333',), ('444444444444', Decimal('1'))]`:                     {{ID: "111111111111"}, {ID: "222222222222"}, {ID: "333333333333"}, {ID: "444444444444"}},
	} {
		opts := optionsFor(t, srv)
		var log bytes.Buffer
		opts.Logger = slog.New(slog.NewTextHandler(&log, nil))
		srv.Inject(1, chaimtest.Reply("{'accountlist': "+text+"}"))
		accounts, err = clientFor(t, opts).RequestList(t.Context())
		require.NoError(t, err, text)
		assert.Equal(t, want, accounts)
		assert.Equal(t, strings.Contains(text, "row"), strings.Contains(log.String(), "a row without an id"), log.String())
	}

	for _, text := range []string{"{}", "{'accountlist': 1}", "{'accountlist': ((1, 2),)}", "{'accountlist': (('1', '2', '3'),)}"} {
		srv.Inject(1, chaimtest.Reply(text))
		_, err = c.RequestList(t.Context())
		assert.ErrorAs(t, err, new(*chaim.GatewayError), text)
	}
	srv.Inject(1, chaimtest.Refuse("IncorrectCredentials: Invalid token"))
	_, err = c.RequestList(t.Context())
	assert.ErrorIs(t, err, chaim.ErrDenied)
}
