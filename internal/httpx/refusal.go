package httpx

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/chaim-go/chaim/internal/keys"
)

// Refusal is a gateway's error, or an answer that is not one of a chaim gateway.
type Refusal struct {
	StatusCode int           // inside the reply, or the HTTP status where the reply holds none
	Kind       string        // the gateway's exception name, such as "IncorrectCredentials"; empty when it gave none
	Message    string        // what the gateway said, or what was wrong with its answer; fit to be shown
	Final      bool          // asking again will not help
	Pause      time.Duration // the pause that the reply asked for
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

// Is reports whether target is [keys.ErrDenied] and the gateway refused the user rather than failed, or
// [keys.ErrUnreachable] and something answered in its place.
func (r *Refusal) Is(target error) bool {
	r = cmp.Or(r, new(Refusal))
	switch target {
	case keys.ErrUnreachable:
		return IsAway(r.StatusCode) && r.Kind == ""
	case keys.ErrDenied:
		return r.Kind == "IncorrectCredentials" || strings.Contains(r.Message, "Permission not granted")
	}
	return false
}

// IsFinal reports whether asking again will not help.
func (r *Refusal) IsFinal() bool { return cmp.Or(r, new(Refusal)).Final }

// RetryAfter is the pause that the reply asked for.
func (r *Refusal) RetryAfter() time.Duration { return cmp.Or(r, new(Refusal)).Pause }

// IsAway reports whether that status is what something in between answers for a server that is not there.
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
