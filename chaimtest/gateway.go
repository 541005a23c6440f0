package chaimtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/chaim-go/chaim/internal/pyrepr"
)

const (
	listCommand = "--list"

	// refusal begins the gateway's errors. Those of the original begin with doStart.
	doStart = "doStart: Error "
	refusal = doStart + "CredentialsGenerationFail: buildCredentials error: "

	resourceKeys = "/"
	resourceLink = "/gui"
)

// gatewayResource returns the gateway's resource for a request, or "".
func gatewayResource(r *http.Request) string {
	switch {
	case r.Method != http.MethodPost:
		return ""
	case r.URL.Path == gatewayPath || r.URL.Path+"/" == gatewayPath:
		return resourceKeys
	case r.URL.Path == gatewayPath+"gui":
		return resourceLink
	}
	return ""
}

// gateway answers as the chaim gateway does, behind its API Gateway.
func (x *exchange) gateway() {
	var text string
	var err error
	o := x.s.original()
	resource := gatewayResource(x.r)
	switch {
	case resource == resourceKeys && o != nil:
		text, err = x.originalKeys(o)
	case resource == resourceLink && o != nil:
		text, err = x.originalLink(o)
	case resource == resourceKeys && x.rec.Action == "List": // needs no lock: Action does not change any more
		text, err = x.list()
	case resource == resourceKeys:
		text, err = x.grant()
	case resource == resourceLink:
		text, err = x.consoleLink()
	default:
		const message = "Missing Authentication Token" // API Gateway's answer to any wrong URL
		x.note(func(r *Request) { r.Error = message })
		writeMessage(x, http.StatusForbidden, message)
		return
	}
	if err != nil {
		text = err.Error()
		switch {
		case o == nil:
			text = refusal + text
		case resource == resourceKeys:
			text = doStart + text
		}
		x.note(func(r *Request) { r.Error = text })
		writeEnvelope(x, "400", text)
		return
	}
	writeEnvelope(x, "200", text)
}

// refused is an error in the gateway's words.
type refused string

func (r refused) Error() string { return string(r) }

// user returns the user of a request if the token is right. The caller holds Server.mu.
func (x *exchange) user() (name string, err error) {
	name = x.form.Get("user_name")
	u := x.s.world.users[name]
	switch {
	case u == nil || !equal(u.token, x.form.Get("token")):
		return "", refused("IncorrectCredentials: Invalid token")
	case u.disabled:
		return "", refused("IncorrectCredentials: " + name + " is not an active user.")
	case u.expired:
		return "", refused("IncorrectCredentials: usertoken has expired")
	}
	return name, nil
}

// parseAsk reads account,role,duration as the gateway does: durations from 1 to 12 are hours, others are seconds, brought
// into the range from 900 to 43200. A missing duration is 900 seconds.
func parseAsk(text string) (account, role string, d time.Duration) {
	part := func(i int) string {
		if parts := strings.Split(text, ","); i < len(parts) {
			return strings.TrimSpace(parts[i])
		}
		return ""
	}
	account, role = part(0), part(1)
	if role == "" {
		role = defaultRole
	}
	n, err := strconv.Atoi(part(2))
	switch {
	case err != nil:
		return account, role, 900 * time.Second
	case n >= 1 && n <= 12:
		return account, role, time.Duration(n) * time.Hour
	}
	return account, role, time.Duration(min(max(n, 900), 43200)) * time.Second
}

// grant answers a request for keys.
func (x *exchange) grant() (string, error) {
	s, w := x.s, x.s.world
	s.mu.Lock()
	defer s.mu.Unlock()
	user, err := x.user()
	if err != nil {
		return "", err
	}
	name, alias, d := parseAsk(x.form.Get("text"))
	a, role := w.account(name), w.role(alias)
	switch {
	case a == nil:
		return "", refused("DataNotFound: Account not found: " + name)
	case role == "":
		return "", refused("DataNotFound: Role not recognised: " + alias)
	case w.denied(user, a, role):
		return "", refused(fmt.Sprintf("DataNotFound: Permission not granted to %s for %s in %s", user, role, a.name))
	case !w.has(a, role):
		return "", refused(fmt.Sprintf("IncorrectCredentials: user %s is not allowed to access %s at role %s",
			user, a.name, alias))
	}
	return x.issue(user, a.id, a.name, role, d), nil
}

// issue issues keys and returns the text with them. The caller holds Server.mu.
func (x *exchange) issue(user, accountID, section, role string, d time.Duration) string {
	s := x.s
	d = s.world.granted(d)
	k := &key{account: accountID, role: role, session: user, user: user, expires: s.world.now().Add(d).Truncate(time.Second)}
	id := s.world.issue(k)
	return dict(
		"accountid", pyrepr.Quote(accountID),
		"sectionname", pyrepr.Quote(section),
		"accesskeyid", pyrepr.Quote(id),
		"secretkey", pyrepr.Quote(k.secret),
		"sessiontoken", pyrepr.Quote(k.token),
		"expiresstr", pyrepr.Quote(fmt.Sprintf("Expires in %s at %s.", spoken(d), k.expires.UTC().Format(time.TimeOnly))),
		"expires", strconv.FormatInt(k.expires.Unix(), 10),
		"url", pyrepr.Quote(signInLink()),
	)
}

// list returns the text with the account list.
func (x *exchange) list() (string, error) {
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	if _, err := x.user(); err != nil {
		return "", err
	}
	accounts := make([]string, 0, 8)
	for _, a := range x.s.world.accounts {
		accounts = append(accounts, tuple([]string{pyrepr.Quote(a.id), pyrepr.Quote(a.name)}))
	}
	return dict("accountlist", tuple(accounts)), nil
}

// consoleLink returns the text with a console link for keys that the server has issued.
func (x *exchange) consoleLink() (string, error) {
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	k := x.s.world.keys[x.form.Get("accesskey")]
	switch {
	case k == nil || k.token == "" || !equal(k.secret, x.form.Get("secret")) || !equal(k.token, x.form.Get("session")):
		return "", refused("UrlGenerationFail: the security token is not valid")
	case !x.s.world.now().Before(k.expires):
		return "", refused("UrlGenerationFail: the security token has expired")
	}
	return dict("url", pyrepr.Quote(signInLink())), nil
}

func signInLink() string {
	return "https://signin.aws.amazon.com/federation?" + url.Values{
		"Action":      {"login"},
		"Issuer":      {"chaim"},
		"Destination": {"https://console.aws.amazon.com/"},
		"SigninToken": {newSecret(120)},
	}.Encode()
}

// dict returns a Python dict. pairs are keys, which it quotes, and values, which must be literals.
func dict(pairs ...string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(pyrepr.Quote(pairs[i]) + ": " + pairs[i+1])
	}
	return "{" + b.String() + "}"
}

// tuple returns a Python tuple of literals.
func tuple(items []string) string {
	if len(items) == 1 {
		return "(" + items[0] + ",)"
	}
	return "(" + strings.Join(items, ", ") + ")"
}

// writeEnvelope answers in the gateway's form: with HTTP status 200, and the real status as a string inside.
func writeEnvelope(w http.ResponseWriter, status, text string) {
	writeJSON(w, http.StatusOK, struct {
		ResponseType string            `json:"response_type"`
		StatusCode   string            `json:"statusCode"`
		Text         string            `json:"text"`
		Headers      map[string]string `json:"headers"`
	}{"ephemeral", status, text, map[string]string{"Content-Type": "application/json"}})
}

// writeMessage answers as API Gateway does when a request does not reach the gateway.
func writeMessage(w http.ResponseWriter, status int, message string) {
	writeJSON(w, status, struct {
		Message string `json:"message"`
	}{message})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // only strings in there
	}
	write(w, status, "application/json", b.String())
}
