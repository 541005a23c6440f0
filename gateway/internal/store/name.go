package store

import (
	"regexp"
	"sync"
)

// ReservedUser is a name that no user has: the gateway tests roles with it.
const ReservedUser = "chaim-gateway-doctor"

var userRule = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9][a-z0-9._@-]{1,63}$`) })

// IsUserName reports whether a user can have this name. All such names can stand in SourceIdentity as they are.
func IsUserName(name string) bool { return name != ReservedUser && userRule().MatchString(name) }
