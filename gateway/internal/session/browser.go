package session

import "strings"

// word is what the browsers' own words have, and what people call it.
type word struct{ mark, name string }

// Most browsers claim to be others too, so the order counts.
var (
	browsers = []word{
		{"Edg", "Edge"},
		{"OPR/", "Opera"},
		{"Firefox/", "Firefox"},
		{"FxiOS/", "Firefox"},
		{"CriOS/", "Chrome"},
		{"Chrom", "Chrome"},
		{"Safari/", "Safari"},
	}
	systems = []word{
		{"iPhone", "iOS"},
		{"iPad", "iOS"},
		{"Android", "Android"},
		{"Windows", "Windows"},
		{"Mac OS X", "macOS"},
		{"CrOS", "ChromeOS"},
		{"Linux", "Linux"},
	}
)

// browser is the label of a browser's token: the browser and its system, as far as it says so.
func browser(agent string) string {
	name := called(browsers, agent, "browser")
	if system := called(systems, agent, ""); system != "" {
		name += " on " + system
	}
	return name
}

func called(words []word, text, otherwise string) string {
	for _, w := range words {
		if strings.Contains(text, w.mark) {
			return w.name
		}
	}
	return otherwise
}
