package store

import (
	"maps"
	"strings"
	"time"

	"github.com/chaim-go/chaim/gateway/internal/audit"
)

// Effect changes rows. The functions of this package that return one say which.
type Effect struct {
	query    string
	postgres string // instead of query, where PostgreSQL needs another one
	args     []any
	rows     int64 // how many rows must change, else ErrConflict; anyRows means any number
	also     *Effect
}

const anyRows = -1

// oneRow is the effect that changes exactly one row.
func oneRow(query string, args ...any) Effect { return Effect{query: query, args: args, rows: 1} }

// anyNumber is the effect that changes any number of rows.
func anyNumber(query string, args ...any) Effect {
	return Effect{query: query, args: args, rows: anyRows}
}

// and returns the effect that does e, and then another one.
func (e Effect) and(also Effect) Effect {
	e.also = &also
	return e
}

// Intend adds an issue in the state Intent. The issue's Keys and Error are not stored.
func Intend(i Issue) Effect {
	return oneRow(`INSERT INTO issue (id, principal, token, account, role_arn, state, at, ip, agent)
		VALUES ($1, $2, $3, $4, $5, 'intent', $6, $7, $8) ON CONFLICT DO NOTHING`,
		text(i.ID), text(i.User), text(i.Origin.Token), text(i.Account), text(i.RoleARN), micros(i.At), text(i.Origin.IP), text(i.Origin.Agent))
}

// Finish ends an issue that is in the state from. Another issue must not have the id of the keys. With keys that are not
// known their value is empty. The error is stored as it is: it must hold no secret.
func Finish(issueID string, from, to State, keys IssuedKeys, errText string) Effect {
	var keyID any // NULL may stand in many rows
	if keys.ID != "" {
		keyID = text(keys.ID)
	}
	return oneRow(`UPDATE issue SET state = $3, access_key_id = $4, expires = $5, chained = $6, error = $7 WHERE id = $1 AND state = $2
		AND NOT EXISTS (SELECT 1 FROM issue other WHERE other.access_key_id = $4 AND other.id <> $1)`,
		text(issueID), string(from), string(to), keyID, micros(keys.ExpiresAt), keys.Chained, text(errText))
}

// AddUser adds a person, without groups. Neither the name nor the source identity may have been used before.
func AddUser(u User) Effect {
	return oneRow(`INSERT INTO principal (name, source_identity, disabled, created) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
		text(u.Name), text(u.SourceIdentity), u.Disabled, micros(u.Created))
}

// SetDisabled disables or enables a person who is not so already. It leaves the tokens alone: see [RevokeTokensOf].
func SetDisabled(user string, disabled bool) Effect {
	return oneRow(`UPDATE principal SET disabled = $2 WHERE name = $1 AND disabled <> $2`, text(user), disabled)
}

// AddToken adds a token of a person.
func AddToken(t Token) Effect {
	return oneRow(`INSERT INTO token (id, principal, kind, mac, key_id, label, created, expires, revoked)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING`, text(t.ID), text(t.User), string(t.Kind), t.Seal.MAC,
		text(t.Seal.KeyID), text(t.Label), micros(t.Created), micros(t.Expires), micros(t.Revoked))
}

// RevokeToken revokes a token that is not revoked. What the token has let in lives on: see [EndToken].
func RevokeToken(id string, at time.Time) Effect {
	return oneRow(`UPDATE token SET revoked = $2 WHERE id = $1 AND revoked = 0`, text(id), micros(at))
}

// endLogins denies the sign-ins that were approved but have not made their token yet, so that none makes one later.
func endLogins(condition string, args ...any) Effect {
	return anyNumber(`UPDATE login_flow SET state = 'denied' WHERE state = 'approved'`+condition, args...)
}

// EndToken revokes a token that is not revoked, and ends the sign-ins that were approved with it.
func EndToken(id string, at time.Time) Effect {
	return RevokeToken(id, at).and(endLogins(` AND token = $1`, text(id)))
}

// EndLoginsOf ends the approved sign-ins of a person, and the sign-in links. There may be none.
func EndLoginsOf(user string) Effect { return endLogins(` AND principal = $1`, text(user)) }

// RevokeTokensOf revokes all tokens of a person, who may have none, and ends the approved sign-ins and the sign-in links.
func RevokeTokensOf(user string, at time.Time) Effect {
	return anyNumber(`UPDATE token SET revoked = $2 WHERE principal = $1 AND revoked = 0`, text(user), micros(at)).and(EndLoginsOf(user))
}

// RevokeSignInsOf is RevokeTokensOf, but tokens that were made by hand stay.
func RevokeSignInsOf(user string, at time.Time) Effect {
	return anyNumber(`UPDATE token SET revoked = $2 WHERE principal = $1 AND revoked = 0 AND kind <> 'user'`, text(user), micros(at)).and(EndLoginsOf(user))
}

// RevokeTokensOfKey revokes all tokens whose MAC this key made.
func RevokeTokensOfKey(keyID string, at time.Time) Effect {
	return anyNumber(`UPDATE token SET revoked = $2 WHERE key_id = $1 AND revoked = 0`, text(keyID), micros(at))
}

// RevokeAllTokens revokes all tokens, and ends all approved sign-ins and sign-in links.
func RevokeAllTokens(at time.Time) Effect {
	return anyNumber(`UPDATE token SET revoked = $1 WHERE revoked = 0`, micros(at)).and(endLogins(``))
}

// AddGroup adds a group without members.
func AddGroup(name string, at time.Time) Effect {
	return oneRow(`INSERT INTO grp (name, created) VALUES ($1, $2) ON CONFLICT DO NOTHING`, text(name), micros(at))
}

// EnsureGroup adds a group that may be there already.
func EnsureGroup(name string, at time.Time) Effect {
	return anyNumber(`INSERT INTO grp (name, created) VALUES ($1, $2) ON CONFLICT DO NOTHING`, text(name), micros(at))
}

// RemoveGroup removes a group and its memberships.
func RemoveGroup(name string) Effect { return oneRow(`DELETE FROM grp WHERE name = $1`, text(name)) }

// AddMember adds a person to a group. Both must exist.
func AddMember(group, user string) Effect {
	return oneRow(`INSERT INTO membership (grp, principal) VALUES ($1, $2) ON CONFLICT DO NOTHING`, text(group), text(user))
}

// RemoveMember removes a person from a group.
func RemoveMember(group, user string) Effect {
	return oneRow(`DELETE FROM membership WHERE grp = $1 AND principal = $2`, text(group), text(user))
}

// AddPolicy makes a version of the policy the newest. Its number must be one more than that of the newest version so far.
func AddPolicy(v PolicyVersion) Effect {
	var parent any
	if v.Seq != 1 {
		parent = v.Seq - 1
	}
	return oneRow(`INSERT INTO policy_version (seq, parent, doc, sha256, author, message, at) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT DO NOTHING`, v.Seq, parent, v.Doc, v.SHA256[:], text(v.Author), text(v.Message), micros(v.At))
}

// Freeze stops all issuing, unless it is stopped already. The reason must not be empty.
func Freeze(reason string) Effect {
	return oneRow(`UPDATE gateway SET frozen = $1 WHERE frozen = '' AND $1 <> ''`, text(reason))
}

// Thaw ends a freeze.
func Thaw() Effect { return oneRow(`UPDATE gateway SET frozen = '' WHERE frozen <> ''`) }

// hold stops all issuing. If it is stopped already, the reason stays.
func hold(reason string) Effect {
	return anyNumber(`UPDATE gateway SET frozen = $1 WHERE frozen = ''`, text(reason))
}

// redact removes the content of an event. An event that says what was redacted, or
// that the log was restored, cannot be redacted: it explains what verify finds.
func redact(p audit.Position) Effect {
	e := oneRow(`UPDATE audit_event SET salt = NULL, body = NULL, at = 0, type = '', actor = '', subject = '', account = '', role = '',
		issue = '' WHERE seq = $1 AND idx = $2 AND body IS NOT NULL AND type NOT IN ('audit.redacted', 'gateway.restored')`, p.Seq, p.Idx)
	e.postgres = `SELECT 1 WHERE audit_redact($1, $2)`
	return e
}

// Redact returns the change that removes the content of an event from the log. The chain of hashes stays whole, and the
// change's own event says which event was redacted. PostgreSQL keeps the content until it vacuums the table; older backups
// keep it too.
func Redact(actor audit.Actor, at time.Time, p audit.Position, reason string) Change {
	return Change{Events: []audit.Event{audit.Redaction(actor, at, p, reason)}, Effects: []Effect{redact(p)}}
}

// Restored returns the change with which a gateway begins anew on a database that was restored from a backup: no keys
// are issued until [Thaw], and all tokens are revoked. A freeze that the backup has keeps its reason. The details say what is known of the lost part of the log,
// see [audit.ForkError.Lost]; they may be nil.
func Restored(actor audit.Actor, at time.Time, reason string, details map[string]string) Change {
	e := audit.Event{Type: audit.GatewayRestored, At: at, Actor: actor, Details: map[string]string{"reason": reason}}
	maps.Copy(e.Details, details)
	return Change{Events: []audit.Event{e}, Effects: []Effect{hold(reason), RevokeAllTokens(at)}, Raises: true}
}

// text replaces what PostgreSQL does not store as text.
func text(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\x00", "\ufffd")
}

// micros is a time as it is stored.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// moment is the time of a stored number.
func moment(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
