package issue

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/awsrole"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/policy"
	"github.com/chaim-go/chaim/internal/httpx"
	chaimkeys "github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/partition"
	"github.com/chaim-go/chaim/internal/signin"
)

// linkTimeout is how long an answer with keys waits for a console link.
const linkTimeout = 2 * time.Second

// linkAloneTimeout is how long a request for a link alone waits for it.
const linkAloneTimeout = 10 * time.Second

// Linker makes a link that signs in to the AWS console with keys of a role. Its errors hold neither keys nor links.
type Linker func(ctx context.Context, roleARN string, keys aws.Credentials) (string, error)

// FederationLinks returns a Linker that asks the sign-in page of AWS. A nil client means one of its own, a nil log none. The
// console session ends with the keys: AWS refuses another length for keys that were made with keys of a role.
func FederationLinks(client *http.Client, log *slog.Logger) Linker {
	client, _ = httpx.ClientFor(client, nil)
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return func(ctx context.Context, roleARN string, keys aws.Credentials) (string, error) {
		region := partition.RoleRegion(roleARN)
		if region == "" {
			return "", errors.New("role is of an unknown partition")
		}
		return signin.ConsoleOf(region).SignIn(ctx, client, log, keys, "")
	}
}

// ConsoleURL returns a link that signs in to the AWS console. The keys must not have expired, and this gateway must have issued
// them to that user. The user must be active, and the policy must still allow the account and the role, and a console for
// it. Only AWS can check the keys, so the link is recorded after AWS has made it, and before it is returned. The errors are
// those of [Issuer.Keys].
func (i *Issuer) ConsoleURL(ctx context.Context, user string, keys aws.Credentials, c Caller) (string, error) {
	if i.deps.Links == nil {
		return "", noLinks()
	}
	if chaimkeys.Malformed(keys.AccessKeyID, keys.SecretAccessKey, keys.SessionToken) != "" {
		return "", i.failed(notOurs())
	}
	row, err := i.deps.Store.IssueByKey(ctx, keys.AccessKeyID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return "", i.failed(notOurs())
	case err != nil:
		return "", i.unavailable(ctx, "looking for the issue of keys", err)
	}
	v, err := i.views.fresh(ctx)
	if err != nil {
		return "", i.unavailable(ctx, "reading people and policy", err)
	}
	// The id of keys is no secret, so the caller may be a stranger, who learns nothing else before AWS has checked the keys.
	if !isHolder(v, user, row) {
		return "", i.failed(notOurs())
	}
	url, err := i.makeLink(ctx, row, keys)
	if err == nil {
		err = i.recordLink(ctx, v, row, actorOf(c, row.User, ""), c)
	}
	if err != nil {
		return "", err
	}
	return url, nil
}

// Console makes keys of a role, and a link that signs in to the AWS console with them. The keys are in the log, as all that are
// made, but they are not returned. If there is no link, that is an error. The errors are those of [Issuer.Keys].
func (i *Issuer) Console(ctx context.Context, c Caller, ask Ask) (url, issueID string, err error) {
	if i.deps.Links == nil {
		return "", "", noLinks()
	}
	ask.WantsURL, ask.onlyLink = false, true
	grant, err := i.Keys(ctx, c, ask)
	if err != nil {
		return "", "", err
	}
	row, err := i.deps.Store.IssueByKey(ctx, grant.Keys.AccessKeyID)
	if err != nil {
		return "", "", i.unavailable(ctx, "looking for the issue of keys", err)
	}
	if url, err = i.linkFor(ctx, row, grant.Keys); err != nil {
		return "", "", err
	}
	v, err := i.views.fresh(ctx)
	if err != nil {
		return "", "", i.unavailable(ctx, "reading people and policy", err)
	}
	if err := i.recordLink(ctx, v, row, actorOf(c, row.User, row.Origin.Token), c); err != nil {
		return "", "", err
	}
	return url, row.ID, nil
}

// linkFor makes a link with keys that STS has just made, so that AWS has no reason to refuse them.
func (i *Issuer) linkFor(ctx context.Context, row store.Issue, keys aws.Credentials) (string, error) {
	ctx, stop := context.WithTimeout(ctx, linkAloneTimeout)
	defer stop()
	url, err := i.deps.Links(ctx, row.RoleARN, keys)
	if err != nil {
		i.deps.Log.Warn("there is no console link", "issue", row.ID, "error", err)
		return "", &Refusal{Code: Unavailable, User: row.User, Text: "the sign-in page of AWS made no link: try again", RetryAfter: retrySoon}
	}
	return url, nil
}

func noLinks() *Refusal {
	return &Refusal{Code: NotOurs, Text: "this gateway makes no console links"}
}

func notOurs() *Refusal {
	return &Refusal{Code: NotOurs, Text: "this gateway did not issue these keys to this user, or they have expired or are not complete"}
}

// makeLink asks AWS, which checks the keys.
func (i *Issuer) makeLink(ctx context.Context, row store.Issue, keys aws.Credentials) (string, error) {
	ctx, stop := context.WithTimeout(ctx, linkAloneTimeout)
	defer stop()
	url, err := i.deps.Links(ctx, row.RoleARN, keys)
	switch {
	case err == nil:
		return url, nil
	case errors.Is(err, chaimkeys.ErrNoURL):
		return "", i.failed(notOurs())
	}
	i.deps.Log.Warn("there is no console link", "issue", row.ID, "error", err)
	return "", &Refusal{
		Code: Unavailable, User: row.User, Text: "the sign-in page of AWS did not answer: try again", RetryAfter: retrySoon,
	}
}

// recordLink records that the holder of the keys of an issue gets a link. If people or policy have changed since the view, it
// decides again.
func (i *Issuer) recordLink(ctx context.Context, v *view, row store.Issue, actor audit.Actor, c Caller) (err error) {
	for range maxDecisions {
		if err != nil {
			return i.unavailable(ctx, "reading people and policy", err)
		}
		refusal, e := i.decideLink(v, row, c)
		e.Actor = actor
		err = i.record(ctx, store.Change{Events: []audit.Event{e}, IfAuth: v.Auth})
		switch {
		case err == nil && refusal != nil:
			return refusal
		case err == nil:
			return nil
		case !errors.Is(err, store.ErrStale):
			return i.unavailable(ctx, "recording the decision", err)
		}
		v, err = i.views.fresh(ctx)
	}
	return i.unavailable(ctx, "deciding", store.ErrStale)
}

// decideLink decides by a view. The event says what was decided.
func (i *Issuer) decideLink(v *view, row store.Issue, c Caller) (*Refusal, audit.Event) {
	e := audit.Event{
		Type: audit.ConsoleAllowed, At: time.Now(), Account: row.Account, Issue: row.ID,
		Details: map[string]string{"key_id": row.Keys.ID},
	}
	if v.Policy.Seq > 0 {
		e.Details["policy"] = strconv.FormatInt(v.Policy.Seq, 10)
	}
	role, refusal := i.linkRole(v, row.User, row, c)
	e.Role = role
	if refusal != nil {
		e.Type, e.Details["reason"] = audit.ConsoleDenied, string(refusal.Code)
	}
	return refusal, e
}

// isHolder reports whether a user has the keys of an issue, and they have not expired.
func isHolder(v *view, user string, row store.Issue) bool {
	_, isUser := v.Users[user]
	return isUser && row.User == user && row.State == store.Issued && time.Now().Before(row.Keys.ExpiresAt)
}

// linkRole returns the alias of the role of an issue, and why no link may be made for its keys.
func (i *Issuer) linkRole(v *view, name string, row store.Issue, c Caller) (alias string, r *Refusal) {
	user := v.Users[name]
	switch {
	case !isHolder(v, name, row):
		return "", notOurs()
	case user.Disabled:
		return "", &Refusal{Code: DisabledUser, User: name, Text: name + " is not an active user"}
	case v.Frozen != "":
		return "", &Refusal{Code: IsFrozen, User: name, Text: "an operator has stopped all issuing: " + v.Frozen}
	}
	refusal := &Refusal{Code: NotAllowed, User: name, Text: name + " may not use this role any more"}
	if v.engine == nil {
		return "", refusal
	}
	account, err := v.engine.Account(row.Account)
	if err != nil {
		return "", refusal
	}
	for _, role := range v.engine.Roles() { // several may be the same role of AWS
		if awsrole.ARN(account.Partition, account.ID, role.Path, role.AWS) != row.RoleARN {
			continue
		}
		d := v.engine.Decide(policy.Query{Person: v.person(user), Account: account.ID, Role: role.Alias, At: time.Now(), Addr: c.Place()})
		switch {
		case !d.Allow && d.Reason != policy.TooShort: // the keys are there already, however little is left
			alias, refusal.Rule = role.Alias, d.Deny
		case role.Console:
			return role.Alias, nil
		default:
			alias, refusal.Text = role.Alias, noConsole
		}
	}
	return alias, refusal
}
