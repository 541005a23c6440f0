package session

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/internal/token"
	"github.com/chaim-go/chaim/internal/httpx"
)

// The purposes of sealed cookies.
const (
	purposeSession = "session of a browser"
	purposeSignIn  = "sign-in of a browser"
)

// refreshes is how often the time of last use is written anew within the idle time, at most.
const refreshes = 12

// isSecure reports whether browsers reach the gateway by https. If not, it is on this machine.
func (m *Manager) isSecure() bool { return m.deps.Options.URL.Scheme == "https" }

// name is the name of a cookie. With the prefix __Host- no other host and no plain http can set it.
func (m *Manager) name(secure, plain string) string {
	if m.isSecure() {
		return "__Host-" + secure
	}
	return plain
}

func (m *Manager) cookieName() string { return m.name("chaim", "chaim-session") }

func (m *Manager) signInName() string { return m.name("chaim-sign-in", "chaim-sign-in") }

// set gives the browser a cookie. A zero life means until the browser is closed.
func (m *Manager) set(w http.ResponseWriter, name, value string, life time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: int(life.Seconds()), Secure: m.isSecure(), HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// clear takes a cookie from the browser.
func (m *Manager) clear(w http.ResponseWriter, name string) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Path: "/", MaxAge: -1, Secure: m.isSecure(), HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// seal gives the browser a value that only this gateway can read, for one purpose.
func (m *Manager) seal(w http.ResponseWriter, name, purpose string, value any, life time.Duration) {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // only texts and numbers in there
	}
	m.set(w, name, m.deps.Ring.Ring().Seal(purpose, text), life)
}

// unseal reads a cookie into a value. It takes no cookie of a name that the request has twice: one of the two is another's.
func (m *Manager) unseal(r *http.Request, name, purpose string, into any) bool {
	found := r.CookiesNamed(name)
	if len(found) != 1 {
		return false
	}
	text, err := m.deps.Ring.Ring().Unseal(purpose, found[0].Value)
	return err == nil && json.Unmarshal(text, into) == nil
}

// held is what the cookie of a session holds.
type held struct {
	Token string `json:"token"`
	Used  int64  `json:"used"` // seconds since 1970
}

// give makes a browser hold a token from now on.
func (m *Manager) give(w http.ResponseWriter, text token.Secret) {
	m.hold(w, text.Reveal(), time.Now())
}

func (m *Manager) hold(w http.ResponseWriter, text string, used time.Time) {
	m.seal(w, m.cookieName(), purposeSession, held{text, used.Unix()}, 0)
}

// Caller returns who asks with a browser, as its cookie says: [issue.Issuer.Authenticate] proves it. It is false without a
// cookie, and with one that is not this gateway's or was not used for too long. A cookie that is in use is renewed in the
// answer, so call it before the answer begins.
func (m *Manager) Caller(w http.ResponseWriter, r *http.Request) (issue.Caller, bool) {
	text, used, isThere := m.held(r)
	now := time.Now()
	switch idle := now.Sub(used); {
	case !isThere || idle > m.deps.Options.IdleWeb:
		if _, err := r.Cookie(m.cookieName()); err == nil {
			m.clear(w, m.cookieName())
		}
		return issue.Caller{}, false
	case idle > m.deps.Options.IdleWeb/refreshes:
		m.hold(w, text, now)
	}
	c := issue.Caller{Way: issue.ByPage, Token: text, Agent: httpx.Scrub(r.UserAgent(), maxAgent)}
	c.IP, c.IsProven = m.deps.Options.Address(r)
	return c, true
}

// held returns the token of a browser and when it was used last.
func (m *Manager) held(r *http.Request) (text string, used time.Time, isThere bool) {
	var h held
	isThere = m.unseal(r, m.cookieName(), purposeSession, &h)
	return h.Token, time.Unix(h.Used, 0), isThere
}

// oldToken returns the id of the token that a browser holds, or "".
func (m *Manager) oldToken(r *http.Request) string {
	text, _, _ := m.held(r)
	id, _, _ := token.Parse(text) // an error means none
	return id
}
