package issue

import (
	"context"
	"sync"
	"time"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/token"
)

// asker is a caller whose token is right.
type asker struct {
	user  store.User
	actor audit.Actor
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
	if err != nil {
		return nil, asker{}, i.unavailable(ctx, "reading people and tokens", err)
	}
	if who, refusal = i.identify(now, c, id, secret); refusal != nil {
		return nil, asker{}, i.failed(refusal)
	}
	return now, who, nil
}

// identify says who a caller is by a view. The holder of a genuine token is told why it has ended; all others learn nothing,
// and all cost the same work.
func (i *Issuer) identify(v *view, c Caller, id string, secret token.Secret) (asker, *Refusal) {
	row, isKnown := v.Tokens[id]
	if !isKnown {
		row = store.Token{ID: id, User: c.User, KeyID: i.deps.Ring.Ring().PepperID(), MAC: noMAC}
	}
	ring, err := i.deps.Ring.RingFor(row.KeyID)
	if err != nil {
		i.deps.Log.Error("the key ring cannot be read again, so the one before stays", "error", err)
	}
	isGenuine := ring.Verify(row, secret)
	user, isUser := v.Users[row.User]
	switch {
	case !isGenuine || !isKnown || !isUser || c.User != row.User:
		return asker{}, badToken()
	case user.Disabled: // which has revoked the token too
		return asker{}, &Refusal{Code: DisabledUser, User: user.Name, Text: user.Name + " is not an active user"}
	case !row.Revoked.IsZero():
		return asker{}, badToken()
	case !time.Now().Before(row.Expires):
		return asker{}, &Refusal{Code: ExpiredToken, User: user.Name, Text: "the token has expired: get a new one"}
	}
	return asker{user, actorOf(c, row.User, row.ID)}, nil
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
