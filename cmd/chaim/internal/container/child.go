package container

import (
	"os"
	"strings"

	"github.com/chaim-go/chaim/internal/awsenv"
	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

const (
	urlVariable   = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
	tokenVariable = "AWS_CONTAINER_AUTHORIZATION_TOKEN"
)

// ChildEnviron is Environ and what else a child process needs whose SDKs are to have nothing but this server to get keys
// from: the region of the keys, no proxy for them and, as SDKs prefer what the default profile has, no credentials file, nor an
// AWS config file that gives the default profile keys, a role, a login or a process. Variables that lead to other keys must
// be taken from it, as botocore heeds empty ones too.
func (s *Server) ChildEnviron() []string {
	env := append(s.Environ(), awsenv.NoFile()...)
	env = append(env, awsenv.Direct(os.Environ())...)
	if region := s.source.Creds().Region; region != "" {
		env = append(env, "AWS_REGION="+region, "AWS_DEFAULT_REGION="+region)
	}
	if configGivesKeys() {
		env = append(env, "AWS_CONFIG_FILE="+os.DevNull)
	}
	return env
}

// configGivesKeys reports whether SDKs would use the default profile of the AWS config file.
func configGivesKeys() bool {
	path, err := awsenv.ConfigPath()
	if err != nil {
		return false
	}
	doc, err := sharedfile.File{Path: path}.Read()
	if err != nil {
		return false // the SDKs cannot read it either
	}
	for _, s := range inifile.Parse(doc).Sections() {
		if name := strings.Join(strings.Fields(s.Name()), " "); name != "default" && name != "profile default" {
			continue
		}
		for line := range s.Lines() {
			if line.Key == "aws_access_key_id" || inifile.IsDecisive(line.Key) {
				return true
			}
		}
	}
	return false
}
