package container

import (
	"os"
	"slices"
	"strings"

	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

const (
	urlVariable   = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
	tokenVariable = "AWS_CONTAINER_AUTHORIZATION_TOKEN"
)

// rivals are the variables by which an SDK would get other keys. They must go, as botocore heeds empty ones too.
var rivals = []string{
	"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_CREDENTIAL_EXPIRATION",
	"AWS_PROFILE", "AWS_DEFAULT_PROFILE",
	"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME",
	"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
}

// ChildEnviron returns the whole environment of a child process whose SDKs have nothing but this server to get keys
// from: that of this process without what would win over [Server.Environ], and with the region of the keys. SDKs
// also prefer what the default profile has, so it hides the credentials file, and an AWS config file that gives the
// default profile keys, a role, a login or a process.
func (s *Server) ChildEnviron() []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.ContainsFunc(rivals, func(rival string) bool { return strings.EqualFold(name, rival) })
	})
	env = append(env, s.Environ()...)
	if region := s.source.Creds().Region; region != "" {
		env = append(env, "AWS_REGION="+region, "AWS_DEFAULT_REGION="+region)
	}
	env = append(env, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull)
	if configGivesKeys() {
		env = append(env, "AWS_CONFIG_FILE="+os.DevNull)
	}
	return env
}

// configGivesKeys reports whether SDKs would use the default profile of the AWS config file.
func configGivesKeys() bool {
	path, err := sharedfile.ConfigPath()
	if err != nil {
		return false
	}
	doc, err := sharedfile.File{Path: path}.Read()
	if err != nil {
		return false // the SDKs cannot read it either
	}
	for _, s := range inifile.Scan(doc) {
		if name := strings.Join(strings.Fields(s.Name()), " "); name != "default" && name != "profile default" {
			continue
		}
		for line := range s.Lines(doc) {
			if line.Key == "aws_access_key_id" || inifile.IsDecisive(line.Key) {
				return true
			}
		}
	}
	return false
}
