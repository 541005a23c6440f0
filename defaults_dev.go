//go:build dev

package chaim

import "time"

const (
	defaultDuration = 15 * time.Minute
	sessionPrefix   = "asia-dev-"
)
