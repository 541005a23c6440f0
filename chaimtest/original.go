package chaimtest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/chaim-go/chaim/internal/pyrepr"
)

// Original describes a version of the original project's gateway. The zero value is its newest version. See
// [Server.SetOriginal].
type Original struct {
	// ByUserName finds the user by user_name, as older versions do. False means by team_id and user_id, without user_name.
	ByUserName bool
	// Columns are the values of more columns in each row of the account list. Nil means that a row is an id and a name.
	Columns []string
	// NoSignIn makes the AWS sign-in page fail: the gateway refuses keys, and answers False for a console link.
	NoSignIn bool
	// MaxDuration is the longest session of the roles. Keys for longer are refused. Zero means 12 hours.
	MaxDuration time.Duration
}

// SetOriginal makes the gateway behave as the original one from now on:
//
//   - The user is found by Slack ids (see [Server.LinkSlack]), of which [Server.Settings] and [Server.Environ] hold those
//     of the default user.
//   - For an account name with a space it ignores role and duration: the keys are for CrossAccountReadOnly and end after
//     900 seconds. Without a duration keys also end after 900 seconds.
//   - A name with an apostrophe breaks its SQL, and a name such as "list", "help" or "count" is a command. Upper and lower
//     case make no difference. A number is an id.
//   - The account list needs neither user nor token, and is sorted by name. A console link needs no valid keys.
//   - Refusals have its words. It refuses ARNs of roles, and roles that an account does not have.
//   - [Server.AddAccount] replaces only an account with the same id, so two accounts may have the same name.
//
// STS and the federation endpoint do not change.
func (s *Server) SetOriginal(o Original) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.world.original = &o
}

// LinkSlack sets a user's Slack workspace id and Slack user id. The default user has "T0CHAIM" and "U0CHAIM". It panics if
// there is no such user.
func (s *Server) LinkSlack(name, workspaceID, slackID string) {
	s.changeUser(name, func(u *user) { u.workspaceID, u.slackID = workspaceID, slackID })
}

// The commands of the original, with and without dashes.
var (
	listVerbs  = []string{listCommand, "-l", "list"}
	otherVerbs = []string{
		"--help", "-h", "help", "--version", "-v", "version", "--initshow", "-i", "initshow",
		"--roles", "-r", "roles", "--count", "-c", "count",
	}
	keyVerbs = []string{"--whoskey", "-w", "whoskey"} // before a space
)

// originalAsk is a request's text as the original reads it.
type originalAsk struct {
	account, role  string // role in the client's words
	duration       time.Duration
	isList, isVerb bool
}

// parseOriginal parses a request's text as the original does.
func parseOriginal(text string) (ask originalAsk, err error) {
	fields := strings.Split(text, ",")
	for i := range fields {
		fields[i] = strings.TrimSpace(fields[i])
	}
	ask = originalAsk{account: fields[0], role: defaultRole, duration: 900 * time.Second}
	first, _, hasSpace := strings.Cut(ask.account, " ")
	switch {
	case text == "": // to the original an empty field is a missing one
		return ask, refused("AttributeError: 'NoneType' object has no attribute 'split'")
	case slices.Contains(listVerbs, ask.account):
		ask.isList = true
		return ask, nil
	case slices.Contains(otherVerbs, ask.account):
		ask.isVerb = true
		return ask, nil
	case hasSpace:
		ask.isVerb = slices.Contains(keyVerbs, first)
		return ask, nil
	}
	seconds := 900
	switch {
	case len(fields) > 2:
		ask.role = fields[1]
		if seconds, err = strconv.Atoi(fields[2]); err != nil {
			ask.role = fields[2]
			seconds, err = strconv.Atoi(fields[1])
		}
		if err != nil {
			return ask, refused("BadCommandStr: Failed to parse command")
		}
	case len(fields) > 1:
		ask.role = fields[1]
	}
	if 1 <= seconds && seconds <= 12 {
		seconds *= 3600
	}
	ask.duration = time.Duration(min(max(seconds, 900), 43200)) * time.Second
	return ask, nil
}

// originalKeys answers as the original does: with keys or the account list.
func (x *exchange) originalKeys(o *Original) (string, error) {
	ask, err := parseOriginal(x.form.Get("text"))
	switch {
	case err != nil:
		return "", err
	case ask.isList:
		return x.originalList(o), nil
	}
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	name, u, err := x.originalUser(o)
	if err != nil {
		return "", err
	}
	role, isAlias := x.s.world.roles[ask.role]
	switch {
	case isAlias:
	case len(ask.role) == 3 && !ask.isVerb:
		return "", refused("DataNotFound: Role not recognised: " + ask.role)
	default:
		role = ask.role
	}
	text, err := x.originalGrant(o, name, u, ask, role)
	if err != nil {
		err = refused("CredentialsGenerationFail: buildCredentials error: " + err.Error())
	}
	return text, err
}

// originalUser returns the user of a request, nil if there is none. The caller holds Server.mu.
func (x *exchange) originalUser(o *Original) (string, *user, error) {
	if o.ByUserName {
		name := x.form.Get("user_name")
		return name, x.s.world.users[name], nil
	}
	workspaceID, slackID := x.form.Get("team_id"), x.form.Get("user_id")
	for name, u := range x.s.world.users {
		if u.slackID != "" && u.workspaceID == workspaceID && u.slackID == slackID {
			return name, u, nil
		}
	}
	return "", nil, refused("DataNotFound: Failed to obtain username from workspace and slack ids")
}

// originalGrant issues keys. The caller holds Server.mu.
func (x *exchange) originalGrant(o *Original, name string, u *user, ask originalAsk, role string) (string, error) {
	switch {
	case u == nil:
		return "", refused(`DataNotFound: User not found in Cognito DB: /` + name + `\`)
	case u.disabled:
		return "", refused("IncorrectCredentials: " + name + " is not an active user.")
	case !equal(u.token, x.form.Get("token")):
		return "", refused("IncorrectCredentials: Invalid token")
	case u.expired:
		return "", refused("IncorrectCredentials: usertoken has expired")
	case ask.isVerb:
		return "", refused("KeyError: 'accountname'")
	}
	w := x.s.world
	a, err := w.originalAccount(ask.account)
	if err != nil {
		return "", err
	}
	full := w.fullRole(role)
	switch {
	case full == "":
		return "", refused("DataNotFound: Role not found: " + role)
	case a == nil || w.denied(name, a, full):
		return "", refused(fmt.Sprintf("DataNotFound: Permission not granted to %s in %s for %s", name, ask.account, role))
	case !w.has(a, full) || o.MaxDuration > 0 && ask.duration > o.MaxDuration: // STS would refuse
		return "", refused(fmt.Sprintf("DataNotFound: failed to generate access keys for user %s for account %s at role %s", name, ask.account, role))
	case o.NoSignIn:
		return "", refused("UrlGenerationFail: Failed to generate a login url")
	}
	section := ask.account
	if isNumber(section) {
		section = a.name
	}
	return x.issue(name, a.id, section, full, ask.duration), nil
}

// originalAccount finds an account. For an unknown id it returns nil without an error. The caller holds Server.mu.
func (w *world) originalAccount(name string) (*account, error) {
	if isNumber(name) {
		for _, a := range w.accounts {
			if a.id == name {
				return a, nil
			}
		}
		return nil, nil
	}
	if before, after, hasQuote := strings.Cut(name, "'"); hasQuote {
		return nil, refused(fmt.Sprintf(`ProgrammingError: (1064, "You have an error in your SQL syntax near '%s' limit 1' at line %d")`,
			after, strings.Count(before, "\n")+1))
	}
	for _, a := range w.accounts { // the first one with this name
		if strings.EqualFold(a.name, name) && !strings.Contains(name, `\`) {
			return a, nil
		}
	}
	return nil, refused("DataNotFound: Account not found: " + name)
}

// fullRole returns the gateway's name of a role, or "". It ignores upper and lower case.
func (w *world) fullRole(name string) string {
	for _, full := range w.roles {
		if strings.EqualFold(full, name) {
			return full
		}
	}
	for _, a := range w.accounts {
		for _, full := range a.roles {
			if strings.EqualFold(full, name) {
				return full
			}
		}
	}
	return ""
}

// isNumber reports whether the original reads a name as a number, and so as an id.
func isNumber(name string) bool {
	_, err := strconv.ParseFloat(name, 64)
	return err == nil
}

// originalList returns the text with the account list.
func (x *exchange) originalList(o *Original) string {
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	sorted := slices.Clone(x.s.world.accounts)
	slices.SortStableFunc(sorted, func(a, b *account) int {
		return strings.Compare(strings.ToLower(a.name), strings.ToLower(b.name))
	})
	rows := make([]string, len(sorted))
	for i, a := range sorted {
		row := []string{pyrepr.Quote(a.id), pyrepr.Quote(a.name)}
		for _, column := range o.Columns {
			row = append(row, pyrepr.Quote(column))
		}
		rows[i] = tuple(row)
	}
	return dict("accountlist", "["+strings.Join(rows, ", ")+"]")
}

// originalLink returns the text with a console link, for any keys.
func (x *exchange) originalLink(o *Original) (string, error) {
	for _, name := range []string{"accesskey", "secret", "session", "duration", "username", "account"} {
		if x.form.Get(name) == "" {
			return "", refused("start cli gui: TypeError: 'NoneType' object is not subscriptable")
		}
	}
	if o.NoSignIn {
		return dict("url", "False"), nil
	}
	return dict("url", pyrepr.Quote(signInLink())), nil
}

// original returns the version of the original to behave as, or nil.
func (s *Server) original() *Original {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.world.original
}
