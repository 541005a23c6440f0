package profiles

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"time"

	"github.com/chaim-go/chaim/internal/sharedfile"
)

// loginLeft is how long before their end the keys of a sign-in by 'aws login' are renewed. botocore and the SDK for
// JavaScript do it then too.
const loginLeft = 5 * time.Minute

// loginPatience is how long a caller waits for another chaim that renews a sign-in. Its keys are still valid.
const loginPatience = time.Second

// RenewLogin renews the keys in the file of a sign-in by 'aws login' if they end in less than 5 minutes. The SDK for Go
// would wait for their end, so renew gets the path of a copy in which they have ended. If another program changes or removes
// the file meanwhile, chaim leaves it so.
func (AWSFiles) RenewLogin(ctx context.Context, path string, renew func(path string) error) error {
	r := loginRenewal{SignIn{path}, filepath.Base(path) + ".chaim-renewal"}
	if text, err := os.ReadFile(path); err != nil || !isLoginDue(text) && !r.isAbandoned() {
		return nil // the SDK says what is wrong
	}
	waiting, stop := context.WithTimeoutCause(ctx, loginPatience, errors.New("another process has it"))
	defer stop()
	unlock, err := r.file.Lock(waiting)
	if err != nil {
		return err
	}
	defer unlock()
	defer func() { _ = r.file.WriteBeside(r.copied, nil) }()
	if text, err := os.ReadFile(path); err == nil { // a killed chaim may have left new keys in the copy
		_ = r.store(ctx, text)
	}
	text, err := os.ReadFile(path) // another chaim may have renewed the keys
	if err != nil || !isLoginDue(text) {
		return err
	}
	if _, err := (sharedfile.File{Path: path}).Pinned(); err != nil { // new keys could not be stored
		return err
	}
	ended, err := withPairs(text, map[string]any{"accessToken": map[string]any{"expiresAt": time.Unix(0, 0).UTC()}})
	if err == nil {
		err = r.file.WriteBeside(r.copied, ended)
	}
	if err == nil {
		err = renew(filepath.Join(filepath.Dir(path), r.copied))
	}
	if err != nil {
		return err
	}
	return r.store(context.WithoutCancel(ctx), text)
}

// loginRenewal is a sign-in, and the name of the copy in which it is renewed.
type loginRenewal struct {
	file   SignIn
	copied string
}

// isAbandoned reports whether a chaim that was killed has left a copy.
func (r loginRenewal) isAbandoned() bool {
	info, err := os.Lstat(filepath.Join(filepath.Dir(r.file.path), r.copied))
	return err == nil && time.Since(info.ModTime()) > time.Minute
}

// store puts the renewed keys of the copy into the file, if that still has the text from which the copy was made.
func (r loginRenewal) store(ctx context.Context, text []byte) error {
	renewed, err := r.file.ReadBeside(r.copied)
	if err != nil {
		return err
	}
	var before, after map[string]any
	if json.Unmarshal(text, &before) != nil || json.Unmarshal(renewed, &after) != nil {
		return errNoLogin
	}
	if !reflect.DeepEqual(before["dpopKey"], after["dpopKey"]) || !loginEnd(renewed).After(loginEnd(text)) {
		return errors.New("the copy of the sign-in has no newer keys")
	}
	next, err := withPairs(text, map[string]any{"accessToken": after["accessToken"], "refreshToken": after["refreshToken"]})
	if err != nil {
		return err
	}
	return sharedfile.File{Path: r.file.path}.Edit(ctx, func(now []byte) ([]byte, error) {
		switch {
		case bytes.Equal(now, text):
			return next, nil
		case bytes.Equal(now, next): // the edit is made twice
			return now, nil
		}
		return nil, errors.New("another program has changed the sign-in meanwhile")
	})
}

// errNoLogin stands for errors that could quote the text.
var errNoLogin = errors.New("the file of the sign-in is not JSON")

// isLoginDue reports whether the keys are valid, but end soon.
func isLoginDue(text []byte) bool {
	left := time.Until(loginEnd(text))
	return left > 0 && left < loginLeft
}

// loginEnd is when the keys end. It is zero for a text that cannot be read.
func loginEnd(text []byte) time.Time {
	var login struct {
		AccessToken struct {
			ExpiresAt time.Time `json:"expiresAt"`
		} `json:"accessToken"`
	}
	if json.Unmarshal(text, &login) != nil {
		return time.Time{}
	}
	return login.AccessToken.ExpiresAt
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
