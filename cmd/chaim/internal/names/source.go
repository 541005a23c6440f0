package names

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/aws/smithy-go"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/internal/gateway"
	"github.com/chaim-go/chaim/internal/idcenter"
	"github.com/chaim-go/chaim/internal/profiles"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// Source is a broker that lists accounts.
type Source struct {
	key  string
	list func(context.Context) ([]chaim.Account, error)
	// roles lists the roles of the user in the account with that id. It is nil if the broker cannot list them.
	roles func(ctx context.Context, id string) ([]string, error)
	// allRoles lists the roles in all accounts at once, by id. It is nil if the broker cannot do that.
	allRoles func(ctx context.Context) (map[string][]string, error)
}

const keySize = 2 * sha256.Size

// keyOf names the broker and its user. It is a hash that does not reveal the parts.
func keyOf(parts ...string) string {
	return fmt.Sprintf("%x", sha256.Sum256(fmt.Appendf(nil, "%q", parts)))
}

// Of returns the broker of a client as a source. It touches no network. isLister is false for a broker that lists no
// accounts. It is false for profiles too: their names are in the AWS config file.
func Of(ctx context.Context, c *chaim.Client) (s Source, isLister bool) {
	switch broker := c.Broker().(type) {
	case *chaim.Gateway:
		endpoint, err := c.Endpoint(ctx)
		user := broker.Settings
		key := keyOf("gateway", endpoint, user.Username, user.WorkspaceID, user.SlackID)
		s = Source{key: key, list: c.RequestList}
		if user.Protocol == gateway.V1 {
			s.allRoles = broker.AllRoles
		}
		return s, err == nil
	case chaim.IdentityCenter:
		center, err := idcenter.Find(idcenter.Center{
			Session: broker.Session, StartURL: broker.StartURL, Region: broker.Region,
			Route: idcenter.Route{Insecure: broker.AllowInsecure}, Files: profiles.AWSFiles{}, Log: slog.New(slog.DiscardHandler),
		}, profiles.OpenSignIn)
		if err != nil {
			return s, false
		}
		return OfCenter(center), true
	}
	return s, false
}

// OfCenter returns an Identity Center as a source.
func OfCenter(c *idcenter.Center) Source {
	reading := *c
	reading.IsPassive = true // a renewal would be lost if the work ended just then
	return Source{key: keyOf("identity center", c.StartURL, c.Region, c.Session), list: reading.Accounts, roles: reading.Roles}
}

func (s Source) path() (string, error) {
	dir, err := folder()
	return filepath.Join(dir, s.key+extension), err
}

// Read returns what is known. It touches no network. Errors mean that nothing is known.
func (s Source) Read() Known {
	path, err := s.path()
	if err != nil {
		return Known{}
	}
	return read(path)
}

// Store remembers accounts that the source has just listed.
func (s Source) Store(accounts []chaim.Account) error {
	before, now := s.Read(), time.Now()
	next := before.with(accounts, now)
	isOne := func(a, b Account) bool { return a.ID == b.ID && a.Name == b.Name }
	if slices.EqualFunc(before.Accounts, next.Accounts, isOne) && isWithin(before.Listed, now, minAge) {
		return nil
	}
	return s.write(next)
}

func (s Source) write(known Known) error {
	path, err := s.path()
	switch {
	case errors.Is(err, sharedfile.ErrNoStore): // as the user chose
		return nil
	case err != nil:
		return err
	}
	return write(path, known)
}

// Forget removes what is known.
func (s Source) Forget() error {
	path, err := s.path()
	switch {
	case errors.Is(err, sharedfile.ErrNoStore):
		return nil
	case err != nil:
		return err
	}
	return sharedfile.Remove(path)
}

// BackgroundPause is the pause between two requests beside other work: that work needs the rate that the broker allows.
const BackgroundPause = time.Second

// Refresh lists names that are unknown or older than a day: first the accounts, and then the roles in each, the oldest
// first, with pauses. It opens no browser, asks for no code, and renews no sign-in. It writes new names once a second. If
// another process refreshes names, it does nothing.
func (s Source) Refresh(ctx context.Context, pause time.Duration) error {
	claim, err := claimRefresh()
	if claim == nil {
		return err
	}
	defer claim.Close()
	known := s.Read()
	if !known.isFresh(time.Now()) {
		accounts, err := s.list(ctx)
		if err != nil {
			return err
		}
		known = known.with(accounts, time.Now())
		if err := s.write(known); err != nil {
			return err
		}
	}
	switch {
	case s.allRoles != nil:
		return s.refreshAllRoles(ctx, known)
	case s.roles != nil:
		return s.refreshRoles(ctx, known, pause)
	}
	return nil
}

// claimRefresh keeps other processes from refreshing names. It is nil if one does, or if nothing can be stored.
func claimRefresh() (claim *sharedfile.Side, err error) {
	dir, err := folder()
	if err == nil {
		err = sharedfile.MakeSideFolder(dir)
	}
	if err == nil {
		claim, err = sharedfile.LockSide(filepath.Join(dir, "refresh.lock"), os.O_CREATE|os.O_RDWR, false)
	}
	if errors.Is(err, sharedfile.ErrNoStore) {
		return nil, nil
	}
	return claim, err
}

// refreshAllRoles lists the roles in all accounts if those of one are due.
func (s Source) refreshAllRoles(ctx context.Context, known Known) error {
	now := time.Now()
	if !slices.ContainsFunc(known.Accounts, func(a Account) bool { return !isWithin(a.Asked, now, maxAge) }) {
		return nil
	}
	roles, err := s.allRoles(ctx)
	if err != nil {
		return err
	}
	for i := range known.Accounts {
		a := &known.Accounts[i]
		if a.Roles, a.Asked = roles[a.ID], now; !a.isFit() {
			a.Roles = nil
		}
	}
	return s.write(known)
}

// writePause is the time between two writes of the roles that were listed.
const writePause = time.Second

func (s Source) refreshRoles(ctx context.Context, known Known, pause time.Duration) error {
	var due []*Account
	now := time.Now()
	for i := range known.Accounts {
		if a := &known.Accounts[i]; a.ID != "" && !isWithin(a.Asked, now, maxAge) {
			due = append(due, a)
		}
	}
	slices.SortStableFunc(due, func(a, b *Account) int { return a.Asked.Compare(b.Asked) })
	written := now
	for i, a := range due {
		if i > 0 {
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		roles, err := s.roles(ctx, a.ID)
		var refusal smithy.APIError
		if err != nil && (!errors.As(err, &refusal) || refusal.ErrorCode() != "ForbiddenException") {
			return err
		}
		a.Roles, a.Asked = roles, time.Now()
		if !a.isFit() {
			a.Roles = nil
		}
		if i == len(due)-1 || time.Since(written) >= writePause {
			if err := s.write(known); err != nil {
				return err
			}
			written = time.Now()
		}
	}
	return nil
}

// pause is how long work must take before names are refreshed beside it.
const pause = time.Second

// Beside calls refresh in the background if the caller's work takes longer than a second. The caller must call end when the
// work ends, and then wait for background. Errors are only logged.
func Beside(ctx context.Context, background *sync.WaitGroup, log *slog.Logger, refresh func(context.Context) error) (end func()) {
	ctx, end = context.WithCancel(ctx)
	background.Go(func() {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
		if err := refresh(ctx); err != nil && ctx.Err() == nil {
			cmp.Or(log, slog.New(slog.DiscardHandler)).Debug("chaim: the names of accounts are not refreshed", "error", err)
		}
	})
	return end
}
