package names

import (
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"time"

	"github.com/chaim-go/chaim/internal/awssts"
)

// userAge is how long the name of the user of an access key is kept: a user may be renamed.
const userAge = forgetAge

// Users remembers the names of the users of access keys. Where nothing can be stored it knows none.
type Users struct{}

var _ awssts.Users = Users{}

func userFile(keyID string) (string, error) {
	dir, err := folder()
	return filepath.Join(dir, fmt.Sprintf("%x", sha256.Sum256([]byte("user\n"+keyID)))+extension), err
}

// Load returns the name of the user of an access key, or "".
func (Users) Load(keyID string) (name string) {
	path, err := userFile(keyID)
	if err != nil {
		return ""
	}
	known := read(path)
	if len(known.Accounts) != 1 || !isWithin(known.Listed, time.Now(), userAge) {
		return ""
	}
	return known.Accounts[0].Name
}

// Save remembers the name of the user of an access key. A failure costs a request the next time.
func (Users) Save(keyID, name string) {
	if path, err := userFile(keyID); err == nil {
		_ = write(path, Known{Listed: time.Now(), Accounts: []Account{{Name: name}}})
	}
}
