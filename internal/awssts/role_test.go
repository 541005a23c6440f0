package awssts

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestNamesOfRolesAndSessions(t *testing.T) {
	longest := strings.Repeat("r", maxName)
	for resource, want := range map[string]bool{
		"role/r": true, "role/" + longest: true, "role/" + longest + "r": false,
		"role/a/b/" + longest: true, "role/" + longest + "/b/" + longest: true, "role/a/" + longest + "r": false,
		"role/": false, "role//r": false, "role/a/": false, "role": false, "": false, longest: false, "user/r": false, "role/r r": false,
	} {
		assert.Equal(t, want, isRoleResource(resource), resource)
	}
	for name, want := range map[string]bool{"": false, "r": false, "rr": true, longest: true, longest + "r": false, "r r": false, "r\n": false} {
		assert.Equal(t, want, isSessionName(name), name)
	}
}
