package chaimtest

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/chaim-go/chaim/internal/lazyregexp"
)

const (
	defaultUser = "test.user"
	defaultRole = "rro"

	// Secrets begin with these marks, so that a leaked one is recognised. A UUID cannot have letters beyond f.
	secretMark    = "CANARY"
	userTokenMark = "ca9a12e5"
)

// world is everything that gateway and STS know. Server.mu guards it, also for its methods.
type world struct {
	clock    clock
	users    map[string]*user
	accounts []*account
	roles    map[string]string // alias to role name
	keys     map[string]*key   // by access key id
	denials  []denial
	original *Original // nil without SetOriginal
	signIns
}

// signIns is the state of MFA devices, of the Identity Center and of AWS Sign-In.
type signIns struct {
	devices map[string]*device // by serial number
	center  *center
	logins  map[string]*login // by refresh token
}

// clock decides about the expiry of keys.
type clock struct {
	offset   time.Duration // from time.Now
	lifetime time.Duration // of new keys; zero means as requested
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

	isSuspended bool // at AWS Organizations
}

// trust has the values that AssumeRole must send; empty means none.
type trust struct{ externalID, mfaSerial, mfaCode string }

// key is a set of AWS keys that the server has issued.
type key struct {
	account, role, session string    // role is empty for an IAM user's keys
	partition              string    // of the role's ARN; empty means "aws"
	user                   string    // chaim or IAM user who got the first keys of the chain
	secret, token          string    // token is empty for an IAM user's keys
	expires                time.Time // zero means never
	marks
}

// marks say how keys were issued.
type marks struct {
	chained bool // for keys of a role
	hasMFA  bool // for a code of an MFA device
}

// device is an MFA device of an IAM user.
type device struct {
	user string
	code string    // the next one; empty after its use
	ends time.Time // when the code ends
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
		keys:    map[string]*key{},
		signIns: signIns{devices: map[string]*device{}, center: newCenter(), logins: map[string]*login{}},
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

// accountID returns the id of an account with this name or id, or the id itself. It panics on any other text.
func (w *world) accountID(name string) string {
	if a := w.account(name); a != nil {
		return a.id
	}
	if !accountID().MatchString(name) {
		panic(fmt.Sprintf("chaimtest: no account %q", name))
	}
	return name
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

// has reports whether the account has the role with this full name.
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

// denied reports whether Deny keeps the user from the role with this full name in the account.
func (w *world) denied(user string, a *account, role string) bool {
	return slices.ContainsFunc(w.denials, func(d denial) bool {
		return (d.user == "" || d.user == user) &&
			(d.account == "" || d.account == a.id || d.account == a.name) &&
			(d.role == "" || d.role == role || w.roles[d.role] == role)
	})
}

// issue adds a secret and a token to k, stores it as temporary keys, and returns their id.
func (w *world) issue(k *key) (id string) {
	id = "ASIA" + rand.Text()[:16]
	k.secret, k.token = newSecret(30), newSecret(240)
	w.keys[id] = k
	return id
}

// equal compares secrets.
func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// newSecret returns a random secret: the mark, and the rest of size bytes in base64.
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

// set changes the world.
func (s *Server) set(change func(w *world)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s.world)
}

// AddAccount adds an account. It replaces an account with the same id or name, whose requirements end. roles are the full
// names of the roles in the account; none means all roles of the gateway: the four default ones and those of AddRole. It
// panics unless id has 12 digits.
func (s *Server) AddAccount(id, name string, roles ...string) {
	if !accountID().MatchString(id) {
		panic(fmt.Sprintf("chaimtest: account id %q does not have 12 digits", id))
	}
	s.set(func(w *world) {
		w.accounts = slices.DeleteFunc(w.accounts, func(a *account) bool { return a.id == id || a.name == name && w.original == nil })
		w.accounts = append(w.accounts, &account{id: id, name: name, roles: slices.Clone(roles)})
	})
}

// RemoveAccount removes the account with this name or id, if there is one. Keys that it granted stay valid.
func (s *Server) RemoveAccount(name string) {
	s.set(func(w *world) {
		w.accounts = slices.DeleteFunc(w.accounts, func(a *account) bool { return name == a.id || name == a.name })
	})
}

// AddRole adds an alias for the full name of a role. Accounts that were added without roles then have the role.
func (s *Server) AddRole(alias, role string) { s.set(func(w *world) { w.roles[alias] = role }) }

// AddUser adds a chaim user with a token for the gateway. If the user exists, it gets the new token and is neither expired
// nor disabled any more.
func (s *Server) AddUser(name, token string) {
	s.set(func(w *world) {
		u := &user{token: token}
		if known := w.users[name]; known != nil {
			u.workspaceID, u.slackID = known.workspaceID, known.slackID
		}
		w.users[name] = u
	})
}

// ExpireUser makes the gateway refuse the user with "usertoken has expired". It panics if there is no such user.
func (s *Server) ExpireUser(name string) { s.changeUser(name, func(u *user) { u.expired = true }) }

// DisableUser makes the gateway refuse the user as one that is not active. It panics if there is no such user.
func (s *Server) DisableUser(name string) { s.changeUser(name, func(u *user) { u.disabled = true }) }

func (s *Server) changeUser(name string, change func(*user)) {
	s.set(func(w *world) {
		u := w.users[name]
		if u == nil {
			panic(fmt.Sprintf("chaimtest: no user %q", name))
		}
		change(u)
	})
}

// Deny keeps a user from a role in an account, at the gateway and at STS. account is a name or an id, role an alias or a
// full name. An empty string stands for all users, accounts or roles.
func (s *Server) Deny(user, account, role string) {
	s.set(func(w *world) { w.denials = append(w.denials, denial{user, account, role}) })
}

// RequireExternalID makes STS require this external ID for roles of the account with this name or id. An empty id ends the
// requirement. It panics if there is no such account.
func (s *Server) RequireExternalID(account, id string) {
	s.changeTrust(account, func(t *trust) { t.externalID = id })
}

// RequireMFA makes STS require the serial number and the code of an MFA device for roles of the account with this name or
// id. Keys of a session that began with a code of any device satisfy it too. The code works until another call replaces it.
// With an empty code only the codes of [Server.MFACode] work. Empty strings end the requirement. It panics if there is no
// such account. Without the requirement STS accepts any serial number and code, except for devices of [Server.AddMFADevice].
func (s *Server) RequireMFA(account, serial, code string) {
	s.changeTrust(account, func(t *trust) { t.mfaSerial, t.mfaCode = serial, code })
}

// AddMFADevice gives an IAM user, whose keys come from [Server.AddKeys], an MFA device with this serial number or ARN. STS
// then accepts codes of that device from that user only. [Server.MFACode] returns them.
func (s *Server) AddMFADevice(user, serial string) {
	s.set(func(w *world) { w.devices[serial] = &device{user: user} })
}

// MFACode returns the code that a device shows. As at AWS, it works once and for a short time: 90 seconds, by the server's
// clock. Until it is used or ends, MFACode returns the same one. It panics if there is no such device.
func (s *Server) MFACode(serial string) (code string) {
	s.set(func(w *world) {
		d := w.devices[serial]
		if d == nil {
			panic(fmt.Sprintf("chaimtest: no MFA device %q", serial))
		}
		if d.code == "" || !w.now().Before(d.ends) {
			last := d.code
			for d.code == last || d.code == "" {
				n, _ := rand.Int(rand.Reader, big.NewInt(1_000_000)) // never fails
				d.code = fmt.Sprintf("%06d", n)
			}
			d.ends = w.now().Add(90 * time.Second)
		}
		code = d.code
	})
	return code
}

// take uses up a code, and reports whether it was right.
func (d *device) take(user, code string, now time.Time) bool {
	if d.user != user || d.code == "" || !equal(d.code, code) || !now.Before(d.ends) {
		return false
	}
	d.code = ""
	return true
}

func (s *Server) changeTrust(account string, change func(*trust)) {
	s.set(func(w *world) {
		a := w.account(account)
		if a == nil {
			panic(fmt.Sprintf("chaimtest: no account %q", account))
		}
		change(&a.trust)
	})
}

// AddKeys returns new long-lived keys of an IAM user, which can sign AssumeRole. account is the name or id of a known
// account, or any 12-digit id. It panics on any other text.
func (s *Server) AddKeys(account, user string) aws.Credentials {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := s.world.accountID(account)
	k := &key{account: id, user: user, secret: newSecret(30)}
	keyID := "AKIA" + rand.Text()[:16]
	s.world.keys[keyID] = k
	return aws.Credentials{
		AccessKeyID: keyID, SecretAccessKey: k.secret, AccountID: id, Source: "chaimtest",
	}
}

// SetLifetime sets how long keys granted from now on are valid, whatever the request says. Zero means as long as requested.
// With a negative lifetime they have expired already.
func (s *Server) SetLifetime(d time.Duration) { s.set(func(w *world) { w.clock.lifetime = d }) }

// Advance moves the server's clock by d against time.Now, backwards if d is negative. The clock decides when keys expire and
// which signatures are too old or too new, and sets the Date header.
func (s *Server) Advance(d time.Duration) { s.set(func(w *world) { w.clock.offset += d }) }

// Now returns the time by the server's clock.
func (s *Server) Now() (now time.Time) {
	s.set(func(w *world) { now = w.now() })
	return now
}

func (w *world) now() time.Time { return time.Now().Add(w.clock.offset) }

// granted returns the lifetime of keys that were requested for d.
func (w *world) granted(d time.Duration) time.Duration {
	if w.clock.lifetime != 0 {
		return w.clock.lifetime
	}
	return d
}

// spoken returns a duration in the gateway's words.
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
