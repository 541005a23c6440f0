package chaimtest

import "github.com/chaim-go/chaim"

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
