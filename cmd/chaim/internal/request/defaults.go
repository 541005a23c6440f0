package request

import (
	"cmp"
	"fmt"
	"os"
	"sync"

	"github.com/chaim-go/chaim/internal/profiles"
)

// builtInRole is the role if the user has chosen no other default.
const builtInRole = "rro"

// The defaults that a person sets once, as variables or as keys of the section [default] of the credentials file.
const (
	roleVariable, roleKey         = "CHAIM_ROLE", "chaim_role"
	durationVariable, durationKey = "CHAIM_DURATION", "chaim_duration"
	regionVariable, regionKey     = "CHAIM_REGION_DEFAULT", "chaim_region"
)

// settings are the keys of [default]. A file that cannot be read sets no defaults.
var settings = sync.OnceValue(func() map[string]string {
	book, err := profiles.OpenIn("", nil)
	if err != nil || book.CheckStore() != nil { // a pipe is for the program
		return nil
	}
	pairs, _, _ := book.DefaultSection()
	return pairs
})

// defaultRole is the role without a flag or an argument for it. Within a program that chaim runs, CHAIM_ROLE is the role of
// that program's keys, and no default.
func defaultRole() string {
	role := os.Getenv(roleVariable)
	if os.Getenv("CHAIM_ACCOUNT") != "" {
		role = ""
	}
	return cmp.Or(role, settings()[roleKey], builtInRole)
}

// hasDefaultRole reports whether the user has chosen a default role.
func hasDefaultRole() bool { return defaultRole() != builtInRole }

// defaultDuration is the lifetime without a flag. It is zero for that of the library.
func defaultDuration() (d Duration, err error) {
	for _, from := range []struct{ where, text string }{
		{durationVariable, os.Getenv(durationVariable)}, {durationKey + " in [default]", settings()[durationKey]},
	} {
		if from.text == "" {
			continue
		}
		if err := d.Set(from.text); err != nil {
			return 0, fmt.Errorf("%s: %w", from.where, err)
		}
		return d, nil
	}
	return 0, nil
}

// defaultRegion is the region for an account for which neither the environment nor the AWS config file has one.
func defaultRegion(account string) string {
	region := cmp.Or(os.Getenv(regionVariable), settings()[regionKey])
	if region == "" {
		return ""
	}
	if chosen, err := profiles.ReadConfig().ChosenRegion("", account); err != nil || chosen != "" {
		return ""
	}
	return region
}
