// Package policy decides who may use which role in which account, when and from where.
//
// A [Document] is the policy as its authors write it; the package policy/yaml reads one. [Compile] makes an [Engine] from it.
// All answers of an engine are pure: they depend on the document and on what is asked, never on the clock or a database.
//
// The rules: what no grant allows is refused. A deny rule wins over every grant. Of several grants that allow, the one with
// the longest lifetime counts. Names of accounts, roles, groups, people and OUs are compared without regard to case; tags
// are compared exactly.
//
// The package imports the standard library only.
package policy

import (
	"net/netip"
	"strings"
	"time"
)

// The limits of a document.
const (
	MaxDocument = 512 << 10 // bytes of text
	MaxGrants   = 5000      // and as many deny rules
	MaxHours    = 32        // windows in the hours of one grant

	// MinLifetime is the shortest lifetime that AWS gives keys. What leaves less is refused.
	MinLifetime = 15 * time.Minute
	// MaxLifetime is the longest lifetime that AWS gives keys of a role.
	MaxLifetime = 12 * time.Hour
	// DefaultRoleMax is the longest lifetime of a role that does not name one. AWS gives new roles the same.
	DefaultRoleMax = time.Hour
)

// Everyone is the group of all users. It is never stored as a group.
const Everyone = "everyone"

// Document is a policy. It is data: nothing checks it before [Check] or [Compile].
type Document struct {
	Roles    []Role
	Accounts []Account
	Grants   []Grant
	Deny     []Deny
	// Positions tells where in the text each part stands, by its path such as "grants[3].on.ids[0]". A document that was not
	// read from a text has none.
	Positions map[string]Position
}

// Role is a role that grants can give.
type Role struct {
	Alias   string        // the name in the policy, such as "rro"
	AWS     string        // the name of the IAM role
	Path    string        // the path of the IAM role, such as "/team/"; empty means "/"
	Max     time.Duration // the longest lifetime of its keys; zero means DefaultRoleMax
	Console bool          // console links may be made for its keys
}

// Account is an AWS account.
type Account struct {
	ID        string // 12 digits
	Name      string
	Partition string // empty means "aws"
	OU        string // the path of its organizational unit, such as "root/dev"; empty means that it is in none
	Tags      map[string]string
}

// Grant allows people to use roles in accounts.
type Grant struct {
	ID    string
	To    People
	On    Selector
	Roles []string // aliases
	When  When
	Max   time.Duration // the longest lifetime of the keys; zero means that only the role limits it
	From  time.Time     // zero means since ever
	Until time.Time     // zero means for ever
}

// Deny refuses what grants allow. It names accounts by their ids only, since the administrators of an account can change its
// name.
type Deny struct {
	ID    string
	To    People   // empty means all people
	IDs   []string // accounts
	Roles []string // aliases; empty means all roles
	From  time.Time
	Until time.Time
}

// People are the persons that a rule is about: the members of the groups and also the users.
type People struct {
	Groups []string
	Users  []string
}

// Selector selects accounts. An account must match all fields that are not empty, and one value of each.
type Selector struct {
	IDs    []string
	Names  []string            // patterns: "*" is any text within a segment, "**" is any number of segments; "/" separates segments
	Tags   map[string][]string // the account must have each tag with one of the values
	OU     []string            // patterns, as in Names
	Except Except
}

// Except takes accounts out of a selection. An account that matches one value of one field is out.
type Except struct {
	IDs  []string
	Tags map[string][]string
	OU   []string // patterns, as in Selector.Names
}

// When limits a grant to addresses and hours. The zero When does not limit it.
type When struct {
	CIDR  []netip.Prefix // one of them has the caller's address
	Hours []Hours        // one of them is now
}

func (p People) isEmpty() bool { return len(p.Groups)+len(p.Users) == 0 }

func (s Selector) isEmpty() bool { return len(s.IDs)+len(s.Names)+len(s.Tags)+len(s.OU) == 0 }

func (r Role) max() time.Duration {
	if r.Max == 0 {
		return DefaultRoleMax
	}
	return r.Max
}

// fold returns the form of a name in which names are compared.
func fold(name string) string { return strings.ToLower(name) }

// IsAccountID reports whether text has the form of an account id: 12 digits.
func IsAccountID(text string) bool {
	return len(text) == 12 && strings.Trim(text, "0123456789") == ""
}
