package profiles

import (
	"crypto/rand"
	"fmt"
	"strings"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/keys"
)

// randomLength is how many characters of base32 make a name unlike all others: 60 random bits.
const randomLength = 12

// pickName returns the section of doc that the scope may write. g are the keys to be written, or nil before they are
// asked for.
func (h held) pickName(doc *inifile.Document, g *keys.Grant) (string, error) {
	if h.spec.Default && h.state.stored == "" {
		if err := h.tryDefault(doc); err != nil {
			return "", err
		}
	}
	if section := h.state.section; section != "" {
		pairs, exists, err := doc.Managed(section)
		switch {
		case err != nil:
			return "", err
		case !exists || h.owns(pairs):
			return section, nil
		case h.state.stored != "":
			return "", fmt.Errorf("%w: [%s] was changed by another program and is not written again", keys.ErrInUse, section)
		}
	}
	name, hasOthers := FirstName(h.spec.Name)
	pairs, exists, err := doc.Managed(name)
	switch {
	case err != nil:
		return "", err
	case h.state.found.rival == "" && (!exists || h.isFree(doc, name, pairs, g)):
		return name, nil
	case hasOthers:
		return name + "-" + strings.ToLower(rand.Text()[:randomLength]), nil
	case h.state.found.rival != "":
		return "", fmt.Errorf("%w: %s: choose another profile name", keys.ErrInUse, h.state.found.rival)
	case pairs[inifile.MarkerKey] == "":
		return "", errtext.Because(keys.ErrInUse, fmt.Errorf("%w: [%s] is yours: choose another profile name", ErrUnmanaged, name))
	}
	return "", h.heldError(name, pairs)
}

// tryDefault refuses what setDefault would refuse. It tries that with fake keys.
func (h held) tryDefault(doc *inifile.Document) error {
	if h.state.found.defaultRival != "" {
		return fmt.Errorf("%w: %s", keys.ErrInUse, h.state.found.defaultRival)
	}
	return setDefault(inifile.Parse(doc.Bytes()), h.Name(), linesOf(probe(), form{}))
}

// heldError says why the scope must not replace a profile.
func (h held) heldError(name string, pairs map[string]string) error {
	whose := HolderOf(pairs).apartFrom(h.spec.Account.Name)
	switch {
	case pairs[inifile.ScopeKey] != "":
		return fmt.Errorf("%w: [%s] holds keys for %s: choose another profile name", keys.ErrInUse, name, whose)
	case keys.IsLongLived(pairs["aws_access_key_id"]):
		return fmt.Errorf("%w: [%s] holds long-lived keys, which chaim did not get: choose another profile name", keys.ErrInUse, name)
	}
	return fmt.Errorf("%w: profile %q is held for account %s: delete it, or choose another profile name", keys.ErrInUse, name, whose)
}

// isFree reports whether the scope may replace a kept profile of that name. If the scope is to keep its profile too,
// mayReplace decides. If not, it may replace one whose keys have expired, as a killed program of the originals leaves it.
func (h held) isFree(doc *inifile.Document, name string, pairs map[string]string, g *keys.Grant) bool {
	switch {
	case pairs[inifile.MarkerKey] == "", pairs[inifile.ScopeKey]+pairs[inifile.ProcessKey] != "", keys.IsLongLived(pairs["aws_access_key_id"]):
		return false
	case h.spec.Keep:
		return h.mayReplace(pairs, g)
	}
	unusable := inifile.Parse(doc.Bytes()).Set(name, linesOf(probe(), form{})) // because of other lines there
	return unusable == nil && hasExpired(pairs)
}

// mayReplace reports whether keys of g may replace a kept profile. It may be of the same account, or without valid keys. Any
// other profile must have been there when the keys were asked for. Otherwise, if two programs made the profile at once, each
// would be told that it is its own.
func (h held) mayReplace(pairs map[string]string, g *keys.Grant) bool {
	if !inifile.HasAccess(pairs) || hasExpired(pairs) || !h.isOther(pairs, g) {
		return true
	}
	return !h.spec.NoReplace && (g == nil || h.state.found.replaces == HolderOf(pairs))
}

// isOther reports whether a profile is for another account than the keys of g. Before keys are asked for, g is nil, and
// isOther reports whether the profile is certainly for another account than the scope.
func (h held) isOther(pairs map[string]string, g *keys.Grant) bool {
	there, name, id := HolderOf(pairs), h.spec.Account.Name, h.spec.Account.ID
	if g != nil {
		name, id = g.Account, g.AccountID
	}
	for _, text := range []string{h.spec.Account.Name, name} {
		if id == "" && keys.IsAccountID(text) {
			id = text
		}
	}
	switch {
	case id != "" && there.ID != "":
		return id != there.ID
	case there.FromConfig == h.spec.Account.FromConfig && (there.Name == h.spec.Account.Name || there.Name == name):
		return false
	}
	return g != nil || id == "" && there.ID == "" // the gateway may know the same account by both
}

// owns reports whether a section is still the scope's: as the scope wrote it, or with other keys of its account, as another
// tool that renews profiles leaves it. Such a tool may keep or drop the mark. A section without the mark is not the scope's
// before the scope has stored keys.
func (h held) owns(pairs map[string]string) bool {
	if pairs[inifile.MarkerKey] == "" {
		return false
	}
	m, isIntact := markOf(pairs)
	isOwnScope := h.state.lease != nil && m.id == h.state.lease.id
	if isIntact && isOwnScope {
		return true
	}
	id := pairs["aws_access_key_id"] // may still be that of the stored keys, while grant is newer
	isUsers := keys.IsLongLived(id) && id != h.state.grant.AccessKeyID && id != h.state.stored
	isStored := h.state.stored != "" || h.spec.Keep && id != "" && id == h.state.grant.AccessKeyID // an edit may be made twice
	mayBeOurs := isOwnScope || isStored && pairs[inifile.ScopeKey] == ""
	return mayBeOurs && isFor(h.state.grant, HolderOf(pairs)) && !isUsers
}
