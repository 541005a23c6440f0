//go:build !dev

package keys

import "time"

// What is asked for where nothing else is said.
const (
	DefaultDuration = time.Hour
	SessionPrefix   = "asia-release-" // of the name of a role session
)
