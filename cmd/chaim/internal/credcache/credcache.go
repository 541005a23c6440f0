// Package credcache shares credentials between processes that live for a moment each, as those do that an AWS SDK runs by
// credential_process: one of them asks for keys, and the others read its answer.
//
// There are two files for each key: one holds the credentials or why there are none, and is only ever replaced in one
// step; the other is locked by the process that asks. A lock ends with its process, so that a killed one leaves nothing to
// wait for.
package credcache

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"time"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/httpx"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/profiles"
	"github.com/chaim-go/chaim/internal/renewal"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

const (
	folderName = "process"

	// A process that finds no valid keys may take this long to get some, and one that has valid ones for a single attempt.
	fetchTimeout, renewalTimeout = 2 * time.Minute, httpx.AttemptTimeout
)

var errTimeout = errors.New("the source has not answered in time")

// Cache is a folder of credentials. Its methods may be called by any number of goroutines and processes at once.
type Cache struct {
	Folder string       // see [Beside]
	Kinds  []error      // what [errors.Is] tells of a failure that another process had
	Log    *slog.Logger // nil means silence
}

// Fetch gets credentials from their source. It must heed its context, and its errors must be fit to be shown.
type Fetch = func(context.Context) (chaim.AwsCreds, error)

// Beside is the folder that belongs to the credentials file of that path.
func Beside(path string) (string, error) {
	folder, err := profiles.FolderBeside(path)
	return filepath.Join(folder, folderName), err
}

// Key names credentials by everything that shapes them, such as the user, the user's token, the account and the role. It
// is a SHA-256 hash, in hex, that does not reveal the parts.
func Key(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		h.Write(append(size[:], part...))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Get returns valid credentials: those in the cache, or else those that fetch gets. One caller at a time calls fetch for a
// key, for 2 minutes at most; the others wait for its outcome, or are served what is valid meanwhile. Valid credentials
// are renewed by the first caller once they are due for it (see package renewal), in a single attempt, and served again
// if that fails.
//
// A failure is the answer to all callers for as long as the policy of renewal says, 10 seconds at most. Its text is stored
// without what looks like a secret. The end of ctx is not stored as a failure. Credentials without an end are not stored.
//
// The errors are those of fetch and ctx, [ErrUnsafe], [chaim.ErrLocked] where another process takes too long, and those of
// the system.
func (c Cache) Get(ctx context.Context, key string, fetch Fetch) (chaim.AwsCreds, error) {
	if !keyRule().MatchString(key) {
		return chaim.AwsCreds{}, errors.New("chaim: no key of cached credentials")
	}
	started := time.Now()
	if err := c.prepare(); err != nil {
		return chaim.AwsCreds{}, err
	}
	e, err := c.read(key)
	if err != nil {
		return chaim.AwsCreds{}, err
	}
	if e.isValid(started) && started.Before(e.Due) {
		return e.creds(), nil
	}
	l, err := c.lock(ctx, key, !e.isValid(started))
	switch {
	case err != nil:
		return chaim.AwsCreds{}, err
	case l == nil: // another process renews them
		return e.creds(), nil
	}
	defer l.Close()
	// The process that had the lock before may have got new ones.
	if e, err = c.read(key); err != nil {
		return chaim.AwsCreds{}, err
	}
	now := time.Now()
	if e.isValid(now) && now.Before(e.Due) {
		return e.creds(), nil
	}
	if err := e.failure(started, now, c.Kinds); err != nil {
		return chaim.AwsCreds{}, err
	}
	return c.renew(ctx, key, e, fetch)
}

// renew gets new credentials in place of the old. The caller has the lock.
func (c Cache) renew(ctx context.Context, key string, old entry, fetch Fetch) (chaim.AwsCreds, error) {
	isRenewal := old.isValid(time.Now())
	timeout := fetchTimeout
	if isRenewal {
		timeout = renewalTimeout
	}
	fetching, cancel := context.WithTimeoutCause(ctx, timeout, errTimeout)
	defer cancel()
	creds, err := fetch(keys.WithSingleAttempt(fetching, isRenewal))
	now := renewal.Now()
	var held *renewal.Held
	if err == nil {
		held, err = hold(ctx, creds, now)
	}
	if err == nil && old.isValid(now.Wall) {
		before, _ := hold(ctx, old.creds(), now)
		if before != nil && held.EndsSooner(before, now) {
			err = renewal.ErrEndsSooner
		}
	}
	switch {
	case err == nil && creds.Expires.IsZero():
		return creds, nil
	case err == nil:
		stored := plain(creds)
		c.write(entry{Key: key, Keys: &stored, Received: now.Wall, Due: creds.Expires.Add(-held.Soft)})
		return creds, nil
	case ctx.Err() == nil:
		old = old.failed(key, now.Wall, err, c.Kinds)
		c.write(old)
	}
	if !old.isValid(now.Wall) {
		return chaim.AwsCreds{}, err
	}
	c.log().Warn("chaim: renewing cached credentials failed", "expires", old.Keys.Expires.UTC().Format(time.RFC3339), "error", fit(err))
	return old.creds(), nil
}

// hold checks credentials that came just now, and draws when they are due.
func hold(ctx context.Context, creds chaim.AwsCreds, now renewal.Instant) (*renewal.Held, error) {
	sdk, err := creds.Retrieve(ctx)
	if err != nil {
		return nil, err
	}
	return renewal.Hold(keys.Grant{Credentials: sdk}, now, rand.Float64())
}

// write stores what there is to know of a key. The credentials are as good without that.
func (c Cache) write(e entry) {
	e.Version = version
	text, err := json.Marshal(e)
	if err == nil {
		err = sharedfile.WriteFile(c.path(e.Key, dataExtension), text)
	}
	if err != nil {
		c.log().Warn("chaim: credentials cannot be cached", "error", err)
	}
}

func (c Cache) log() *slog.Logger { return cmp.Or(c.Log, slog.New(slog.DiscardHandler)) }

func (c Cache) path(key, extension string) string { return filepath.Join(c.Folder, key+extension) }

// failure is the error that a process gets for what another one was answered. It also answers callers that have waited for
// the lock. Nil means to ask again.
func (e entry) failure(started, now time.Time, kinds []error) error {
	until := e.Failed.Add(min(e.Due.Sub(e.Failed), renewal.LazyPause))
	if e.Reason == "" || now.Before(e.Failed) || e.Failed.Before(started) && !now.Before(until) {
		return nil
	}
	var causes []error
	for _, kind := range kinds {
		for _, name := range e.Kinds {
			if name == kind.Error() {
				causes = append(causes, kind)
			}
		}
	}
	ago := now.Sub(e.Failed).Round(time.Second)
	return errtext.Chain(fmt.Sprintf("chaim: %s (the answer to another process, %s ago)", e.Reason, ago), causes...)
}

// failed is what to store after a failed attempt.
func (e entry) failed(key string, now time.Time, err error, kinds []error) entry {
	left := e.left(now)
	if left <= 0 {
		e.Keys = nil
	}
	e.Key, e.Failed, e.Reason, e.Kinds, e.Failures = key, now, fit(err), nil, e.Failures+1
	e.Due = now.Add(renewal.RetryDelay(err, e.Failures, left, rand.Float64()))
	for _, kind := range kinds {
		if errors.Is(err, kind) {
			e.Kinds = append(e.Kinds, kind.Error())
		}
	}
	return e
}
