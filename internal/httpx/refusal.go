package httpx

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/chaim-go/chaim/internal/keys"
)

// Refusal is a gateway's error, or a reply that does not come from a chaim gateway.
type Refusal struct {
	StatusCode int           // inside the reply, or else the HTTP status
	Kind       string        // the gateway's exception name, such as "IncorrectCredentials", or ""
	Message    string        // the gateway's text, or what is wrong with its reply; without secrets
	Final      bool          // another attempt cannot help
	Pause      time.Duration // the pause that the reply asks for
}

// Error describes the refusal.
func (r *Refusal) Error() string {
	r = cmp.Or(r, new(Refusal))
	var b strings.Builder
	fmt.Fprintf(&b, "chaim: gateway answered %d", r.StatusCode)
	for _, s := range []string{r.Kind, r.Message} {
		if s != "" {
			b.WriteString(": " + s)
		}
	}
	return b.String()
}

// denials are the kinds of refusals that are about the user. The first is that of forms, the others are those of the JSON API.
var denials = []string{"IncorrectCredentials", "bad_token", "expired_token", "disabled_user", "not_allowed"}

// Is makes the refusal [keys.ErrDenied] if the gateway refused the user, and [keys.ErrUnreachable] if a proxy answered in
// the gateway's place.
func (r *Refusal) Is(target error) bool {
	r = cmp.Or(r, new(Refusal))
	switch target {
	case keys.ErrUnreachable:
		return IsAway(r.StatusCode) && r.Kind == ""
	case keys.ErrDenied:
		return slices.Contains(denials, r.Kind) || strings.Contains(r.Message, "Permission not granted")
	}
	return false
}

// IsFinal reports whether another attempt cannot help.
func (r *Refusal) IsFinal() bool { return cmp.Or(r, new(Refusal)).Final }

// RetryAfter returns the pause that the reply asks for.
func (r *Refusal) RetryAfter() time.Duration { return cmp.Or(r, new(Refusal)).Pause }

// IsAway reports whether proxies answer with this status for a server that they cannot reach.
func IsAway(status int) bool {
	return status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout
}

// KindOfBody describes a body without repeating any of it.
func KindOfBody(resp *http.Response, body []byte) string {
	kind := "something else"
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") || strings.HasPrefix(strings.TrimSpace(string(body)), "<") {
		kind = "an HTML page, perhaps a proxy's"
	}
	return fmt.Sprintf("%s (%d bytes)", kind, len(body))
}
