//go:build !dev

package keys

import "time"

// Defaults for options that are left empty.
const (
	DefaultDuration = time.Hour
	SessionPrefix   = "asia-release-" // of a generated session name
)
