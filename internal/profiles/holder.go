package profiles

import (
	"strconv"
	"strings"

	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/keys"
)

// Holder is the account that a profile is held for. Its ID may be unknown.
type Holder struct{ Name, ID string }

// HolderOf returns that of a section with those managed keys.
func HolderOf(pairs map[string]string) Holder {
	return newHolder(pairs[inifile.MarkerKey], pairs[inifile.IDKey])
}

func newHolder(name, id string) Holder {
	h := Holder{Name: name}
	for _, text := range []string{id, name} {
		if h.ID == "" && keys.IsAccountID(text) {
			h.ID = text
		}
	}
	return h
}

// isSame reports whether two are one account: by their ids where both are known, as several accounts may have one name, and
// else by name. Without a name there is none.
func (h Holder) isSame(other Holder) bool {
	switch {
	case h.Name == "" || other.Name == "":
		return false
	case h.ID != "" && other.ID != "":
		return h.ID == other.ID
	}
	return h.Name == other.Name
}

// apartFrom names the account for a text that is about one of the other name.
func (h Holder) apartFrom(other string) string {
	if h.ID != "" && h.Name == other && h.ID != h.Name { // perhaps another of that name
		return strconv.Quote(h.Name) + " with the id " + h.ID
	}
	return strconv.Quote(h.Name)
}

// isFor reports whether keys are for the account that a profile is held for. With the same id its name may be spelt
// otherwise, as other programs do, but not be another name: they leave the id there when they write keys of another account.
func isFor(g keys.Grant, held Holder) bool {
	own := newHolder(g.Account, g.AccountID)
	if own.ID == "" || held.ID == "" {
		return held.Name == own.Name
	}
	return held.ID == own.ID && (held.Name == own.ID || strings.EqualFold(held.Name, own.Name))
}
