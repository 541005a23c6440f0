//go:build !dev

package chaim

import "time"

const (
	defaultDuration = time.Hour
	sessionPrefix   = "asia-release-"
)
