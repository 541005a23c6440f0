package chaimtest

import "github.com/chaim-go/chaim"

// Options returns options for a client that gets keys of an account from this server, in memory. Settings and HTTPClient are
// the server's. Dir is a new temporary folder, so that the user's own credentials file stays as it is. The caller may change
// the options. account is a name or an id; empty is for a client that only manages profiles. The environment and the AWS
// config file still count, for instance for the region, unless the test calls [Server.Setenv]. tb must not be nil.
func (s *Server) Options(tb TB, account string) chaim.Options {
	tb.Helper()
	return chaim.Options{Account: account, Settings: s.Settings(), HTTPClient: s.HTTPClient(), Dir: tb.TempDir()}
}

// Settings returns new settings for the default user and the gateway. They are for requests in memory, through
// [Server.HTTPClient], or if a socket is open for requests over it. For another user change Username and UserToken. Settings
// opens no socket.
func (s *Server) Settings() *chaim.Settings {
	s.mu.Lock()
	defer s.mu.Unlock()
	base := s.open.url
	if base == "" {
		base = "https://chaimtest.invalid" // works with HTTPClient only
	}
	user := s.world.users[defaultUser]
	settings := &chaim.Settings{
		Endpoint:  base + gatewayPath,
		Region:    region,
		Username:  defaultUser,
		UserToken: user.token,
	}
	if s.world.original != nil {
		settings.SlackID, settings.WorkspaceID = user.slackID, user.workspaceID
	}
	return settings
}
