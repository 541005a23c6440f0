// Package audit defines the events of the gateway's log and the chain of hashes over them.
//
// Events are appended in batches. A batch names the hash of the batch before it, so a changed, removed or added event breaks
// the chain. An event holds no secret.
package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Type says what happened.
type Type string

// The types of events.
const (
	IssueAllowed  Type = "issue.allowed"  // STS may be asked for keys; durable before it is asked
	IssueDenied   Type = "issue.denied"   // the policy, a deny rule or a freeze
	IssueIssued   Type = "issue.issued"   // keys were made; durable before they are answered
	IssueFailed   Type = "issue.failed"   // STS made no keys
	IssueWithheld Type = "issue.withheld" // keys were made, but not answered
	IssueUnknown  Type = "issue.unknown"  // no answer of STS arrived: AWS may have made keys

	ConsoleAllowed Type = "console.allowed" // a console link may be made for keys
	ConsoleDenied  Type = "console.denied"

	AuthFailed Type = "auth.failed" // failed tokens since the last such event; at most one event a minute

	SignedIn      Type = "auth.signed_in"  // a browser, at an identity provider or by a link of an operator
	SignInRefused Type = "auth.refused"    // the provider knows the person, but the gateway does not let the person in
	SignedOut     Type = "auth.signed_out" // ends the token of the browser
	LinkMade      Type = "login.link"      // an operator made a link that signs a user in once
	LoginApproved Type = "login.approved"  // a person lets a program sign in; its token is made when it fetches it
	LoginDenied   Type = "login.denied"
	IdentityAdded Type = "identity.added"   // a person at an identity provider is this user
	IdentityGone  Type = "identity.removed" //
	AuditRead     Type = "audit.read"       // by a person, on a page or through the API

	UserAdded     Type = "user.added"
	UserDisabled  Type = "user.disabled" // ends all tokens of the user
	UserEnabled   Type = "user.enabled"
	GroupAdded    Type = "group.added"
	GroupRemoved  Type = "group.removed"
	MemberAdded   Type = "member.added"
	MemberRemoved Type = "member.removed"
	TokenCreated  Type = "token.created"
	TokenRevoked  Type = "token.revoked"

	PolicyApplied Type = "policy.applied"

	KeyRotated Type = "key.rotated" // a pepper or the key that signs checkpoints

	GatewayCreated  Type = "gateway.created"
	GatewayStarted  Type = "gateway.started"
	GatewayStopped  Type = "gateway.stopped"
	GatewayFrozen   Type = "gateway.frozen"
	GatewayThawed   Type = "gateway.thawed"
	GatewayRestored Type = "gateway.restored"

	AuditRedacted Type = "audit.redacted"
	AuditExported Type = "audit.exported"
)

// Event is one entry of the log. Empty fields are left out of its body.
type Event struct {
	Type    Type
	At      time.Time // to the microsecond, in UTC
	Actor   Actor
	Subject string            // the user that it is about, if that is not the actor
	Account string            // 12 digits
	Role    string            // the alias of the policy
	Issue   string            // the id of the issue
	Details map[string]string // what belongs to the type, such as "key_id", "expires", "grant", "policy", "reason", "error"
}

// Actor is the person or program that acted.
type Actor struct {
	Kind  string // "user" with a token, "os" for a person at the gateway's machine, "provider" for one who is no user, "gateway" for itself
	Name  string // the user's name, NAME@HOST of the operating system, the id of the identity provider, or the name of the replica
	Token string // the id of the token
	IP    string // the caller's address
	Agent string // the caller's program, in its own words
}

// body is the form of an event that is stored and hashed: JSON with sorted keys and without spaces.
type body struct {
	Account string            `json:"account"`
	Actor   bodyActor         `json:"actor"`
	At      int64             `json:"at"` // microseconds since 1970
	Details map[string]string `json:"details"`
	Issue   string            `json:"issue"`
	Role    string            `json:"role"`
	Subject string            `json:"subject"`
	Type    Type              `json:"type"`
}

type bodyActor struct {
	Agent string `json:"agent"`
	IP    string `json:"ip"`
	Kind  string `json:"kind"`
	Name  string `json:"name"`
	Token string `json:"token"`
}

// Body returns the event as it is stored and hashed. The same event always has the same body.
func (e Event) Body() []byte {
	o := object{text: make([]byte, 0, 512)}
	o.open("")
	o.add("account", e.Account)
	if a := e.Actor; a != (Actor{}) {
		o.open("actor")
		o.add("agent", a.Agent)
		o.add("ip", a.IP)
		o.add("kind", a.Kind)
		o.add("name", a.Name)
		o.add("token", a.Token)
		o.close()
	}
	o.key("at")
	o.text = strconv.AppendInt(o.text, e.At.UnixMicro(), 10)
	o.details(e.Details)
	o.add("issue", e.Issue)
	o.add("role", e.Role)
	o.add("subject", e.Subject)
	o.add("type", string(e.Type))
	o.close()
	return o.text
}

// details adds the details that have a value.
func (o *object) details(all map[string]string) {
	names := make([]string, 0, len(all))
	for name, value := range all {
		if value != "" {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return
	}
	slices.Sort(names)
	o.open("details")
	for _, name := range names {
		o.add(name, all[name])
	}
	o.close()
}

// object writes JSON objects.
type object struct{ text []byte }

// key begins a member. The first one of an object has no comma before it.
func (o *object) key(name string) {
	if n := len(o.text); n > 0 && o.text[n-1] != '{' {
		o.text = append(o.text, ',')
	}
	o.quote(name)
	o.text = append(o.text, ':')
}

// open begins an object, as a member unless the name is empty.
func (o *object) open(name string) {
	if name != "" {
		o.key(name)
	}
	o.text = append(o.text, '{')
}

func (o *object) close() { o.text = append(o.text, '}') }

// add adds a member unless its value is empty.
func (o *object) add(name, value string) {
	if value != "" {
		o.key(name)
		o.quote(value)
	}
}

// quote writes a string as encoding/json does. That package is only asked where there is something to escape.
func (o *object) quote(s string) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			o.text = append(o.text, canonical(valid(s))...)
			return
		}
	}
	o.text = append(append(append(o.text, '"'), s...), '"')
}

// valid replaces what is not UTF-8, as JSON would.
func valid(s string) string { return strings.ToValidUTF8(s, "\ufffd") }

// canonical writes JSON without spaces and without the escapes for HTML. The fields of a struct are in its order, the keys of
// a map are sorted.
func canonical(v any) []byte {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err) // only strings and numbers in there
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n"))
}

// ParseBody reads a body. It refuses a text that Body did not write.
func ParseBody(text []byte) (Event, error) {
	var b body
	if err := json.Unmarshal(text, &b); err != nil {
		return Event{}, fmt.Errorf("body of an event: %w", err)
	}
	e := Event{
		Type: b.Type, At: time.UnixMicro(b.At).UTC(), Subject: b.Subject, Account: b.Account, Role: b.Role, Issue: b.Issue,
		Details: b.Details,
		Actor:   Actor{Kind: b.Actor.Kind, Name: b.Actor.Name, Token: b.Actor.Token, IP: b.Actor.IP, Agent: b.Actor.Agent},
	}
	if !bytes.Equal(e.Body(), text) {
		return Event{}, fmt.Errorf("body of an event: it is not in the form of the log")
	}
	return e, nil
}
