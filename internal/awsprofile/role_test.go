package awsprofile

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestNamesOfRoles(t *testing.T) {
	longest := strings.Repeat("r", maxName)
	for resource, want := range map[string]bool{
		"role/r": true, "role/" + longest: true, "role/" + longest + "r": false,
		"role/a/b/" + longest: true, "role/" + longest + "/b/" + longest: true, "role/a/" + longest + "r": false,
		"role/": false, "role//r": false, "role/a/": false, "role": false, "": false, longest: false, "user/r": false, "role/r r": false,
	} {
		assert.Equal(t, want, isRoleResource(resource), resource)
	}
}

// TestARNsOfRoles: the last part of any other ARN is the name of something else.
func TestARNsOfRoles(t *testing.T) {
	for text, want := range map[string]struct{ isAWS, isAny bool }{
		"arn:aws:iam::111111111111:role/adm":              {true, true},
		"arn:aws:iam::111111111111:role/team/a/adm":       {true, true},
		"arn:aws-us-gov:iam::111111111111:role/adm":       {true, true},
		"arn:aws-new:iam::111111111111:role/adm":          {true, true},
		"arn:minio:iam:::user/adm":                        {false, true},
		"arn:minio:iam::111111111111:role/adm":            {false, true},
		"arn:aws:sts::111111111111:assumed-role/Read/adm": {},
		"arn:aws:sts::111111111111:federated-user/adm":    {},
		"arn:aws:iam::111111111111:user/adm":              {},
		"arn:aws:iam::111111111111:group/adm":             {},
		"arn:aws:iam::111111111111:policy/adm":            {},
		"arn:aws:iam::111111111111:instance-profile/adm":  {},
		"arn:aws:iam::111111111111:role":                  {},
		"arn:aws:iam::111111111111:role/":                 {},
		"arn:aws:iam::111111111111:role/a/":               {},
		"arn:aws:iam::111111111111:adm":                   {},
		"arn:aws:iam::11111111111:role/adm":               {},
		"arn:aws:iam:eu-west-1:111111111111:role/adm":     {},
		"arn:aws:s3:::role/adm":                           {},
		"arn:aws:iam::111111111111:role/adm\n":            {},
		"arn:aws:iam::111111111111:role/a:adm":            {},
		"ARN:aws:iam::111111111111:role/adm":              {},
		"arn:aws:iam:role/adm":                            {},
		"adm":                                             {},
	} {
		_, err := ParseAWSRole(text)
		assert.Equal(t, want.isAWS, err == nil, text)
		_, err = ParseRole(text)
		assert.Equal(t, want.isAny, err == nil, text)
	}
	_, err := ParseAWSRole("arn:aws:iam::111111111111:user/adm")
	assert.EqualError(t, err, `chaim: "arn:aws:iam::111111111111:user/adm" is not the ARN of a role, such as arn:aws:iam::111111111111:role/Name`)
}

// TestRoleWithTheNameOfAKind: only the profile tells whether it has a role.
func TestRoleWithTheNameOfAKind(t *testing.T) {
	c := Chain{Source: Source{Kind: SSO, Session: Session{Role: "sso"}}}
	assert.Equal(t, "sso", c.RoleName())
	assert.Empty(t, Chain{Source: Source{Kind: Process}}.RoleName())
}
