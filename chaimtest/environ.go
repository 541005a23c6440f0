package chaimtest

import (
	"os"
	"path/filepath"
	"strings"
)

// interfering are variables that could lead the code under test to other servers or to real keys.
var interfering = []string{
	"CHAIM_API", "CHAIM_STAGE", "CHAIM_REGION",
	"AWS_PROFILE", "AWS_DEFAULT_PROFILE",
	"AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY",
	"AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_CREDENTIAL_EXPIRATION",
	"AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME", "AWS_WEB_IDENTITY_TOKEN_FILE",
	"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
	"AWS_LOGIN_CACHE_DIRECTORY",
	"AWS_ENDPOINT_URL", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_STS_REGIONAL_ENDPOINTS",
	"AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT", "AWS_CA_BUNDLE",
	"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy",
}

// variables returns the variables of Environ that point at the server. It opens the socket.
func (s *Server) variables(home string) []string {
	url := s.URL()
	settings := s.Settings()
	return []string{
		"CHAIM_URL=" + url + gatewayPath,
		"CHAIM_USER=" + defaultUser,
		"CHAIM_TOKEN=" + settings.UserToken,
		"CHAIM_SLACKID=" + settings.SlackID,
		"CHAIM_WORKSPACEID=" + settings.WorkspaceID,
		"CHAIM_PROTOCOL=" + settings.Protocol,
		"AWS_ENDPOINT_URL_STS=" + url + stsPath,
		"AWS_ENDPOINT_URL_SSO=" + url + portalPath,
		"AWS_ENDPOINT_URL_SSO_OIDC=" + url + oidcPath,
		"AWS_ENDPOINT_URL_SIGNIN=" + url + loginPath,
		"AWS_ENDPOINT_URL_ORGANIZATIONS=" + url + organizationsPath,
		"AWS_SHARED_CREDENTIALS_FILE=" + filepath.Join(home, "credentials"),
		"AWS_CONFIG_FILE=" + filepath.Join(home, "config"),
		"AWS_REGION=" + region,
		"AWS_DEFAULT_REGION=" + region,
		"AWS_EC2_METADATA_DISABLED=true",
	}
}

// Setenv points code without options, such as a call of chaim.With, at this server for the rest of the test tb. It opens the
// socket, sets the variables of [Server.Environ] with a new temporary folder home, which it returns, and unsets variables
// that would interfere. The end of the test restores all. tb must not be nil and not be parallel.
func (s *Server) Setenv(tb TB) (home string) {
	tb.Helper()
	home = tb.TempDir()
	for _, name := range interfering {
		tb.Setenv(name, "") // restores the old value after the test
		_ = os.Unsetenv(name)
	}
	for _, kv := range s.variables(home) {
		name, value, _ := strings.Cut(kv, "=")
		tb.Setenv(name, value)
	}
	return home
}

// Environ returns variables, each KEY=value, that point chaim and the AWS SDKs at this server. Append them to the
// environment of a child process. They are the gateway's URL with the default user, token and Slack ids (CHAIM_URL,
// CHAIM_USER, CHAIM_TOKEN, CHAIM_SLACKID, CHAIM_WORKSPACEID, CHAIM_PROTOCOL; the last is empty, and the two before it are
// without [Server.SetOriginal]), the STS endpoint (AWS_ENDPOINT_URL_STS), those of the Identity Center, of AWS Sign-In and of Organizations (AWS_ENDPOINT_URL_SSO,
// AWS_ENDPOINT_URL_SSO_OIDC, AWS_ENDPOINT_URL_SIGNIN, AWS_ENDPOINT_URL_ORGANIZATIONS), a region (AWS_REGION,
// AWS_DEFAULT_REGION), and the files "credentials" and "config" in the folder home (AWS_SHARED_CREDENTIALS_FILE,
// AWS_CONFIG_FILE). The folder must exist, the files need not. Credentials, profiles, endpoints and proxies in this
// process's environment get an empty value. botocore takes even an empty AWS_PROFILE for a name, so append that variable
// too for a child that uses a profile. Environ opens the socket, see [Server.URL].
func (s *Server) Environ(home string) []string {
	vars := s.variables(home)
	for _, name := range interfering {
		if os.Getenv(name) != "" {
			vars = append(vars, name+"=")
		}
	}
	return vars
}
