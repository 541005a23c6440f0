package cli

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/chaim-go/chaim"
)

// TestTwins has accounts without a name, and rows that are there twice, be no twins.
func TestTwins(t *testing.T) {
	a, other, upper := chaim.Account{ID: "1", Name: "a"}, chaim.Account{ID: "2", Name: "a"}, chaim.Account{ID: "3", Name: "A"}
	b, nameless, nameless2 := chaim.Account{ID: "4", Name: "b"}, chaim.Account{ID: "5"}, chaim.Account{ID: "6"}
	all := []chaim.Account{upper, b, nameless, a, other, nameless2, b, a}
	assert.Equal(t, []chaim.Account{a, other, upper}, Twins(all, all))
	assert.Equal(t, []chaim.Account{a, other, upper}, Twins(all, []chaim.Account{upper}))
	assert.Empty(t, Twins(all, []chaim.Account{b, nameless}))

	var many []chaim.Account
	for i := range 12 {
		many = append(many, chaim.Account{ID: fmt.Sprintf("%012d", i), Name: "a"})
	}
	assert.True(t, strings.HasSuffix(TellTwins(many), `"a" (000000000009), 2 more`), TellTwins(many))
}
