package inifile

import (
	"strings"

	"github.com/chaim-go/chaim/internal/lazyregexp"
)

// Pair is one line of a section that chaim writes.
type Pair struct{ Key, Value string }

const (
	MarkerKey    = "accountname"        // marks a section as managed
	IDKey        = "accountid"          // the account's 12 digits, by which it is asked for again
	AccountIDKey = "aws_account_id"     // the same for SDKs, which combine it with the keys
	ScopeKey     = "chaim_scope"        // tells which scope wrote it
	ProcessKey   = "credential_process" // managed only where it reads a file of a scope
)

// accessKeys are those that give access.
var accessKeys = map[string]bool{
	"aws_access_key_id": true, "aws_secret_access_key": true, "aws_session_token": true, "aws_security_token": true,
}

// managedKeys are, with accessKeys, those that chaim writes into a section, and the only ones it changes or removes there.
var managedKeys = map[string]bool{
	"expires": true, "expstr": true, "duration": true, "gui_url": true, "role": true, "region": true,
	MarkerKey: true, IDKey: true, AccountIDKey: true, ScopeKey: true,
}

// processRule is a command that prints the file of a scope, as against one of the user's.
var processRule = lazyregexp.New(`^(cat '.*/chaim/.*-[A-Z2-7]{26}\.json'` +
	`|cmd /c type ".*\\chaim\\.*-[A-Z2-7]{26}\.json"|cmd /c type [^"]*\\chaim\\[^"]*-[A-Z2-7]{26}\.json)$`)

func isManaged(key, value string) bool { return managedKeys[key] || givesAccess(key, value) }

func givesAccess(key, value string) bool {
	return accessKeys[key] || key == ProcessKey && processRule().MatchString(value)
}

// ownerOf returns the rule by which lines of the section of that name are managed.
func ownerOf(name string) func(key, value string) bool {
	if name == DefaultSection {
		return isManagedInDefault
	}
	return isManaged
}

var decisiveKeys = lazyregexp.New(`^(role_arn|source_profile|credential_source|credential_process|web_identity_token_file|login_session|aws_credential_scope|sso_.*)$`)

// IsDecisive reports whether a key in lower case is one in place of which, or along with which, some SDK ignores the
// keys of its section, or which it combines with them.
func IsDecisive(key string) bool { return decisiveKeys().MatchString(key) }

// endedLine follows the scope's id, or stands without one in a profile that is kept: an incomplete last line of the file was
// ended above the section.
const endedLine = "+"

// cutNote splits that off a scope's id.
func cutNote(value string) (id, note string) {
	id = strings.TrimRight(value, endedLine)
	return id, value[len(id):]
}

// maxValueSize keeps the file within what is read of it; session tokens have a few thousand bytes at most.
const maxValueSize = 64 << 10
