package spelling

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestNearest(t *testing.T) {
	known := []string{"sredev", "sretest", "prod", "mpu", "mpa"}
	for name, want := range map[string][]string{
		"srdev":   {"sredev"},
		"sreedv":  {"sredev"}, // swapped
		"sredevv": {"sredev"},
		"sredev":  {"sredev"},
		"mpx":     {"mpu", "mpa"},
		"ppu":     {"mpu"},
		"xy":      nil, // half of it is another name
		"prodigy": nil,
		"":        nil,
	} {
		assert.Equal(t, want, Nearest(name, known), name)
	}
}
