package chaim

import (
	"cmp"
	"context"

	"github.com/chaim-go/chaim/internal/profiles"
)

// ParkAccount moves a profile's definition, without the keys, from the credentials file into the file chaim-parked beside
// it, which has mode 0600. Lines of the section that chaim does not know move too. Parking a parked account changes nothing,
// except that it removes keys which another tool left in the definition.
//
// The error wraps [fs.ErrNotExist] if there is no such profile, and [ErrInUse] if another account is parked under that name.
// Otherwise errors are those of [Client.DeleteAccount], which also describes what happens to the client's own profile. After
// an error or a crash the account may be in both files. It then counts as not parked.
func (c *Client) ParkAccount(ctx context.Context, profile string) error {
	if err := cmp.Or(c.checkOpen(), profiles.CheckHeld(profile)); err != nil {
		return err
	}
	if c.scope != nil && c.scope.Has(profile) {
		_, err := c.giveUp(ctx, "parking", profile, c.scope.Park)
		return err
	}
	ctx, stop := c.bound(ctx)
	defer stop()
	return c.book.Park(ctx, profile)
}

// UnparkAccount brings a parked account back. It gets new keys by the definition, as [Client.RenewSection] does, writes them
// into the credentials file as a kept profile, and then removes the definition. If such a profile exists, it renews that.
//
// The error wraps [fs.ErrNotExist] if no such account is parked, and [ErrInUse] if its name is taken by now. Otherwise it is
// that of RenewSection, and the account stays parked. If only the definition cannot be removed, the keys are returned too.
func (c *Client) UnparkAccount(ctx context.Context, profile string) (AwsCreds, error) {
	if err := cmp.Or(c.checkOpen(), profiles.CheckHeld(profile)); err != nil {
		return AwsCreds{}, err
	}
	ctx, stop := c.bound(ctx)
	defer stop()
	var g Grant
	isBack, err := c.book.Unpark(ctx, profile, func(d profiles.Definition) (_ Grant, err error) {
		g, err = c.obtain(ctx, profile, d)
		return g, err
	})
	if !isBack {
		return AwsCreds{}, err
	}
	return credsFrom(g.Credentials, g.Region), err
}

// ListParkAccounts returns the names of the parked accounts, sorted. It only reads.
func (c *Client) ListParkAccounts(ctx context.Context) ([]string, error) {
	if err := c.canRead(ctx); err != nil {
		return nil, err
	}
	return c.book.ListParked()
}
