package web

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// luminance is the relative luminance of a colour: WCAG 2.2.
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	if len(hex) == 3 {
		hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
	}
	n, err := strconv.ParseUint(hex, 16, 32)
	require.NoError(t, err)
	channel := func(shift int) float64 {
		c := float64(n>>shift&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*channel(16) + 0.7152*channel(8) + 0.0722*channel(0)
}

func TestContrastIsThatOfWCAG(t *testing.T) {
	css, err := assetFiles.ReadFile("assets/style.css")
	require.NoError(t, err)
	light, dark, isThere := strings.Cut(string(css), "@media (prefers-color-scheme: dark)")
	require.True(t, isThere)
	dark, _, _ = strings.Cut(dark, "}")
	for scheme, text := range map[string]string{"light": light, "dark": dark} {
		colours := map[string]float64{}
		for _, m := range regexp.MustCompile(`--([a-z-]+): #([0-9a-f]{3,6});`).FindAllStringSubmatch(text, -1) {
			colours[m[1]] = luminance(t, m[2])
		}
		atLeast := func(ratio float64, front string, grounds ...string) {
			for _, ground := range grounds {
				a, b := colours[front], colours[ground]
				assert.GreaterOrEqual(t, (max(a, b)+0.05)/(min(a, b)+0.05), ratio, "%s: %s on %s", scheme, front, ground)
			}
		}
		require.Len(t, colours, 13)
		atLeast(4.5, "text", "ground", "surface", "tint", "good-tint", "red-tint")
		atLeast(4.5, "soft", "ground", "surface", "tint", "good-tint", "red-tint")
		atLeast(4.5, "accent", "ground", "surface", "tint")
		atLeast(4.5, "on-accent", "accent")
		atLeast(4.5, "red", "ground", "surface", "red-tint")
		atLeast(4.5, "good", "surface", "good-tint")
		atLeast(3, "field", "ground", "surface")
		atLeast(3, "accent", "line")
	}
}
