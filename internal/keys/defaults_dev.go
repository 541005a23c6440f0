//go:build dev

package keys

import "time"

// Defaults for options that are left empty.
const (
	DefaultDuration = 15 * time.Minute
	SessionPrefix   = "asia-dev-" // of a generated session name
)
