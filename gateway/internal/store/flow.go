package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// FlowKind says how a sign-in goes.
type FlowKind string

// The kinds of sign-ins that need a row.
const (
	CodeFlow   FlowKind = "code"   // a program gets a code by a redirect to this machine
	DeviceFlow FlowKind = "device" // a person types a code into a browser anywhere
	LinkFlow   FlowKind = "link"   // an operator made a link that signs a browser in once
)

// FlowState says how far a sign-in is.
type FlowState string

// The states of a sign-in. It begins as open or, by a person who is signed in, as approved. Each state is left once at most.
const (
	FlowOpen     FlowState = "open"
	FlowApproved FlowState = "approved"
	FlowDenied   FlowState = "denied"
	FlowUsed     FlowState = "used"
)

// Flow is a sign-in that is under way.
type Flow struct {
	Digest   []byte // of the code that the program, or the link, has; made with a key that is not in the database
	Kind     FlowKind
	UserCode []byte // the digest of the code that a person types; of a DeviceFlow only
	Asker    Asker
	Outcome  Outcome
	Created  time.Time
	Expires  time.Time
	Polled   time.Time // when the program asked last
}

// Asker is the program that asks for a sign-in. Only the address is proven.
type Asker struct {
	Program   string // and its version, in its own words
	Host      string // the name of its machine, in its own words
	IP        string
	Redirect  string // where the code goes; of a CodeFlow only
	Challenge string // of PKCE, by S256; of a CodeFlow only
}

// Outcome is what has become of a sign-in.
type Outcome struct {
	State FlowState
	User  string // who has approved or denied it
	Token string // the id of the token that approved or denied it, and once it is used of the token that it made
}

// maxOpenDevices bounds the sign-ins of programs that nobody has answered, since strangers begin them.
const maxOpenDevices = 10_000

const flowColumns = `digest, kind, user_code, program, host, ip, redirect, challenge, state, principal, token, created, expires, polled`

const insertFlow = `INSERT INTO login_flow (` + flowColumns + `) SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0 `

func (f Flow) args() []any {
	var userCode any
	if f.UserCode != nil {
		userCode = f.UserCode
	}
	return []any{
		f.Digest, string(f.Kind), userCode, text(f.Asker.Program), text(f.Asker.Host), text(f.Asker.IP), text(f.Asker.Redirect),
		text(f.Asker.Challenge), string(f.Outcome.State), text(f.Outcome.User), text(f.Outcome.Token), micros(f.Created), micros(f.Expires),
	}
}

// AddFlow adds a sign-in.
func AddFlow(f Flow) Effect { return oneRow(insertFlow, f.args()...) }

// DecideFlow gives an open sign-in that has not expired its outcome: a user approves or denies it.
func DecideFlow(digest []byte, o Outcome, at time.Time) Effect {
	return oneRow(`UPDATE login_flow SET state = $2, principal = $3, token = $4 WHERE digest = $1 AND state = 'open' AND expires > $5`,
		digest, string(o.State), text(o.User), text(o.Token), micros(at))
}

// UseFlow ends an approved sign-in that has not expired. It has made a token.
func UseFlow(digest []byte, tokenID string, at time.Time) Effect {
	return oneRow(`UPDATE login_flow SET state = 'used', token = $2 WHERE digest = $1 AND state = 'approved' AND expires > $3`,
		digest, text(tokenID), micros(at))
}

// BeginDevice adds an open sign-in of a program. It is not in the log, because anyone may begin one. The error wraps
// [ErrBusy] if there are too many.
func (db *DB) BeginDevice(ctx context.Context, f Flow) error {
	n, err := db.exec(ctx, insertFlow+`WHERE (SELECT count(*) FROM login_flow WHERE kind = 'device' AND state = 'open' AND expires > $14) < $15`,
		append(f.args(), micros(f.Created), maxOpenDevices)...)
	if err == nil && n == 0 {
		err = ErrBusy
	}
	if err != nil {
		return fmt.Errorf("begin a sign-in: %w", err)
	}
	return nil
}

// PollDevice returns a sign-in by a device, and notes the time if it has not ended and the program has not asked since a time.
// Polled is the time before, or now if another poll was faster. The error may be [ErrNotFound].
func (db *DB) PollDevice(ctx context.Context, digest []byte, now, since time.Time) (Flow, error) {
	f, err := db.Flow(ctx, digest)
	if err == nil && f.Kind != DeviceFlow {
		err = ErrNotFound
	}
	if err != nil {
		return Flow{}, err
	}
	hasEnded := f.Outcome.State == FlowDenied || f.Outcome.State == FlowUsed || !now.Before(f.Expires)
	if hasEnded || f.Polled.After(since) { // strangers could keep the database busy
		return f, nil
	}
	// Of two polls at once only one is in time.
	n, err := db.exec(ctx, `UPDATE login_flow SET polled = $2 WHERE digest = $1 AND polled = $3`, digest, micros(now), micros(f.Polled))
	if err == nil && n == 0 {
		f.Polled = now
	}
	if err != nil {
		return Flow{}, fmt.Errorf("note the poll of a sign-in: %w", err)
	}
	return f, nil
}

// Flow returns the sign-in whose code has this digest, or [ErrNotFound]. It may have expired.
func (db *DB) Flow(ctx context.Context, digest []byte) (Flow, error) {
	return db.flow(ctx, `digest = $1`, digest)
}

// FlowByUserCode returns the sign-in by a device whose typed code has this digest, or [ErrNotFound]. It may have expired.
func (db *DB) FlowByUserCode(ctx context.Context, digest []byte) (Flow, error) {
	return db.flow(ctx, `user_code = $1`, digest)
}

func (db *DB) flow(ctx context.Context, condition string, args ...any) (f Flow, err error) {
	var created, expires, polled int64
	row := db.engine.readers().QueryRowContext(ctx, `SELECT `+flowColumns+` FROM login_flow WHERE `+condition, args...)
	err = row.Scan(&f.Digest, &f.Kind, &f.UserCode, &f.Asker.Program, &f.Asker.Host, &f.Asker.IP, &f.Asker.Redirect, &f.Asker.Challenge,
		&f.Outcome.State, &f.Outcome.User, &f.Outcome.Token, &created, &expires, &polled)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return Flow{}, fmt.Errorf("sign-in: %w", ErrNotFound)
	case err != nil:
		return Flow{}, fmt.Errorf("read a sign-in: %w", err)
	}
	f.Created, f.Expires, f.Polled = moment(created), moment(expires), moment(polled)
	return f, nil
}

// ForgetFlows removes the sign-ins that expired before a time. Any number of replicas may do so at once.
func (db *DB) ForgetFlows(ctx context.Context, before time.Time) error {
	if _, err := db.exec(ctx, `DELETE FROM login_flow WHERE expires < $1`, micros(before)); err != nil {
		return fmt.Errorf("remove old sign-ins: %w", err)
	}
	return nil
}

// exec changes rows of sign-ins outside of the log. They open nothing until a change of the log approves them.
func (db *DB) exec(ctx context.Context, query string, args ...any) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return db.engine.exec(ctx, query, args...)
}
