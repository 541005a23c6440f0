package inifile

import (
	"strings"

	"github.com/chaim-go/chaim/internal/lazyregexp"
)

// Pair is one line of a section that chaim writes.
type Pair struct{ Key, Value string }

const (
	MarkerKey    = "accountname"        // marks a section as managed
	IDKey        = "accountid"          // the 12-digit id with which keys of the account are asked for
	AccountIDKey = "aws_account_id"     // the same for SDKs, which combine it with the keys
	KindKey      = "accountkind"        // KindProfile if the account is a profile of the AWS config file; else missing
	ScopeKey     = "chaim_scope"        // tells which scope wrote the section
	ProcessKey   = "credential_process" // managed only if it prints a file of a scope
)

// accessKeys are the keys that give access.
var accessKeys = map[string]bool{
	"aws_access_key_id": true, "aws_secret_access_key": true, "aws_session_token": true, "aws_security_token": true,
}

// managedKeys are, with accessKeys, the keys that chaim writes into a section. It changes and removes no others there.
var managedKeys = map[string]bool{
	"expires": true, "expstr": true, "duration": true, "gui_url": true, "role": true, "region": true,
	MarkerKey: true, IDKey: true, AccountIDKey: true, KindKey: true, ScopeKey: true,
}

// KindProfile is the value of [KindKey].
const KindProfile = "profile"

// processRule matches a command that prints the file of a scope, and none of the user's.
var processRule = lazyregexp.New(`^(cat '.*/chaim/.*-[A-Z2-7]{26}\.json'` +
	`|cmd /c type ".*\\chaim\\.*-[A-Z2-7]{26}\.json"|cmd /c type [^"]*\\chaim\\[^"]*-[A-Z2-7]{26}\.json)$`)

func isManaged(key, value string) bool { return managedKeys[key] || givesAccess(key, value) }

func givesAccess(key, value string) bool {
	return accessKeys[key] || key == ProcessKey && processRule().MatchString(value)
}

// ownerOf returns the rule for which lines of a section are managed.
func ownerOf(name string) func(key, value string) bool {
	if name == DefaultSection {
		return isManagedInDefault
	}
	return isManaged
}

var decisiveKeys = lazyregexp.New(`^(role_arn|source_profile|credential_source|credential_process|web_identity_token_file|login_session|aws_credential_scope|sso_.*)$`)

// IsDecisive reports whether a key, in lower case, makes some SDK ignore the access keys of its section, or combine them
// with its value.
func IsDecisive(key string) bool { return decisiveKeys().MatchString(key) }

// endedLine is a note that follows the scope's mark, or is alone in a kept profile: the section was added below an
// incomplete line, which chaim ended.
const endedLine = "+"

// cutNote splits the note off the value of [ScopeKey].
func cutNote(value string) (id, note string) {
	id = strings.TrimRight(value, endedLine)
	return id, value[len(id):]
}

// maxValueSize keeps the file small enough to be read. Session tokens have a few thousand bytes at most.
const maxValueSize = 64 << 10
