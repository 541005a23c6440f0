package profiles

import (
	"strconv"
	"strings"

	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/keys"
)

// Holder is the account of a profile. Its ID may be unknown.
type Holder struct {
	Name, ID   string
	FromConfig bool // the name is that of a profile of the AWS config file
}

// HolderOf returns the account of a section with those managed keys.
func HolderOf(pairs map[string]string) Holder {
	h := newHolder(pairs[inifile.MarkerKey], pairs[inifile.IDKey])
	h.FromConfig = pairs[inifile.KindKey] == inifile.KindProfile
	return h
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

// isSame reports whether h and other are one account: by id if both ids are known, as several accounts may have one name,
// and else by name. Without a name there is no account.
func (h Holder) isSame(other Holder) bool {
	switch {
	case h.Name == "" || other.Name == "" || h.FromConfig != other.FromConfig:
		return false
	case h.ID != "" && other.ID != "":
		return h.ID == other.ID
	}
	return h.Name == other.Name
}

// apartFrom names the account in an error about an account of the other name. If both names are the same, it adds the id.
func (h Holder) apartFrom(other string) string {
	if h.ID != "" && h.Name == other && h.ID != h.Name {
		return strconv.Quote(h.Name) + " with the id " + h.ID
	}
	return strconv.Quote(h.Name)
}

// isFor reports whether keys are for the account of a profile. If the ids are the same, the letters of the name may
// differ in case, as other programs write it. Another name means another account: those programs leave the old id in the
// section.
func isFor(g keys.Grant, held Holder) bool {
	own := newHolder(g.Account, g.AccountID)
	if own.ID == "" || held.ID == "" {
		return held.Name == own.Name
	}
	return held.ID == own.ID && (held.Name == own.ID || strings.EqualFold(held.Name, own.Name))
}
