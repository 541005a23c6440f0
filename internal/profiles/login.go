package profiles

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"time"

	"github.com/chaim-go/chaim/internal/sharedfile"
)

// loginLeft is how long before their end the keys of a sign-in by 'aws login' are renewed. botocore and the SDK for
// JavaScript do it then too.
const loginLeft = 5 * time.Minute

// RenewLogin renews the keys in the file of a sign-in by 'aws login' if they end in less than 5 minutes. The SDK for Go
// would wait for their end, so renew gets the path of a copy in which they have ended. Other chaims wait meanwhile.
func (AWSFiles) RenewLogin(ctx context.Context, path string, renew func(path string) error) error {
	if text, err := os.ReadFile(path); err != nil || !isLoginDue(text) {
		return nil // the SDK says what is wrong
	}
	file := SignIn{path}
	unlock, err := file.Lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	text, err := os.ReadFile(path) // another chaim may have renewed them
	if err != nil || !isLoginDue(text) {
		return err
	}
	if _, err := (sharedfile.File{Path: path}).Pinned(); err != nil { // new keys could not be stored
		return err
	}
	ended, err := withPairs(text, map[string]any{"accessToken": map[string]any{"expiresAt": time.Unix(0, 0).UTC()}})
	if err != nil {
		return err
	}
	name := filepath.Base(path) + ".chaim-renewal"
	if err := file.WriteBeside(name, ended); err != nil {
		return err
	}
	defer func() { _ = file.WriteBeside(name, nil) }()
	if err := renew(filepath.Join(filepath.Dir(path), name)); err != nil {
		return err
	}
	renewed, err := file.ReadBeside(name)
	if err != nil {
		return err
	}
	now := map[string]any{}
	if json.Unmarshal(renewed, &now) != nil {
		return errNoLogin
	}
	return sharedfile.File{Path: path}.Edit(context.WithoutCancel(ctx), func([]byte) ([]byte, error) {
		return withPairs(text, map[string]any{"accessToken": now["accessToken"], "refreshToken": now["refreshToken"]})
	})
}

// errNoLogin stands for errors that could quote the text.
var errNoLogin = errors.New("the file of the sign-in is not JSON")

func isLoginDue(text []byte) bool {
	var login struct {
		AccessToken struct {
			ExpiresAt time.Time `json:"expiresAt"`
		} `json:"accessToken"`
	}
	if json.Unmarshal(text, &login) != nil {
		return false
	}
	left := time.Until(login.AccessToken.ExpiresAt)
	return left > 0 && left < loginLeft
}

// withPairs returns a JSON object with other values, and merges those that are objects too.
func withPairs(text []byte, pairs map[string]any) ([]byte, error) {
	all := map[string]any{}
	if json.Unmarshal(text, &all) != nil {
		return nil, errNoLogin
	}
	for key, value := range pairs {
		inner, isObject := value.(map[string]any)
		if before, wasObject := all[key].(map[string]any); isObject && wasObject {
			maps.Copy(before, inner)
			continue
		}
		all[key] = value
	}
	return json.Marshal(all)
}
