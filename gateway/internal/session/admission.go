package session

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/awsrole"
	"github.com/chaim-go/chaim/gateway/internal/idp"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/token"
)

// admission decides what lets a person in, by one view.
type admission struct {
	view   *store.View
	who    idp.Person
	prefix string // of the provider's groups; empty for a link
	at     time.Time
	user   store.User
	isNew  bool
	actor  audit.Actor
	change store.Change
}

// find finds the user of a person: the one that is linked, or a new one with a free name. A name alone never makes a person a
// user that there is: at the provider it may be another person's.
func (a *admission) find(linked string) *refusal {
	if linked != "" {
		a.user = a.view.Users[linked]
		if a.user.Disabled {
			return &refusal{http.StatusForbidden, a.user.Name + " is not an active user of this gateway."}
		}
		return nil
	}
	name := a.who.Name
	link := func(user string) string {
		return fmt.Sprintf("chaim-gateway user link %s --issuer %s --subject %s", user, shellWord(a.who.Issuer), shellWord(a.who.Subject))
	}
	if name == "" {
		return &refusal{http.StatusForbidden, "The identity provider gives you no name that a user of this gateway can have. " +
			"An operator chooses one: chaim-gateway user add NAME, and then: " + link("NAME")}
	}
	if _, isTaken := a.view.Users[name]; isTaken {
		return &refusal{http.StatusForbidden, fmt.Sprintf("This gateway has a user %s already, and does not know that this is you. "+
			"If it is, an operator runs: %s", name, link(name))}
	}
	a.isNew = true
	a.user = store.User{Name: name, SourceIdentity: awsrole.SourceIdentity(name, a.view.HasSourceIdentity), Created: a.at}
	return nil
}

// enrol makes the user if there is none yet, and gives the user the groups that the provider names.
func (a *admission) enrol() {
	if a.isNew {
		a.add(audit.UserAdded, a.user.Name, store.AddUser(a.user), "source_identity", a.user.SourceIdentity)
		a.add(audit.IdentityAdded, a.user.Name, store.AddIdentity(store.Identity{
			Issuer: a.who.Issuer, Subject: a.who.Subject, User: a.user.Name, Created: a.at,
		}), "issuer", a.who.Issuer, "subject", a.who.Subject)
	}
	a.setGroups()
	a.change.Raises = len(a.change.Effects) > 0
}

// letIn gives the user a new token. The token that the browser had ends.
func (a *admission) letIn(row store.Token, old string) {
	a.add(audit.SignedIn, "", store.AddToken(row), "token", row.ID, "expires", row.Expires.Format(time.RFC3339), "key", row.Seal.KeyID)
	a.endOld(old)
	a.change.IfAuth = a.view.Auth
}

// setGroups makes the user's groups of the provider those that the provider names now. Other groups stay.
func (a *admission) setGroups() {
	var wanted []string
	for _, name := range a.who.Groups {
		wanted = append(wanted, a.prefix+name)
	}
	for _, group := range a.user.Groups {
		if strings.HasPrefix(group, a.prefix) && !slices.Contains(wanted, group) {
			a.add(audit.MemberRemoved, a.user.Name, store.RemoveMember(group, a.user.Name), "group", group)
		}
	}
	for _, group := range wanted {
		if slices.Contains(a.user.Groups, group) {
			continue
		}
		if !slices.Contains(a.view.Groups, group) {
			a.add(audit.GroupAdded, "", store.EnsureGroup(group, a.at), "group", group)
		}
		a.add(audit.MemberAdded, a.user.Name, store.AddMember(group, a.user.Name), "group", group)
	}
}

// endOld ends a token, unless it has ended.
func (a *admission) endOld(id string) {
	old, isKnown := a.view.Tokens[id]
	if !isKnown || old.Kind != store.WebToken || !old.Revoked.IsZero() {
		return
	}
	a.add(audit.TokenRevoked, old.User, store.RevokeToken(id, a.at), "token", id, "reason", "a new sign-in in the same browser")
	a.change.Raises = true
}

// add adds an event with its effect. The details say where it came from.
func (a *admission) add(kind audit.Type, subject string, effect store.Effect, details ...string) {
	e := audit.Event{Type: kind, At: a.at, Actor: a.actor, Subject: subject, Details: map[string]string{"source": a.source()}}
	for pair := range slices.Chunk(details, 2) {
		e.Details[pair[0]] = pair[1]
	}
	a.change.Events, a.change.Effects = append(a.change.Events, e), append(a.change.Effects, effect)
}

// source is the provider, or "sign-in link".
func (a *admission) source() string {
	if a.prefix == "" {
		return "sign-in link"
	}
	return strings.TrimSuffix(a.prefix, ":")
}

// newToken makes the token of a browser.
func (m *Manager) newToken(r *http.Request, user string) (token.Secret, store.Token) {
	return m.deps.Ring.Ring().New(store.WebToken, user, browser(r.UserAgent()), time.Now().Add(m.deps.Options.WebMax))
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9._:/@%+=-]+$`)

// shellWord is a text as one word of a shell's command line.
func shellWord(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
