package credcache

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/chaim-go/chaim/internal/awssts"
	"github.com/chaim-go/chaim/internal/keys"
)

// How long the name of the user of an access key is kept: a user may be renamed, and temporary keys end.
const (
	userLife      = 30 * 24 * time.Hour
	shortUserLife = awssts.MaxSession
)

// Users keeps the names of the users of access keys in the cache, and no secrets. Without a cache it knows none.
type Users struct{}

var _ awssts.Users = Users{}

// Load returns the name of the user of an access key, or "".
func (Users) Load(keyID string) (name string) {
	c, err := Open(nil)
	if err != nil {
		return ""
	}
	if _, err := os.Lstat(c.folder); errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	if c.prepare() != nil {
		return ""
	}
	e, err := c.read(Key("user", keyID))
	if err != nil || !e.hasUser(time.Now()) {
		return ""
	}
	return e.User
}

// Save keeps the name of the user of an access key.
func (Users) Save(keyID, name string) {
	c, err := Open(nil)
	if err != nil || c.prepare() != nil {
		return
	}
	life := userLife
	if !keys.IsLongLived(keyID) {
		life = shortUserLife
	}
	now := time.Now()
	c.write(entry{Key: Key("user", keyID), User: name, Received: now, Due: now.Add(life)})
}

// hasUser reports whether the entry has the name of a user.
func (e entry) hasUser(now time.Time) bool {
	return e.User != "" && e.Keys == nil && !now.Before(e.Received) && now.Before(e.Due)
}
