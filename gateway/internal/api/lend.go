package api

import (
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/policy"
)

// credentialsAsk asks for keys.
type credentialsAsk struct {
	Account string `json:"account"`
	Role    string `json:"role"`
	Seconds *int64 `json:"durationSeconds"`
	Exact   bool   `json:"exact"`
	Console bool   `json:"console"`
}

func (b credentialsAsk) ask() (issue.Ask, error) {
	if b.Account == "" || b.Role == "" {
		return issue.Ask{}, malformed("the fields account and role are needed")
	}
	if len(b.Account) > maxText || len(b.Role) > maxText {
		return issue.Ask{}, malformed("account and role are texts of at most %d bytes", maxText)
	}
	lifetime, err := seconds(b.Seconds, "durationSeconds", policy.MinLifetime, policy.MaxLifetime)
	return issue.Ask{Account: b.Account, Role: b.Role, Duration: lifetime, WantsURL: b.Console, Exact: b.Exact}, err
}

// accountName is an account in an answer.
type accountName struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// lent are keys that a caller gets. They print without their secrets.
type lent struct {
	Issue      string      `json:"issue"`
	Account    accountName `json:"account"`
	Role       string      `json:"role"`
	Expiration time.Time   `json:"expiration"`
	Cap        string      `json:"cap,omitempty"`
	URL        string      `json:"consoleUrl,omitempty"`
	secretKeys
}

// secretKeys are keys of AWS. They print without their secrets.
type secretKeys struct {
	ID     string `json:"accessKeyId"`
	Secret string `json:"secretAccessKey"`
	Token  string `json:"sessionToken"`
}

// Format prints the id of the keys only.
func (k secretKeys) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "keys %q", k.ID) }

func (a *API) credentials(c call) (answer, error) {
	var body credentialsAsk
	ask := issue.Ask{}
	err := c.read(&body)
	if err == nil {
		ask, err = body.ask()
	}
	if err != nil {
		return answer{}, err
	}
	grant, err := a.deps.Portal.Credentials(c.ctx(), c.caller, ask)
	a.deps.Watcher.Asked(resultOf(err), c.caller.Agent)
	if err != nil {
		return answer{}, err
	}
	keys := grant.Keys
	return answer{body: lent{
		Issue: grant.Issue, Account: accountName{grant.AccountID, grant.AccountName}, Role: grant.Role, Expiration: keys.Expires.UTC(),
		Cap: grant.Cap, URL: grant.URL, secretKeys: secretKeys{keys.AccessKeyID, keys.SecretAccessKey, keys.SessionToken},
	}}, nil
}

// linkAsk asks for a console link: for keys that this gateway lent, or for a role.
type linkAsk struct {
	ID      string `json:"accessKeyId"`
	Secret  string `json:"secretAccessKey"`
	Token   string `json:"sessionToken"`
	Account string `json:"account"`
	Role    string `json:"role"`
}

// Format prints what is no secret.
func (b linkAsk) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "a console link for %q", b.ID) }

// link is a console link. It is as secret as the keys, and does not print.
type link struct {
	URL   string `json:"consoleUrl"`
	Issue string `json:"issue,omitempty"`
}

// Format prints the issue only.
func (l link) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "the console link of issue %q", l.Issue)
}

func (a *API) consoleLink(c call) (answer, error) {
	var body linkAsk
	if err := c.read(&body); err != nil {
		return answer{}, err
	}
	c.input.secrets = []string{body.Secret, body.Token}
	hasKeys, hasRole := body.ID+body.Secret+body.Token != "", body.Account+body.Role != ""
	var found link
	var err error
	switch {
	case hasKeys == hasRole:
		return answer{}, malformed("a link is for keys (accessKeyId, secretAccessKey and sessionToken) or for a role (account and role)")
	case hasKeys:
		keys := aws.Credentials{AccessKeyID: body.ID, SecretAccessKey: body.Secret, SessionToken: body.Token}
		found.URL, err = a.deps.Portal.Link(c.ctx(), c.caller, keys)
	default:
		var ask issue.Ask
		if ask, err = (credentialsAsk{Account: body.Account, Role: body.Role}).ask(); err == nil {
			found.URL, found.Issue, err = a.deps.Portal.Console(c.ctx(), c.caller, ask)
		}
	}
	return answer{body: found}, err
}

// lentKeys are keys that the gateway lent before.
type lentKeys struct {
	Issue   string      `json:"issue"`
	Account accountName `json:"account"`
	Role    string      `json:"role"`
	KeyID   string      `json:"accessKeyId,omitempty"`
	At      time.Time   `json:"at"`
	Expires *time.Time  `json:"expires,omitempty"`
	State   string      `json:"state"`
	Origin  origin      `json:"origin"`
}

type origin struct {
	Token string `json:"token"`
	IP    string `json:"ip"`
	Agent string `json:"agent"`
}

func (a *API) keys(c call) (answer, error) {
	all, err := a.deps.Portal.Keys(c.ctx(), c.caller, c.query.Get("user"))
	list := make([]lentKeys, 0, len(all))
	for _, l := range all {
		one := lentKeys{
			Issue: l.Issue, Account: accountName{l.Account, l.AccountName}, Role: l.Role, KeyID: l.KeyID, At: l.At.UTC(),
			State: string(l.State), Origin: origin{l.Origin.Token, l.Origin.IP, l.Origin.Agent},
		}
		if !l.Expires.IsZero() {
			expires := l.Expires.UTC()
			one.Expires = &expires
		}
		list = append(list, one)
	}
	return answer{body: map[string]any{"keys": list}}, err
}
