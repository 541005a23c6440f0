package inifile

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestRival(t *testing.T) {
	const doc = "[default]\nrole_arn = x\n[profile tempname]\nregion = eu-west-1\nsso_session = y\n[tempname]\nrole_arn = x\n" +
		"[profile \"quoted\"]\nROLE_ARN = x\n[profile plain]\nregion = eu-west-1\n"
	for profile, want := range map[string][2]string{
		"tempname": {"profile tempname", "sso_session"},
		"quoted":   {`profile "quoted"`, "role_arn"},
		"plain":    {},
		"default":  {"default", "role_arn"},
		"absent":   {},
	} {
		section, key := Rival([]byte(doc), profile)
		assert.Equal(t, want, [2]string{section, key}, profile)
	}
}
