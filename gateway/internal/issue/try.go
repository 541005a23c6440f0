package issue

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/awsrole"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/policy"
)

// Try asks STS for keys of a role in an account, and drops them: it shows whether the trust policy there is right. It needs no
// grant, and is recorded as any issue, as one of a user who is not in the list of users: the name is also that of the session.
// A freeze stops it too. The account is an id and the role an alias. The error is an [*STSError] if STS was asked, a
// [*Refusal], or wraps that of ctx.
func (i *Issuer) Try(ctx context.Context, actor audit.Actor, user, account, role string) error {
	who := asker{user: store.User{Name: user, SourceIdentity: user}, actor: actor}
	for range maxDecisions {
		v, err := i.views.fresh(ctx)
		if err = cmp.Or(err, ctx.Err()); err != nil {
			return i.unavailable(ctx, "reading the policy", err)
		}
		d, err := tryOf(v, account, role)
		if err != nil {
			return err
		}
		switch err := i.intend(ctx, v, who, &d); {
		case err == nil:
			return i.try(ctx, who, d)
		case !errors.Is(err, store.ErrStale):
			return i.unavailable(ctx, "recording the try", err)
		}
	}
	return i.unavailable(ctx, "deciding", fmt.Errorf("%w, %d times in a row", store.ErrStale, maxDecisions))
}

// tryOf is what is asked for by a try, unless nothing may be asked for.
func tryOf(v *view, account, role string) (d decision, err error) {
	switch {
	case v.Frozen != "":
		return d, &Refusal{Code: IsFrozen, Text: "an operator has stopped all issuing: " + v.Frozen}
	case v.engine == nil:
		return d, &Refusal{Code: NotAllowed, Text: "the gateway has no policy yet"}
	}
	d.ask = Ask{Account: account, Role: role}
	if d.account, err = v.engine.Account(account); err != nil {
		return d, &Refusal{Code: NoAccount, Text: fmt.Sprintf("account %q is not known", typed(account))}
	}
	if d.role, err = v.engine.Role(role); err != nil {
		return d, &Refusal{Code: NoRole, Text: fmt.Sprintf("role %q is not known", typed(role))}
	}
	d.rule.Version = v.engine.Version()
	d.terms = terms{lifetime: policy.MinLifetime, roleARN: awsrole.ARN(d.account.Partition, d.account.ID, d.role.Path, d.role.AWS)}
	return d, nil
}

// try asks STS for keys that are recorded as an intent, and drops them.
func (i *Issuer) try(ctx context.Context, who asker, d decision) error {
	work := context.WithoutCancel(ctx)
	lent, failure := i.assume(work, who, d)
	if failure != nil {
		_ = i.endWithout(work, who, d, failure)
		return failure
	}
	i.withhold(work, who, d, keysOf(lent), "the role was only tried")
	return nil
}
