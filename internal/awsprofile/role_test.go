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

// TestRoleWithTheNameOfAKind: only the profile tells whether it has a role.
func TestRoleWithTheNameOfAKind(t *testing.T) {
	c := Chain{Source: Source{Kind: SSO, Session: Session{Role: "sso"}}}
	assert.Equal(t, "sso", c.RoleName())
	assert.Empty(t, Chain{Source: Source{Kind: Process}}.RoleName())
}
