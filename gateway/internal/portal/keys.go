package portal

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/chaim-go/chaim/gateway/internal/awsrole"
	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/policy"
)

const (
	maxLent  = 500
	lentSpan = 7 * 24 * time.Hour // how far back keys are shown
)

// Credentials lends keys, see [issue.Issuer.Keys].
func (p *Portal) Credentials(ctx context.Context, c issue.Caller, ask issue.Ask) (issue.Grant, error) {
	return p.deps.Issuer.Keys(ctx, c, ask)
}

// Console returns a link that signs in to the AWS console with new keys, see [issue.Issuer.Console].
func (p *Portal) Console(ctx context.Context, c issue.Caller, ask issue.Ask) (url, issueID string, err error) {
	return p.deps.Issuer.Console(ctx, c, ask)
}

// Link returns a link that signs in to the AWS console with keys that this gateway has lent to the caller.
func (p *Portal) Link(ctx context.Context, c issue.Caller, keys aws.Credentials) (string, error) {
	who, err := p.deps.Issuer.Authenticate(ctx, c)
	if err != nil {
		return "", err
	}
	return p.deps.Issuer.ConsoleURL(ctx, who.User.Name, keys, c)
}

// Keys returns the keys of the last seven days, 500 at most: first those that work, the ones that end last before the others;
// then the rest, the newest first. The name is for admins; empty means the caller.
func (p *Portal) Keys(ctx context.Context, c issue.Caller, user string) ([]Lent, error) {
	who, err := p.deps.Issuer.Authenticate(ctx, c)
	if err != nil {
		return nil, err
	}
	u, err := p.about(who, user)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	rows, err := p.deps.Store.Issues(ctx, store.IssueFilter{User: u.Name, Since: now.Add(-lentSpan), Limit: maxLent})
	if err != nil {
		return nil, p.unavailable(ctx, "reading issues", err)
	}
	found := make([]Lent, 0, len(rows))
	for _, row := range rows {
		found = append(found, lentOf(who.Engine(), row))
	}
	slices.SortStableFunc(found, func(a, b Lent) int {
		aEnd, bEnd := a.liveUntil(now), b.liveUntil(now)
		return cmp.Or(bEnd.Compare(aEnd), b.At.Compare(a.At))
	})
	return found, nil
}

// liveUntil returns when keys that work now end, or zero.
func (l Lent) liveUntil(now time.Time) time.Time {
	if l.State != store.Issued || !now.Before(l.Expires) {
		return time.Time{}
	}
	return l.Expires
}

func lentOf(e *policy.Engine, row store.Issue) Lent {
	l := Lent{
		Issue: row.ID, Account: row.Account, Role: row.RoleARN, KeyID: row.Keys.ID, Span: Span{row.At, row.Keys.ExpiresAt},
		Origin: row.Origin, State: row.State,
	}
	if e == nil {
		return l
	}
	account, err := e.Account(row.Account)
	if err != nil {
		return l
	}
	l.AccountName = account.Name
	for _, role := range e.Roles() {
		if awsrole.ARN(account.Partition, account.ID, role.Path, role.AWS) == row.RoleARN {
			l.Role = role.Alias
			break
		}
	}
	return l
}
