package chaimtest

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/chaim-go/chaim/internal/lazyregexp"
)

const (
	defaultUser = "test.user"
	defaultRole = "rro"

	// What secrets begin with, so that one that got out is recognised. A UUID has no room for letters beyond f.
	secretMark    = "CANARY"
	userTokenMark = "ca9a12e5"
)

// world is what gateway and STS know. Server.mu guards it.
type world struct {
	users    map[string]*user
	accounts []*account
	roles    map[string]string // alias to role name
	keys     map[string]*key   // by access key id
	denials  []denial
	original *Original // nil without SetOriginal
}

type user struct {
	token                string
	expired, disabled    bool
	workspaceID, slackID string // empty without LinkSlack
}

type account struct {
	id, name string
	roles    []string // nil means every role of the gateway
	trust    trust
}

// trust is what AssumeRole must bring along; empty means nothing.
type trust struct{ externalID, mfaSerial, mfaCode string }

// key is a set of AWS keys that was handed out.
type key struct {
	account, role, session string    // role is empty for an IAM user's keys
	user                   string    // chaim or IAM user the keys go back to
	secret, token          string    // token is empty for an IAM user's keys
	expires                time.Time // zero means never

	chained        bool     // got with keys of a role
	partition      string   // of the role's ARN; empty means "aws"
	sourceIdentity string   // empty if none was given
	transitive     []string // lower-case keys of the session tags that chained sessions inherit
}

type denial struct{ user, account, role string }

func newWorld() *world {
	return &world{
		users: map[string]*user{defaultUser: {token: newUserToken(), workspaceID: "T0CHAIM", slackID: "U0CHAIM"}},
		accounts: []*account{
			{id: "111111111111", name: "sredev"},
			{id: "222222222222", name: "Connected Homes"},
			{id: "333333333333", name: "O'Brien"},
		},
		roles: map[string]string{
			"rro": "CrossAccountReadOnly",
			"mpu": "CrossAccountPowerUser",
			"spu": "CrossAccountSysAdmin",
			"apu": "CrossAccountAdminUser",
		},
		keys: map[string]*key{},
	}
}

// account finds an account by its name or id.
func (w *world) account(name string) *account {
	for _, a := range w.accounts {
		if name == a.id || name == a.name {
			return a
		}
	}
	return nil
}

// role returns the full name of an alias or of a role that some account has, or "".
func (w *world) role(name string) string {
	if full, ok := w.roles[name]; ok {
		return full
	}
	for _, full := range w.roles {
		if name == full {
			return full
		}
	}
	for _, a := range w.accounts {
		if slices.Contains(a.roles, name) {
			return name
		}
	}
	return ""
}

// has reports whether the account has the role, given in full.
func (w *world) has(a *account, role string) bool {
	if a.roles != nil {
		return slices.Contains(a.roles, role)
	}
	for _, full := range w.roles {
		if role == full {
			return true
		}
	}
	return false
}

// denied reports whether the user may not have the role, given in full, in the account.
func (w *world) denied(user string, a *account, role string) bool {
	return slices.ContainsFunc(w.denials, func(d denial) bool {
		return (d.user == "" || d.user == user) &&
			(d.account == "" || d.account == a.id || d.account == a.name) &&
			(d.role == "" || d.role == role || w.roles[d.role] == role)
	})
}

// issue hands out temporary keys. k needs no secret and no token yet.
func (w *world) issue(k *key) (id string) {
	id = "ASIA" + rand.Text()[:16]
	k.secret, k.token = newSecret(30), newSecret(240)
	w.keys[id] = k
	return id
}

// equal compares secrets.
func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// newSecret returns the base64 form of size bytes, all but the first few of them random.
func newSecret(size int) string {
	b := make([]byte, size)
	_, _ = rand.Read(b) // never fails
	return secretMark + base64.StdEncoding.EncodeToString(b)[len(secretMark):]
}

// newUserToken returns a UUID.
func newUserToken() string { return userTokenMark + newUUID()[len(userTokenMark):] }

func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

var accountID = lazyregexp.New(`^[0-9]{12}$`)

// AddAccount adds an account, or replaces the one with the same id or name and what was required for it. roles are the
// full names of the roles it has; none means every role the gateway knows: the four default ones and those of AddRole.
// It panics unless id has 12 digits.
func (s *Server) AddAccount(id, name string, roles ...string) {
	if !accountID().MatchString(id) {
		panic(fmt.Sprintf("chaimtest: account id %q does not have 12 digits", id))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.world
	w.accounts = slices.DeleteFunc(w.accounts, func(a *account) bool { return a.id == id || a.name == name && w.original == nil })
	w.accounts = append(w.accounts, &account{id: id, name: name, roles: slices.Clone(roles)})
}

// RemoveAccount removes the account with this name or id, if there is one. Keys that it granted stay valid.
func (s *Server) RemoveAccount(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.world
	w.accounts = slices.DeleteFunc(w.accounts, func(a *account) bool { return name == a.id || name == a.name })
}

// AddRole makes an alias known for the full name of a role. Accounts that were added without roles have it from then on.
func (s *Server) AddRole(alias, role string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.world.roles[alias] = role
}

// AddUser adds a chaim user with the token that stands for the user at the gateway, or gives a user a new token and
// makes an expired or disabled one good again.
func (s *Server) AddUser(name, token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := &user{token: token}
	if known := s.world.users[name]; known != nil {
		u.workspaceID, u.slackID = known.workspaceID, known.slackID
	}
	s.world.users[name] = u
}

// ExpireUser makes the gateway refuse the user with "usertoken has expired". It panics if there is no such user.
func (s *Server) ExpireUser(name string) { s.changeUser(name, func(u *user) { u.expired = true }) }

// DisableUser makes the gateway refuse the user as one that is not active. It panics if there is no such user.
func (s *Server) DisableUser(name string) { s.changeUser(name, func(u *user) { u.disabled = true }) }

func (s *Server) changeUser(name string, change func(*user)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.world.users[name]
	if u == nil {
		panic(fmt.Sprintf("chaimtest: no user %q", name))
	}
	change(u)
}

// Deny keeps a user from a role in an account, at the gateway and at STS. account is a name or an id, role an alias or
// a full name; an empty string stands for every user, account or role.
func (s *Server) Deny(user, account, role string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.world.denials = append(s.world.denials, denial{user, account, role})
}

// RequireExternalID makes AssumeRole into the account with this name or id ask for this external ID. An empty id takes the
// requirement back. It panics if there is no such account.
func (s *Server) RequireExternalID(account, id string) {
	s.changeTrust(account, func(t *trust) { t.externalID = id })
}

// RequireMFA makes AssumeRole into the account with this name or id ask for the serial number of an MFA device and the
// code it shows. The code is good until another call replaces it. Empty strings take the requirement back. It panics if
// there is no such account. Where no MFA is required, any well-formed serial number and code will do.
func (s *Server) RequireMFA(account, serial, code string) {
	s.changeTrust(account, func(t *trust) { t.mfaSerial, t.mfaCode = serial, code })
}

func (s *Server) changeTrust(account string, change func(*trust)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.world.account(account)
	if a == nil {
		panic(fmt.Sprintf("chaimtest: no account %q", account))
	}
	change(&a.trust)
}

// AddKeys returns new long-lived keys of an IAM user, with which AssumeRole can be signed. account is the name or id of
// a known account, or any 12-digit id; it panics on anything else.
func (s *Server) AddKeys(account, user string) aws.Credentials {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := account
	if a := s.world.account(account); a != nil {
		id = a.id
	} else if !accountID().MatchString(account) {
		panic(fmt.Sprintf("chaimtest: no account %q", account))
	}
	k := &key{account: id, user: user, secret: newSecret(30)}
	keyID := "AKIA" + rand.Text()[:16]
	s.world.keys[keyID] = k
	return aws.Credentials{
		AccessKeyID: keyID, SecretAccessKey: k.secret, AccountID: id, Source: "chaimtest",
	}
}

// SetLifetime sets how long keys granted from now on are valid, whatever is asked for. Zero means as long as asked, a
// negative lifetime that they have expired already.
func (s *Server) SetLifetime(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lifetime = d
}

// SetLatency makes every request wait for d before it is answered. Zero or less means no wait.
func (s *Server) SetLatency(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latency = d
}

// Advance moves the server's clock by d against time.Now, backwards if d is negative. The clock decides when keys
// expire, which signatures are too old or too new, and what the Date header says.
func (s *Server) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offset += d
}

// Now returns the time by the server's clock.
func (s *Server) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now()
}

// now is Now for callers that hold mu.
func (s *Server) now() time.Time { return time.Now().Add(s.offset) }

// granted is for how long keys are granted that were asked for d. The caller holds mu.
func (s *Server) granted(d time.Duration) time.Duration {
	if s.lifetime != 0 {
		return s.lifetime
	}
	return d
}

// spoken words a duration as the gateway does.
func spoken(d time.Duration) string {
	n, unit := int(d/time.Second), "second"
	switch {
	case d >= time.Hour && d%time.Hour == 0:
		n, unit = int(d/time.Hour), "hour"
	case d >= time.Minute && d%time.Minute == 0:
		n, unit = int(d/time.Minute), "minute"
	}
	if n != 1 {
		unit += "s"
	}
	return fmt.Sprintf("%d %s", n, unit)
}
