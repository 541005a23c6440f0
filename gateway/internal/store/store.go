// Package store keeps the gateway's people, tokens, policy and audit log in a database: SQLite for one process, PostgreSQL
// for several replicas.
//
// All writes are [Change] values, and each change goes into the audit log with its effects in one transaction. The
// transactions of a database follow one another, and each makes one batch of the log.
//
// The authorization counter is a number in the newest batch. A change of people, tokens or policy raises it. So a decision
// that was made from a [View] is still right if the counter is still that of the view, and [Change].IfAuth makes a
// transaction insist on that.
package store

import (
	"errors"
	"time"

	"github.com/chaim-go/chaim/gateway/internal/audit"
)

var (
	// ErrStale says that people, tokens or policy changed since the decision: read a new view and decide again. Nothing of the
	// change was stored.
	ErrStale = errors.New("people, tokens or policy have changed since the decision")
	// ErrConflict says that the rows are not as the change expects them. Nothing of the change was stored.
	ErrConflict = errors.New("the rows are not as expected")
	// ErrUnknown says that the database did not confirm the transaction. It may be stored or not.
	ErrUnknown = errors.New("the database did not confirm what was written")
	// ErrForked says that the log in the database is not the one that this process has seen: an older copy, or another one.
	// Nothing can be written by this process any more.
	ErrForked = errors.New("the audit log is not the one that was here before")
	// ErrBusy says that too many changes wait for the database. Nothing of the change was stored.
	ErrBusy = errors.New("too many changes wait for the database")
	// ErrNotFound says that there is no such row.
	ErrNotFound = errors.New("not found")
)

// Change is what is stored together.
type Change struct {
	Events  []audit.Event // at least one
	Effects []Effect      // in this order
	IfAuth  int64         // the counter of the decision; zero means any
	Raises  bool          // people, tokens, policy or the freeze change: raise the counter

	entries []audit.Entry // of the events, once the change is sealed
}

// State is the state of an issue.
type State string

// An issue begins as an intent and has one end.
const (
	Intent   State = "intent"   // STS may be asked
	Issued   State = "issued"   // the keys may be answered
	Failed   State = "failed"   // there are no keys
	Withheld State = "withheld" // there are keys, but they were not answered
	Unknown  State = "unknown"  // AWS may have made keys
)

// Issue is a row of the table of issues.
type Issue struct {
	ID      string // iss_…
	User    string
	Origin  Origin
	Account string // 12 digits
	RoleARN string
	State   State
	At      time.Time // of the intent
	Result
}

// Origin says from where an issue was asked for.
type Origin struct {
	Token string // the id of the token
	IP    string // the caller's address; empty if it is not known
	Agent string // the caller's program, in its own words
}

// Result is what became of an issue. It is empty for an intent.
type Result struct {
	Keys  IssuedKeys
	Error string // why there are no keys, or why they were not answered
}

// IssuedKeys says which keys an issue made. It is empty before.
type IssuedKeys struct {
	ID        string // the access key id
	ExpiresAt time.Time
	Chained   bool // made with the keys of another role
}

// User is a person.
type User struct {
	Name           string // [a-z0-9][a-z0-9._@-]{1,63}; never used again for another person
	SourceIdentity string // of the sessions of the user's keys; made once from the name, unique
	Disabled       bool
	Groups         []string // sorted, without "everyone"
	Created        time.Time
}

// Kind says how a token was made, and so where it may be used.
type Kind string

// The kinds of tokens.
const (
	UserToken Kind = "user" // made by hand, for programs: for the form endpoints and the API
	CLIToken  Kind = "cli"  // of 'chaim login': for the form endpoints and the API
	WebToken  Kind = "web"  // of a browser: for the pages
)

// Token is a row of the table of tokens. It holds no secret.
type Token struct {
	ID      string
	User    string
	Kind    Kind
	Seal    Seal
	Label   string
	Created time.Time
	Expires time.Time
	Revoked time.Time // zero means that it is not revoked
}

// Seal is the MAC of a token. It is made with a key that is not in the database.
type Seal struct {
	MAC   []byte
	KeyID string
}

// PolicyVersion is one version of the policy document. Versions are never changed.
type PolicyVersion struct {
	Seq     int64 // 1 is the first; zero means that there is no policy yet
	Doc     []byte
	SHA256  audit.Hash
	Author  string
	Message string
	At      time.Time
}

// View is all that decides a request, as it was while the authorization counter had one value.
type View struct {
	Auth   int64
	Frozen string // the reason why no keys are issued; empty means that they are
	Policy PolicyVersion
	Users  map[string]User
	Groups []string         // all groups, also empty ones
	Tokens map[string]Token // but those that have ended long ago
}
