package inifile

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestRival(t *testing.T) {
	const doc = "[default]\nrole_arn = x\n[profile tempname]\nregion = eu-west-1\nsso_session = y\n[tempname]\nrole_arn = x\n" +
		"[profile \"quoted\"]\nROLE_ARN = x\n[profile plain]\nregion = eu-west-1\n[profile scoped]\naws_credential_scope = s3\n"
	for profile, want := range map[string][2]string{
		"tempname": {"profile tempname", "sso_session"},
		"quoted":   {`profile "quoted"`, "role_arn"},
		"scoped":   {"profile scoped", "aws_credential_scope"},
		"plain":    {},
		"default":  {"default", "role_arn"},
		"absent":   {},
	} {
		section, key := Parse([]byte(doc)).Rival(profile)
		assert.Equal(t, want, [2]string{section, key}, profile)
	}
}

func TestConfigRegion(t *testing.T) {
	const doc = "[default]\nregion = eu-west-1\n[profile default]\nregion=us-west-2 # mine\n[default]\nregion = eu-west-3\n" +
		"[profile dev]\ns3 =\n  region = eu-north-1\n# region = eu-west-2\nREGION = us-east-1\nregion = us-east-2\n[profile bare]\noutput = json\n" +
		"[profile 'Connected Homes']\nregion = ca-west-1\n[section]\nregion = sa-east-1\n"
	for profile, want := range map[string]string{
		"default": "us-west-2", "dev": "us-east-2", "bare": "", "absent": "", "section": "", "Connected Homes": "ca-west-1",
	} {
		assert.Equal(t, want, Parse([]byte(doc)).ConfigRegion(profile), profile)
	}
	assert.Equal(t, "eu-west-1", Parse([]byte("[default]\nregion = eu-west-1\n")).ConfigRegion("default"))
}

func TestHasConfig(t *testing.T) {
	doc := Parse([]byte("[default]\n[profile dev]\n[profile 'Connected Homes']\n[section]\n"))
	for profile, want := range map[string]bool{
		"default": true, "dev": true, "Connected Homes": true, "profile dev": false, "section": false, "absent": false,
	} {
		assert.Equal(t, want, doc.HasConfig(profile), profile)
	}
}
