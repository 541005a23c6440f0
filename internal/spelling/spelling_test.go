package spelling

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestMistakes(t *testing.T) {
	for texts, want := range map[[2]string]int{
		{"", ""}: 0, {"abc", "abc"}: 0, {"", "abc"}: 3, {"srdev", "sredev"}: 1, {"sredevv", "sredev"}: 1, {"prod", "prad"}: 1,
		{"work", "wrok"}: 1, {"wrok", "park"}: 3, {"kitten", "sitting"}: 3, {"ab", "ba"}: 1, {"abc", "bca"}: 2, {"ca", "abc"}: 3,
	} {
		assert.Equal(t, want, Mistakes(texts[0], texts[1]), texts)
		assert.Equal(t, want, Mistakes(texts[1], texts[0]), texts)
	}
}
