package portal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/token"
	"github.com/chaim-go/chaim/internal/httpx"
)

const (
	defaultLimit = 100 // entries of a page
	maxLimit     = 500
	maxDecisions = 8 // how often a change is decided if people, tokens or policy change all the time
	retrySoon    = time.Second
)

// Issuer says who a caller is, and lends keys. Its refusals are an [*issue.Refusal].
type Issuer interface {
	Authenticate(ctx context.Context, c issue.Caller) (issue.Who, error)
	Keys(ctx context.Context, c issue.Caller, ask issue.Ask) (issue.Grant, error)
	Console(ctx context.Context, c issue.Caller, ask issue.Ask) (url, issueID string, err error)
	ConsoleURL(ctx context.Context, user string, keys aws.Credentials, c issue.Caller) (string, error)
}

// Store is what a Portal reads of the database.
type Store interface {
	Issue(ctx context.Context, id string) (store.Issue, error)
	Issues(ctx context.Context, f store.IssueFilter) ([]store.Issue, error)
	TokensOf(ctx context.Context, user string, now time.Time) ([]store.Token, error)
	Token(ctx context.Context, id string) (store.Token, error)
	NewestEvents(ctx context.Context, before audit.Position, f store.EventFilter, limit int) ([]audit.Entry, error)
	Head(ctx context.Context) (audit.Head, error)
	BatchTime(ctx context.Context, seq int64) (time.Time, error)
	CheckFork(ctx context.Context, points []audit.Checkpoint) error
}

// Deps are the parts that a Portal works with. Log may be nil: then there is no log.
type Deps struct {
	Issuer  Issuer
	Store   Store
	Journal issue.Journal
	Ring    *token.File
	Options Options
	Log     *slog.Logger
}

// Options are the settings of a Portal.
type Options struct {
	AdminGroups      []string      // whose members are admins
	TokensPerUser    int           // tokens made by hand that work at one time
	MaxTokenLifetime time.Duration // of tokens made by hand
	// InitString returns what the user of a new token gives to 'chaim init'.
	InitString func(row store.Token, text string) string
	// Checkpoints returns the signed checkpoints of the log, the oldest first. Nil means that there are none.
	Checkpoints func() ([]audit.Checkpoint, error)
}

// Portal says what a signed-in user may see and do. Each method first looks who the caller is, by the database as it is now. What
// is refused is an [*issue.Refusal]; other errors wrap that of ctx. All methods are safe for concurrent use. Make it with [New].
type Portal struct {
	deps   Deps
	search atomic.Pointer[searchIndex]
}

// New returns a Portal. It touches neither the database nor the network.
func New(d Deps) *Portal {
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	return &Portal{deps: d}
}

// IsAdmin reports whether a user is in one of the groups of admins.
func (p *Portal) IsAdmin(who issue.Who) bool {
	return slices.ContainsFunc(p.deps.Options.AdminGroups, func(group string) bool { return slices.Contains(who.User.Groups, group) })
}

// Me returns who the caller is.
func (p *Portal) Me(ctx context.Context, c issue.Caller) (Me, error) {
	who, err := p.deps.Issuer.Authenticate(ctx, c)
	if err != nil {
		return Me{}, err
	}
	t := who.Token
	return Me{
		Name: who.User.Name, Groups: who.User.Groups, IsAdmin: p.IsAdmin(who), SourceIdentity: who.User.SourceIdentity,
		Token: MyToken{t.ID, t.Kind, t.Label, t.Expires},
	}, nil
}

// admin returns who the caller is, if that is an admin.
func (p *Portal) admin(ctx context.Context, c issue.Caller) (issue.Who, error) {
	who, err := p.deps.Issuer.Authenticate(ctx, c)
	if err == nil && !p.IsAdmin(who) {
		err = refusal(issue.NotAllowed, who, "%s is not an admin of this gateway", who.User.Name)
	}
	return who, err
}

// about returns the user that a caller asks about: the caller, if the name is empty, and others for admins only.
func (p *Portal) about(who issue.Who, name string) (store.User, error) {
	if name == "" || name == who.User.Name {
		return who.User, nil
	}
	if !p.IsAdmin(who) {
		return store.User{}, refusal(issue.NotAllowed, who, "only admins may ask about others")
	}
	user, isKnown := who.View().Users[name]
	if !isKnown {
		return store.User{}, refusal(issue.NoRow, who, "there is no such user")
	}
	return user, nil
}

// change decides a change by the newest view, and again if that has changed meanwhile.
func (p *Portal) change(ctx context.Context, c issue.Caller, decide func(issue.Who) (store.Change, error)) error {
	var failure error
	for range maxDecisions {
		who, err := p.deps.Issuer.Authenticate(ctx, c)
		if err != nil {
			return err
		}
		change, err := decide(who)
		if err != nil || len(change.Events) == 0 {
			return err
		}
		change.IfAuth = who.View().Auth
		failure = p.deps.Journal.Append(ctx, change)
		if !errors.Is(failure, store.ErrStale) && !errors.Is(failure, store.ErrConflict) {
			break
		}
	}
	if failure != nil {
		return p.unavailable(ctx, "recording a change", failure)
	}
	return nil
}

// event returns an event about what a caller does.
func event(kind audit.Type, who issue.Who, subject string, details map[string]string) audit.Event {
	if subject == who.User.Name {
		subject = ""
	}
	return audit.Event{Type: kind, At: time.Now(), Actor: who.Actor, Subject: subject, Details: details}
}

func refusal(code issue.Code, who issue.Who, format string, args ...any) error {
	r := &issue.Refusal{Code: code, User: who.User.Name, Text: fmt.Sprintf(format, args...)}
	if e := who.Engine(); e != nil {
		r.Policy = e.Version()
	}
	return r
}

// noPolicy is the refusal while there is no policy.
func noPolicy(who issue.Who) error {
	return refusal(issue.NotAllowed, who, "the gateway has no policy yet, so no user may use anything")
}

// unavailable is the refusal of a request that the gateway could not work on. The log has the reason.
func (p *Portal) unavailable(ctx context.Context, doing string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: the caller has left: %w", doing, context.Cause(ctx))
	}
	p.deps.Log.Error("a request could not be worked on", "doing", doing, "error", err)
	if errors.Is(err, store.ErrBusy) {
		return &issue.Refusal{Code: issue.Busy, Text: "the gateway has too many requests: try again", RetryAfter: retrySoon}
	}
	return &issue.Refusal{Code: issue.Unavailable, Text: "the gateway's database cannot be used at the moment: try again", RetryAfter: retrySoon}
}

// limit returns the number of entries of a page.
func limit(asked int) int {
	if asked <= 0 {
		return defaultLimit
	}
	return min(asked, maxLimit)
}

// typed is what a caller typed, fit for the log: users paste secrets into wrong fields.
func typed(text string) string {
	const longest = 128
	return httpx.Scrub(text, longest)
}
