package cli

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestNearest(t *testing.T) {
	names := []string{"sredev", "sreprod", "Connected-Homes", "work", "a-b", "sredev"}
	for text, want := range map[string][]string{
		"srdev":           {"sredev"},
		"SREDEV":          {"sredev"},
		"sreprd":          {"sreprod"},
		"Connected Homes": {"Connected-Homes"},
		"connected_homse": {"Connected-Homes"},
		"wrok":            {"work"},
		"word":            {"work"},
		"a b":             {"a-b"},
		"nothing-like-it": nil,
		"":                nil,
	} {
		assert.Equal(t, want, nearest(text, names), text)
	}
	assert.Len(t, nearest("p1", []string{"p2", "p3", "p4", "p5"}), maxSuggested)
}
