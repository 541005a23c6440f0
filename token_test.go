package chaim_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
)

func TestCheckToken(t *testing.T) {
	for name, o := range map[string]*chaimtest.Original{"strict": nil, "original": {}, "older original": {ByUserName: true}} {
		t.Run(name, func(t *testing.T) {
			srv := chaimtest.NewServer(t)
			if o != nil {
				srv.SetOriginal(*o)
			}
			check := func(change func(*chaim.Settings)) error {
				opts := optionsFor(t, srv)
				change(opts.Settings)
				c := clientFor(t, opts)
				err := c.CheckToken(t.Context())
				assert.Empty(t, c.Creds())
				assert.NoFileExists(t, credentialsFile(opts))
				return err
			}
			as := func(user, token, slackID string) func(*chaim.Settings) {
				return func(s *chaim.Settings) { s.Username, s.UserToken, s.SlackID = user, token, slackID }
			}
			require.NoError(t, check(func(*chaim.Settings) {}))
			err := check(func(s *chaim.Settings) { s.UserToken = "ca9a12e5-wrong" })
			assert.ErrorIs(t, err, chaim.ErrDenied)
			assert.ErrorContains(t, err, "checking the user token: gateway answered 400: IncorrectCredentials: Invalid token")

			srv.AddUser("late", "CANARY-late")
			srv.LinkSlack("late", "T0CHAIM", "ULATE")
			srv.ExpireUser("late")
			assert.ErrorIs(t, check(as("late", "CANARY-late", "ULATE")), chaim.ErrDenied)
			srv.AddUser("gone", "CANARY-gone")
			srv.LinkSlack("gone", "T0CHAIM", "UGONE")
			srv.DisableUser("gone")
			assert.ErrorIs(t, check(as("gone", "CANARY-gone", "UGONE")), chaim.ErrDenied)
			assert.Error(t, check(as("nobody", "CANARY", "UNOBODY")))

			srv.Deny("", "", "") // whatever the user may do, the token is good
			require.NoError(t, check(func(*chaim.Settings) {}))
			srv.AddAccount("000000000000", "a gateway that gives keys of anything", "CrossAccountReadOnly")
			require.NoError(t, check(func(*chaim.Settings) {}))
		})
	}

	srv := chaimtest.NewServer(t)
	c := clientFor(t, optionsFor(t, srv))
	for _, text := range []string{
		"Sorry.", "DataNotFound: Failed to obtain username from workspace and slack ids",
		`DataNotFound: User not found in Cognito DB: /me\`, "IncorrectCredentials: user me does not exist in chaim.",
		"IncorrectCredentials: Invalid token (Account not found)", "IncorrectCredentials: Account not found: me is not an active user.",
	} {
		srv.Inject(1, chaimtest.Refuse(text))
		assert.ErrorAs(t, c.CheckToken(t.Context()), new(*chaim.GatewayError), text)
	}
	srv.Inject(3, chaimtest.Status(503))
	assert.ErrorIs(t, c.CheckToken(t.Context()), chaim.ErrUnreachable)
	srv.Inject(1, chaimtest.Reply(keysText(map[string]string{"accountid": "", "sectionname": ""})))
	assert.NoError(t, c.CheckToken(t.Context()), "keys are dropped")
	require.NoError(t, c.Close())
	assert.ErrorIs(t, c.CheckToken(t.Context()), chaim.ErrClosed)

	opts := optionsFor(t, srv)
	opts.Source = aws.AnonymousCredentials{}
	assert.ErrorIs(t, clientFor(t, opts).CheckToken(t.Context()), chaim.ErrNotConfigured)
}
