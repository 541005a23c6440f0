package profiles

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"strings"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/keys"
)

// pickName tells which section of doc the scope may write its keys to: those of g, or nil while they are not asked for yet.
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
	name := cmp.Or(h.spec.Name, DefaultName)
	pairs, exists, err := doc.Managed(name)
	switch {
	case err != nil:
		return "", err
	case h.state.found.rival == "" && (!exists || h.isFree(doc, name, pairs, g)):
		return name, nil
	case h.spec.Name == "":
		// 12 characters of base32 are 60 random bits.
		return name + "-" + strings.ToLower(rand.Text()[:12]), nil
	case h.state.found.rival != "":
		return "", fmt.Errorf("%w: %s: choose another profile name", keys.ErrInUse, h.state.found.rival)
	case pairs[inifile.MarkerKey] == "":
		return "", errtext.Because(keys.ErrInUse, fmt.Errorf("%w: [%s] is yours: choose another profile name", ErrUnmanaged, name))
	}
	return "", h.heldError(name, pairs)
}

// tryDefault refuses what setDefault would, with keys that are none.
func (h held) tryDefault(doc *inifile.Document) error {
	if h.state.found.defaultRival != "" {
		return fmt.Errorf("%w: %s", keys.ErrInUse, h.state.found.defaultRival)
	}
	return setDefault(inifile.Parse(doc.Bytes()), h.Name(), linesOf(probe(), form{}))
}

// heldError refuses the profile of a name and its managed keys, which are not the scope's to replace.
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

// isFree reports whether the profile of a name and its managed keys may be replaced: one that is kept by another that is
// kept, see mayReplace, and by a scope one whose keys have expired, as a killed program of the originals leaves.
func (h held) isFree(doc *inifile.Document, name string, pairs map[string]string, g *keys.Grant) bool {
	switch {
	case pairs[inifile.MarkerKey] == "", pairs[inifile.ScopeKey]+pairs[inifile.ProcessKey] != "", keys.IsLongLived(pairs["aws_access_key_id"]):
		return false
	case h.spec.Keep:
		return h.mayReplace(pairs, g)
	}
	unusable := inifile.Parse(doc.Bytes()).Set(name, linesOf(probe(), form{})) // for what else stands there
	return unusable == nil && hasExpired(pairs)
}

// mayReplace reports whether keys of g may take the place of a kept profile: of one for the same account, and of one without
// keys that are valid. One of another account must have stood there when the keys were asked for, or a profile that two
// programs make at once would be told to both of them.
func (h held) mayReplace(pairs map[string]string, g *keys.Grant) bool {
	if !inifile.HasAccess(pairs) || hasExpired(pairs) || !h.isOther(pairs, g) {
		return true
	}
	return !h.spec.NoReplace && (g == nil || h.state.found.replaces == HolderOf(pairs))
}

// isOther reports whether a profile is for another account than the keys of g or, while they are not asked for yet, surely
// for another than that of the scope.
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
	case there.Name == h.spec.Account.Name || there.Name == name:
		return false
	}
	return g != nil || id == "" && there.ID == "" // or the gateway may know the one under the other
}

// owns reports whether a section is still the scope's: as it wrote it, or with other keys of its account, as another tool
// that renews profiles leaves them. That may have dropped the mark of a scope or kept it. Without the mark it is another's before
// the scope has stored something.
func (h held) owns(pairs map[string]string) bool {
	if pairs[inifile.MarkerKey] == "" {
		return false
	}
	m, isIntact := markOf(pairs)
	isOwnScope := h.state.lease != nil && m.id == h.state.lease.id
	if isIntact && isOwnScope {
		return true
	}
	id := pairs["aws_access_key_id"] // what was written may be newer than what stands there
	isUsers := keys.IsLongLived(id) && id != h.state.grant.AccessKeyID && id != h.state.stored
	isStored := h.state.stored != "" || h.spec.Keep && id != "" && id == h.state.grant.AccessKeyID // as an edit may be made twice
	mayBeOurs := isOwnScope || isStored && pairs[inifile.ScopeKey] == ""
	return mayBeOurs && isFor(h.state.grant, HolderOf(pairs)) && !isUsers
}
