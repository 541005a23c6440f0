package center

import (
	"time"

	"github.com/chaim-go/chaim/internal/humantime"
	"github.com/chaim-go/chaim/internal/ssotoken"
)

// Tell says until when a sign-in lasts.
func Tell(token ssotoken.Token, now time.Time) string {
	text := "the sign-in ends " + humantime.Until(token.Expires, now)
	if !token.CanRefresh(now) {
		return text
	}
	text += ", and is renewed while the Identity Center allows that"
	if ends := token.Client.Expires; !ends.IsZero() {
		text += "; a new one is needed when the registration ends " + humantime.Until(ends, now)
	}
	return text
}
