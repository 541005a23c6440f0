package profiles

import (
	"context"

	"github.com/chaim-go/chaim/internal/inifile"
)

// CheckSettings refuses keys and values that cannot stand in the section [default].
func CheckSettings(settings [][2]string) error {
	return inifile.Parse(nil).SetKeys(inifile.DefaultSection, settingLines(settings), func(string) bool { return false })
}

// StoreSettings writes keys and values into the section [default] of the credentials file. misfits gets the keys that are
// there, and tells which of them must go.
func (b *Book) StoreSettings(ctx context.Context, settings [][2]string, misfits func(stored map[string]string) func(key string) bool) error {
	return b.Edit(ctx, func(doc *inifile.Document) error {
		stored, _, err := doc.All(inifile.DefaultSection)
		if err != nil {
			return err
		}
		return doc.SetKeys(inifile.DefaultSection, settingLines(settings), misfits(stored))
	})
}

func settingLines(settings [][2]string) (lines []inifile.Pair) {
	for _, s := range settings {
		lines = append(lines, inifile.Pair{Key: s[0], Value: s[1]})
	}
	return lines
}
