// Package portal says what a signed-in user may see and do. The pages and the JSON API only translate.
package portal

import (
	"time"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/store"
)

// Me is the user who asks.
type Me struct {
	Name           string
	Groups         []string // sorted, without "everyone"
	IsAdmin        bool
	SourceIdentity string // of the sessions of the user's keys
	Token          MyToken
}

// MyToken is the token that the user asks with. It holds no secret.
type MyToken struct {
	ID      string
	Kind    store.Kind
	Label   string
	Expires time.Time
}

// AccountQuery says which accounts are wanted. The zero value wants the first of all that the user may use.
type AccountQuery struct {
	Search string // a part of the name, the id, a tag or the OU; the case does not matter
	Tag    string // KEY=VALUE
	OU     string // a path; those below it count too
	Cursor string // Next of the page before
	Limit  int    // accounts on the page; zero means the limit of the portal
}

// AccountPage is one page of the accounts that a user may use now.
type AccountPage struct {
	Accounts []Account
	Next     string // the cursor of the next page; empty on the last one
	Total    int    // accounts on all pages
	Facets   Facets
}

// Facets are the tags and OUs of the accounts on all pages.
type Facets struct {
	Tags []Facet // KEY=VALUE
	OUs  []Facet
}

// Facet is one tag or OU, and the number of accounts that have it.
type Facet struct {
	Value string
	Count int
}

// Account is an account that the user may use.
type Account struct {
	ID    string // 12 digits
	Name  string
	OU    string // empty if it is in none
	Tags  map[string]string
	Roles []Role
}

// Role is a role that the user may use in an account.
type Role struct {
	Alias   string        // the name in the policy
	AWS     string        // the name of the IAM role
	Max     time.Duration // the longest lifetime of its keys now
	Console bool          // console links may be made for it
}

// Span is the time from when to when something works.
type Span struct{ At, Expires time.Time }

// Lent is a pair of keys that the gateway lent. It holds no secret.
type Lent struct {
	Issue       string // iss_…
	Account     string // 12 digits
	AccountName string // empty if the policy does not have the account any more
	Role        string // the alias of the policy, or the ARN if the policy does not have the role any more
	KeyID       string // the access key id; empty if there are no keys
	Span
	Origin store.Origin
	State  store.State
}

// SignIn is a token of a user that works: of a browser, of the command, or made by hand. It holds no secret.
type SignIn struct {
	TokenID string
	Kind    store.Kind
	Label   string
	Created time.Time
	Expires time.Time
	IsThis  bool // the one that the user asks with
}

// Right is one thing that a user may do now, and why.
type Right struct {
	User        string
	AccountID   string
	AccountName string
	Role        string        // the alias of the policy
	Grant       string        // the id of the grant that allows it
	Max         time.Duration // the longest lifetime of the keys now
	Cap         string        // what makes Max as short as it is, in words
}

// RightsPage is one page of rights.
type RightsPage struct {
	Rights  []Right
	Next    string // the cursor of the next page; empty on the last one
	Total   int    // rights on all pages; zero if they were not counted
	Version int64  // of the policy
}

// Page says which part of a long list is wanted. The zero value wants its beginning.
type Page struct {
	Cursor string // Next of the page before
	Limit  int    // entries on the page; zero means the limit of the portal
}

// AuditQuery says which events of the log are wanted. Empty fields want all.
type AuditQuery struct {
	Actor        string // the name of who acted
	Subject      string // the user whom the event is about
	Account      string // 12 digits
	Issue        string // iss_…
	Type         audit.Type
	Since, Until time.Time
	Page
}

// AuditPage is one page of events, the newest first.
type AuditPage struct {
	Entries []AuditEntry
	Next    string // the cursor of the next page; empty on the last one
}

// AuditEntry is one event and its place in the log.
type AuditEntry struct {
	Position audit.Position
	Event    audit.Event
}

// ChainState says where the chain of the log ends, and how that compares with the last signed checkpoint.
type ChainState struct {
	Seq        int64 // the number of the newest batch
	Hash       audit.Hash
	At         time.Time // of the newest batch
	Checkpoint int64     // the number of the batch that the last checkpoint signs; zero if there is none
	Problem    string    // why the chain is not the one that the checkpoint signs; empty if it is
}
