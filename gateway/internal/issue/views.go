package issue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/token"
	"github.com/chaim-go/chaim/gateway/policy"
	"github.com/chaim-go/chaim/gateway/policy/yaml"
)

// view is a [store.View] that is ready for decisions. Only its persons and its new tokens change.
type view struct {
	*store.View
	engine    *policy.Engine // nil if there is no policy yet
	persons   sync.Map       // of policy.Person, by the name of the user
	newTokens sync.Map       // of store.Token, by its id; those made since the view was read
}

// token returns a token. One that was revoked is in a later view.
func (v *view) token(id string) (store.Token, bool) {
	if row, isKnown := v.Tokens[id]; isKnown {
		return row, true
	}
	row, isKnown := v.newTokens.Load(id)
	if !isKnown {
		return store.Token{}, false
	}
	return row.(store.Token), true
}

// person returns a user for decisions of the view's engine, which must not be nil.
func (v *view) person(u store.User) policy.Person {
	if known, ok := v.persons.Load(u.Name); ok {
		return known.(policy.Person)
	}
	p := v.engine.Person(u.Name, u.Groups)
	v.persons.Store(u.Name, p)
	return p
}

// views keeps the newest view. One goroutine at a time looks at the database, and those that came before its look share what
// it found.
type views struct {
	store Store
	ring  *token.File
	log   *slog.Logger

	current atomic.Pointer[view]
	begun   atomic.Int64 // the number of the newest look
	turn    chan look    // holds the last look while no goroutine looks
}

// look is what the newest look at the database found.
type look struct {
	number int64
	err    error
}

// errNoLook is the result of a look that panicked.
var errNoLook = errors.New("reading people, tokens and policy was broken off")

func newViews(s Store, ring *token.File, log *slog.Logger) *views {
	c := &views{store: s, ring: ring, log: log, turn: make(chan look, 1)}
	c.turn <- look{}
	return c
}

// cached returns the newest view of this process. Others may have changed the database since.
func (c *views) cached(ctx context.Context) (*view, error) {
	if v := c.current.Load(); v != nil {
		return v, nil
	}
	return c.fresh(ctx)
}

// fresh returns the view of the database at some moment after the call.
func (c *views) fresh(ctx context.Context) (*view, error) {
	atCall := c.begun.Load()
	var last look
	select {
	case last = <-c.turn:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { c.turn <- last }() // after a panic too: others wait for it
	if last.number <= atCall {        // it began before the call
		last = look{c.begun.Add(1), errNoLook}
		last.err = c.look(ctx)
	}
	return c.current.Load(), last.err
}

// Load reads people, tokens and policy, if they were not read yet.
func (i *Issuer) Load(ctx context.Context) error {
	_, err := i.views.cached(ctx)
	return err
}

// View returns people, tokens and policy as they are now. It must not be changed. The error is a [*Refusal], or wraps that of ctx.
func (i *Issuer) View(ctx context.Context) (*store.View, error) {
	v, err := i.views.fresh(ctx)
	if err != nil {
		return nil, i.unavailable(ctx, "reading people, tokens and policy", err)
	}
	return v.View, nil
}

// Ready returns an error until people, tokens and policy were read once. It asks nothing. It stays nil if the database is away
// later: requests are then answered with [Unavailable], whichever replica gets them.
func (i *Issuer) Ready() error {
	if i.views.current.Load() == nil {
		return errors.New("people, tokens and policy have not been read yet")
	}
	return nil
}

// look reads the database if it has changed. Others wait for it, so it goes on if ctx ends.
func (c *views) look(ctx context.Context) error {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), lookTimeout)
	defer stop()
	auth, err := c.store.Auth(ctx)
	if err != nil {
		return err
	}
	before := c.current.Load()
	if before != nil && before.Auth == auth {
		return nil
	}
	read, err := c.store.View(ctx)
	if err != nil {
		return err
	}
	engine, err := engineOf(read.Policy, before)
	if err != nil {
		return err
	}
	// What changed may be that a pepper was killed.
	if err := c.ring.Reload(); err != nil {
		c.log.Error("the key ring cannot be read again, so the one before stays", "error", err)
	}
	c.current.Store(&view{View: read, engine: engine})
	return nil
}

// engineOf returns the engine of a policy. Most changes are of people and tokens, so it is often that of the view before.
func engineOf(p store.PolicyVersion, before *view) (*policy.Engine, error) {
	if before != nil && before.Policy.Seq == p.Seq && before.Policy.SHA256 == p.SHA256 {
		return before.engine, nil
	}
	return compile(p)
}

// compile returns the engine of a policy, or nil if there is none yet.
func compile(p store.PolicyVersion) (*policy.Engine, error) {
	if p.Seq == 0 {
		return nil, nil
	}
	doc, err := yaml.Parse(p.Doc)
	if err != nil {
		return nil, fmt.Errorf("version %d of the policy cannot be read by this version of chaim-gateway: %w", p.Seq, err)
	}
	e, err := policy.Compile(doc, p.Seq)
	if err != nil {
		return nil, fmt.Errorf("version %d of the policy cannot be used by this version of chaim-gateway: %w", p.Seq, err)
	}
	return e, nil
}
