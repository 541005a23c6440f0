package chaimtest

import "github.com/chaim-go/chaim"

// Options returns options for a client that asks this server for keys of an account, in memory: its Settings and
// HTTPClient are the server's, and Dir is a new temporary folder, so that the credentials file is not a user's. The caller may
// change them. account is the name or id of one; empty is for a client that only lists and looks after profiles. The
// environment and the AWS config file still count, as for a region; [Server.Setenv] takes those away. tb must not be nil.
func (s *Server) Options(tb TB, account string) chaim.Options {
	tb.Helper()
	return chaim.Options{Account: account, Settings: s.Settings(), HTTPClient: s.HTTPClient(), Dir: tb.TempDir()}
}

// Settings returns new settings with which the default user reaches the gateway, in memory through [Server.HTTPClient]
// or, once a socket is open, over it. Other users take a copy and change Username and UserToken. Settings opens no
// socket.
func (s *Server) Settings() *chaim.Settings {
	s.mu.Lock()
	defer s.mu.Unlock()
	base := s.url
	if base == "" {
		base = "https://chaimtest.invalid" // no use without HTTPClient, and says so
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
