// Package credcache shares keys between processes that live for a moment each, such as those that an AWS SDK runs by
// credential_process. One of them asks for keys, and the others read its answer.
//
// Each set of keys has two files. One holds the keys, or why there are none, and is replaced in one step. The other is
// locked by the process that asks. A lock ends with its process, so a killed process leaves nothing to wait for.
package credcache

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/internal/awsenv"
	"github.com/chaim-go/chaim/internal/httpx"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/profiles"
	"github.com/chaim-go/chaim/internal/renewal"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

const (
	folderName = "process"

	fetchTimeout   = 2 * time.Minute      // to get keys if there are no valid ones
	renewalTimeout = httpx.AttemptTimeout // to renew valid ones
)

var errTimeout = errors.New("the source has not answered in time")

// Cache is a folder of keys. Any number of goroutines and processes may use it.
type Cache struct {
	folder string
	log    *slog.Logger // nil means silence
}

// Open returns the cache beside the credentials file. The error wraps [sharedfile.ErrNoStore] if the user chose to store
// nothing.
func Open(log *slog.Logger) (Cache, error) {
	path, err := awsenv.CredentialsPath("")
	if err == nil {
		err = sharedfile.File{Path: path}.CanStore()
	}
	if err != nil {
		return Cache{}, err
	}
	folder, err := profiles.FolderBeside(path)
	return Cache{filepath.Join(folder, folderName), log}, err
}

// fetcher gets keys from their source. It must heed its context, and its errors must be fit to be shown.
type fetcher = func(context.Context) (chaim.AwsCreds, error)

// Key names keys by everything that shapes them, such as the user, the user token, the account and the role. It is a hash
// that does not reveal the parts.
func Key(parts ...string) string {
	return fmt.Sprintf("%x", sha256.Sum256(fmt.Appendf(nil, "%q", parts)))
}

// Get returns valid keys: those in the cache, or else those that fetch gets. One caller at a time calls fetch for a key, for
// 2 minutes at most. The others wait for its outcome, or get the keys that are still valid. The first caller after the keys
// are due renews them, in a single attempt (see package renewal). If that fails, it gets the old ones.
//
// A failure is the answer to all callers for 10 seconds at most. Its text is stored without what looks like a secret. The
// end of ctx is not stored, nor are keys without an expiry.
//
// The errors are those of fetch, of ctx and of the system, [sharedfile.ErrUnsafe], and [chaim.ErrLocked] if another process
// takes too long.
func (c Cache) Get(ctx context.Context, key string, fetch fetcher) (chaim.AwsCreds, error) {
	if !keyRule().MatchString(key) {
		return chaim.AwsCreds{}, errors.New("chaim: no key of cached credentials")
	}
	started := time.Now()
	if err := c.prepare(); err != nil {
		return chaim.AwsCreds{}, err
	}
	for hasLock := false; ; hasLock = true { // the process that had the lock before may have got new keys
		e, err := c.read(key)
		now := time.Now()
		if err == nil && hasLock && !e.isFresh(now) {
			err = e.failure(started, now)
		}
		switch {
		case err != nil:
			return chaim.AwsCreds{}, err
		case e.isFresh(now):
			return e.creds(), nil
		case hasLock:
			return c.renew(ctx, key, e, fetch)
		}
		l, err := c.lock(ctx, key, !e.isValid(now))
		switch {
		case err != nil:
			return chaim.AwsCreds{}, err
		case l == nil: // another process renews them
			return e.creds(), nil
		}
		defer l.Close()
	}
}

// renew gets new keys in place of old ones. The caller has the lock.
func (c Cache) renew(ctx context.Context, key string, old entry, fetch fetcher) (chaim.AwsCreds, error) {
	isRenewal := old.isValid(time.Now())
	timeout := fetchTimeout
	if isRenewal {
		timeout = renewalTimeout
	}
	fetching, cancel := context.WithTimeoutCause(ctx, timeout, errTimeout)
	defer cancel()
	creds, err := fetch(keys.WithSingleAttempt(fetching, isRenewal))
	now := renewal.Now()
	var sdk aws.Credentials
	if err == nil {
		sdk, err = creds.Retrieve(ctx)
	}
	var held *renewal.Held // tells when they are due
	if err == nil {
		held, err = renewal.Hold(keys.Grant{Credentials: sdk}, now, rand.Float64())
	}
	if err == nil && old.isValid(now.Wall) && old.outlives(sdk) {
		err = renewal.ErrEndsSooner
	}
	switch {
	case err == nil && creds.Expires.IsZero():
		return creds, nil
	case err == nil:
		stored := plain(creds)
		c.write(entry{Key: key, Keys: &stored, Received: now.Wall, Due: creds.Expires.Add(-held.Soft)})
		return creds, nil
	case ctx.Err() == nil:
		old = old.failed(key, now.Wall, err)
		c.write(old)
	}
	if !old.isValid(now.Wall) {
		return chaim.AwsCreds{}, err
	}
	expires := old.Keys.Expires.UTC().Format(time.RFC3339)
	c.logger().Warn("chaim: renewing cached credentials failed", "expires", expires, "error", fit(err))
	return old.creds(), nil
}

// Held returns the keys in the cache, or none if they are not valid for longer than left.
func (c Cache) Held(key string, left time.Duration) (creds chaim.AwsCreds, err error) {
	if err := c.prepare(); err != nil {
		return creds, err
	}
	e, err := c.read(key)
	if err != nil || e.left(time.Now()) <= left {
		return creds, err
	}
	return e.creds(), nil
}

// Keep puts keys into the cache. Only Held returns them.
func (c Cache) Keep(key string, creds chaim.AwsCreds) error {
	if err := c.prepare(); err != nil {
		return err
	}
	stored := plain(creds)
	c.write(entry{Key: key, Keys: &stored, Received: time.Now(), Due: creds.Expires})
	return nil
}

// write stores an entry. Errors are only logged: the keys are as good without it.
func (c Cache) write(e entry) {
	e.Version = version
	text, err := json.Marshal(e)
	if err == nil {
		err = sharedfile.WriteFile(c.path(e.Key, dataExtension), text)
	}
	if err != nil {
		c.logger().Warn("chaim: credentials cannot be cached", "error", err)
	}
}

func (c Cache) logger() *slog.Logger { return cmp.Or(c.log, slog.New(slog.DiscardHandler)) }

func (c Cache) path(key, extension string) string { return filepath.Join(c.folder, key+extension) }
