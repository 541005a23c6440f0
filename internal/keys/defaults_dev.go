//go:build dev

package keys

import "time"

// What is asked for where nothing else is said.
const (
	DefaultDuration = 15 * time.Minute
	SessionPrefix   = "asia-dev-" // of the name of a role session
)
