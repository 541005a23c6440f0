package awssts

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestNamesOfSessions(t *testing.T) {
	longest := strings.Repeat("r", maxName)
	for name, want := range map[string]bool{"": false, "r": false, "rr": true, longest: true, longest + "r": false, "r r": false, "r\n": false} {
		assert.Equal(t, want, isSessionName(name), name)
	}
}
