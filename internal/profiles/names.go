package profiles

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/lazyregexp"
)

// DefaultName is the name of a profile for which the caller chooses none.
const DefaultName = "tempname"

// profileRule is the set of names that every SDK reads alike. Names outside it hand keys to the profile above
// (# and ;), or make a reader refuse the whole file ([ and ]).
var profileRule = lazyregexp.New(`^[A-Za-z0-9_./%@:+-]+$`)

// anySuffix ends a given name that stands for several: if the name before it is taken, chaim adds a dash and random
// characters. No profile has a star in its name.
const anySuffix = "-*"

// FirstName returns the name that a scope tries first for a given name, and whether it may take another.
func FirstName(given string) (name string, hasOthers bool) {
	if given == "" {
		return DefaultName, true
	}
	return strings.CutSuffix(given, anySuffix)
}

// reservedProfiles are names that mean something else to a reader: all sections inherit DEFAULT (botocore), programs that
// name no profile use default, and the others are properties of each object (JavaScript).
var reservedProfiles = map[string]bool{
	"DEFAULT": true, "default": true, "__proto__": true, "constructor": true, "toString": true, "toLocaleString": true,
	"valueOf": true, "hasOwnProperty": true, "isPrototypeOf": true, "propertyIsEnumerable": true,
	"__defineGetter__": true, "__defineSetter__": true, "__lookupGetter__": true, "__lookupSetter__": true,
}

// CheckGivenName is CheckName for a name as [FirstName] takes it.
func CheckGivenName(given string) error {
	name, hasOthers := FirstName(given)
	if hasOthers && len(name) > 128-len("-")-randomLength {
		return fmt.Errorf("chaim: profile name %s is too long to get %d random characters where it is taken", keys.QuoteShort(name), randomLength)
	}
	return CheckName(name)
}

// CheckName refuses a name under which chaim writes no profile.
func CheckName(name string) error {
	switch {
	case len(name) > 128 || !profileRule().MatchString(name):
		return fmt.Errorf("chaim: profile name %s has characters that some SDK misreads: use 1 to 128 letters, digits and _ . / %% @ : + -", keys.QuoteShort(name))
	case reservedProfiles[name]:
		return fmt.Errorf("chaim: profile name %q has a meaning of its own to some SDK: choose another", name)
	}
	return nil
}

// CheckSection refuses a name that no profile of its own can have.
func CheckSection(name string) error {
	switch name {
	case "":
		return errors.New("chaim: the profile name is empty")
	case "default", "DEFAULT":
		return fmt.Errorf("chaim: [%s] is no profile of its own: name the profile that its keys come from", name)
	}
	if before, _, isPast := strings.Cut(name, "]"); isPast {
		return fmt.Errorf("chaim: a profile name ends at the first ], so %s is no profile: where a section begins with that, its profile is %s", keys.QuoteShort(name), keys.QuoteShort(before))
	}
	return nil
}

// CheckHeld refuses the name of an existing section if some reader would take new keys there for those of the profile
// above. It accepts more names than CheckName, as other tools use more, such as those with a space.
func CheckHeld(name string) error {
	if err := CheckSection(name); err != nil {
		return err
	}
	if len(name) > 256 || strings.ContainsAny(name, "[]#;") || !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fmt.Errorf("chaim: profile name %s has characters that some SDK takes for a comment or for its end: delete the profile, and keep the account under another name", keys.QuoteShort(name))
	}
	return nil
}

// CheckMarker refuses an account that cannot be named in the credentials file.
func CheckMarker(account string) error {
	if err := keys.CheckAccount(account); err != nil {
		return err
	}
	if err := inifile.CheckValue(inifile.MarkerKey, account); err != nil {
		return fmt.Errorf("chaim: account %s cannot be named in a credentials file: that takes printable ASCII without quotes at its start, comments or spaces around it; give its 12-digit id", keys.QuoteShort(account))
	}
	return nil
}
