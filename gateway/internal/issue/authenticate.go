package issue

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/token"
	"github.com/chaim-go/chaim/gateway/policy"
)

// asker is a caller whose token is right.
type asker struct {
	user  store.User
	token store.Token
	actor audit.Actor
}

// Who is a caller whose token is right, with all that decides what the caller may do. It is of one moment: use it for one
// request.
type Who struct {
	User  store.User
	Token store.Token
	Actor audit.Actor // of events about what the caller does
	view  *view
}

// View returns people, tokens and policy. It must not be changed.
func (w Who) View() *store.View { return w.view.View }

// Engine returns the policy, or nil if there is none yet.
func (w Who) Engine() *policy.Engine { return w.view.engine }

// Person returns a user for decisions of the Engine, which must not be nil.
func (w Who) Person(u store.User) policy.Person { return w.view.person(u) }

// Authenticate returns who a caller is, by the database as it is now. The error is a [*Refusal], or wraps that of ctx.
func (i *Issuer) Authenticate(ctx context.Context, c Caller) (Who, error) {
	v, err := i.views.fresh(ctx)
	if err != nil {
		return Who{}, i.unavailable(ctx, "reading people, tokens and policy", err)
	}
	v, who, err := i.authenticate(ctx, v, c)
	if err == nil {
		err = i.admit(who)
	}
	if err != nil {
		return Who{}, err
	}
	return Who{who.user, who.token, who.actor, v}, nil
}

// authenticate returns who a caller is, and the view that says so. By an old view it refuses no token: it looks at the
// database first.
func (i *Issuer) authenticate(ctx context.Context, v *view, c Caller) (*view, asker, error) {
	id, secret, err := token.Parse(c.Token)
	if err != nil {
		return nil, asker{}, i.failed(badToken())
	}
	who, refusal := i.identify(v, c, id, secret)
	if refusal == nil {
		return v, who, nil
	}
	now, err := i.views.fresh(ctx)
	if err == nil {
		err = i.findToken(ctx, now, id)
	}
	if err != nil {
		return nil, asker{}, i.unavailable(ctx, "reading people and tokens", err)
	}
	if who, refusal = i.identify(now, c, id, secret); refusal != nil {
		return nil, asker{}, i.failed(refusal)
	}
	return now, who, nil
}

// findToken looks for a token that was made since the view was read. A new token changes no decision, so the counter is still
// that of the view.
func (i *Issuer) findToken(ctx context.Context, v *view, id string) error {
	if _, isKnown := v.token(id); isKnown {
		return nil
	}
	ctx, stop := context.WithTimeout(ctx, lookTimeout)
	defer stop()
	row, err := i.deps.Store.Token(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err == nil {
		v.newTokens.Store(id, row)
	}
	return err
}

// identify says who a caller is by a view. The holder of a genuine token is told why it has ended; all others learn nothing,
// and all cost the same work.
func (i *Issuer) identify(v *view, c Caller, id string, secret token.Secret) (asker, *Refusal) {
	row, isKnown := v.token(id)
	if !isKnown {
		row = store.Token{ID: id, User: c.User, Kind: store.UserToken, Seal: store.Seal{MAC: noMAC, KeyID: i.deps.Ring.Ring().PepperID()}}
	}
	ring, err := i.deps.Ring.RingFor(row.Seal.KeyID)
	if err != nil {
		i.deps.Log.Error("the key ring cannot be read again, so the one before stays", "error", err)
	}
	isGenuine := ring.Verify(row, secret)
	user, isUser := v.Users[row.User]
	switch {
	case !isGenuine || !isKnown || !isUser || !c.mayUse(row):
		return asker{}, badToken()
	case user.Disabled: // which has revoked the token too
		return asker{}, &Refusal{Code: DisabledUser, User: user.Name, Text: user.Name + " is not an active user"}
	case !row.Revoked.IsZero():
		return asker{}, badToken()
	case !time.Now().Before(row.Expires):
		return asker{}, &Refusal{Code: ExpiredToken, User: user.Name, Text: "the token has expired: get a new one"}
	}
	return asker{user, row, actorOf(c, row.User, row.ID)}, nil
}

// mayUse reports whether a token is one for the way of the request, and the caller does not claim to be another user.
func (c Caller) mayUse(t store.Token) bool {
	isOfBrowser := t.Kind == store.WebToken
	return isOfBrowser == (c.Way == ByPage) && (c.Way != ByForm && c.User == "" || c.User == t.User)
}

// noMAC has the size of a MAC and belongs to no token.
var noMAC = make([]byte, 32)

func badToken() *Refusal {
	return &Refusal{Code: BadToken, Text: "the token is not valid, or is not that of this user"}
}

func actorOf(c Caller, user, token string) audit.Actor {
	a := audit.Actor{Kind: "user", Name: user, Token: token, Agent: c.Agent}
	if c.IP.IsValid() {
		a.IP = c.IP.String()
	}
	return a
}

// failures counts refused tokens, and refused keys for console links, until the log has them. Their number is up to strangers, so the log gets one event a minute.
type failures struct {
	mu     sync.Mutex
	counts map[Code]int
}

// failed counts a refused token or refused keys, and returns the refusal as an error.
func (i *Issuer) failed(r *Refusal) error {
	i.failures.mu.Lock()
	if i.failures.counts == nil {
		i.failures.counts = map[Code]int{}
	}
	i.failures.counts[r.Code]++
	i.failures.mu.Unlock()
	if hook := i.deps.Hooks.AuthFailed; hook != nil {
		hook(r.Code)
	}
	return r
}

// take returns the counts since the last call.
func (f *failures) take() map[Code]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	counts := f.counts
	f.counts = nil
	return counts
}

// giveBack adds counts that could not be recorded.
func (f *failures) giveBack(counts map[Code]int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.counts == nil {
		f.counts = map[Code]int{}
	}
	for code, n := range counts {
		f.counts[code] += n
	}
}
