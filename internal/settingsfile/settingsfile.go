// Package settingsfile keeps the settings of a gateway in the section [default] of the credentials file.
package settingsfile

import (
	"context"
	"log/slog"
	"slices"

	"github.com/chaim-go/chaim/internal/gateway"
	"github.com/chaim-go/chaim/internal/profiles"
)

var silent = slog.New(slog.DiscardHandler)

// Read returns the settings in the credentials file in dir or, if dir is empty, in the one that the SDKs use. They may be
// incomplete, and are empty if there is no file.
func Read(dir string) (gateway.Settings, error) {
	book, err := profiles.OpenIn(dir, silent)
	if err != nil {
		return gateway.Settings{}, err
	}
	pairs, _, err := book.DefaultSection()
	if err != nil {
		return gateway.Settings{}, err
	}
	stored, _ := gateway.SettingsFromPairs(pairs)
	return stored, nil
}

// Replace writes settings that can be used, and returns those with another token that stood there until then. They are
// mostly one or none, and more if a program writes the file at the same time without its lock.
func Replace(ctx context.Context, dir string, s gateway.Settings) (replaced []gateway.Settings, err error) {
	if err := s.Check("the settings"); err != nil {
		return nil, err
	}
	pairs, err := s.Pairs()
	if err != nil {
		return nil, err
	}
	if err := profiles.CheckSettings(pairs); err != nil {
		return nil, err
	}
	book, err := profiles.OpenIn(dir, silent)
	if err != nil {
		return nil, err
	}
	err = book.StoreSettings(ctx, pairs, func(stored map[string]string) func(string) bool {
		before, _ := gateway.SettingsFromPairs(stored) // an edit that is made again finds s itself
		isKnown := slices.ContainsFunc(replaced, func(r gateway.Settings) bool { return r.UserToken == before.UserToken })
		if before.UserToken != s.UserToken && !isKnown {
			replaced = append(replaced, before)
		}
		return s.Misfits(stored)
	})
	if err != nil {
		return nil, err
	}
	return replaced, nil
}

// CheckWrite reports why settings could not be written.
func CheckWrite(ctx context.Context) error {
	return remove(ctx, func(map[string]string) bool { return false })
}

// RemoveToken removes the user token and its expiry, unless there is another token by now.
func RemoveToken(ctx context.Context, token string) error {
	return remove(ctx, func(stored map[string]string) bool { return stored[tokenKey] == token })
}

const (
	tokenKey   = "usertoken"
	expiresKey = "tokenexpires"
)

func remove(ctx context.Context, isTheirs func(stored map[string]string) bool) error {
	book, err := profiles.OpenIn("", silent)
	if err != nil {
		return err
	}
	return book.StoreSettings(ctx, nil, func(stored map[string]string) func(string) bool {
		is := isTheirs(stored)
		return func(key string) bool { return is && (key == tokenKey || key == expiresKey) }
	})
}
