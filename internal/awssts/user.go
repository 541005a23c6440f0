package awssts

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/lazyregexp"
)

// Users remembers the names of IAM users longer than the process lives.
type Users interface {
	// Load returns the name of the user of an access key, or "".
	Load(keyID string) (name string)
	Save(keyID, name string)
}

// users are the users of access keys, by the id of the key.
type users struct {
	store Users

	mu    sync.Mutex
	known map[string]*knownUser
}

// knownUser is what is known of the user of an access key. name is empty if STS does not tell it.
type knownUser struct {
	mu      sync.Mutex // is held while STS is asked
	isKnown bool
	name    string
}

type usersKey struct{}

// NameSessions returns a context in which sessions have the name of the user who begins them, unless a name is given. chaim
// asks STS once for keys whose user is not known. The store has only users of long-term keys: other keys are new each time.
func NameSessions(ctx context.Context, store Users) context.Context {
	return context.WithValue(ctx, usersKey{}, &users{store: store, known: map[string]*knownUser{}})
}

// usersOf returns the users of a context, or nil if its sessions do not have the names of users.
func usersOf(ctx context.Context) *users {
	u, _ := ctx.Value(usersKey{}).(*users)
	return u
}

// userTime is how long STS has to tell the user. The session then gets the usual name.
const userTime = time.Second

// maxUsers bounds the memory of a process that uses new keys for days.
const maxUsers = 1000

// of returns what is known of the user of an access key.
func (u *users) of(keyID string) *knownUser {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.known[keyID] == nil {
		if len(u.known) >= maxUsers {
			clear(u.known)
		}
		u.known[keyID] = &knownUser{}
	}
	return u.known[keyID]
}

// note notes the name of the user of an access key, if there is one.
func (u *users) note(keyID, name string) {
	if u == nil || name == "" {
		return
	}
	known := u.of(keyID)
	known.mu.Lock()
	defer known.mu.Unlock()
	known.name, known.isKnown = name, true
}

// user returns the name of the user of keys, in characters that a session name may have. It is empty if the user is not
// known, or if sessions do not have the names of users.
func (a Asker) user(ctx context.Context, client *sts.Client, signer aws.Credentials) string {
	all := usersOf(ctx)
	if all == nil {
		return ""
	}
	u := all.of(signer.AccessKeyID)
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.isKnown {
		return u.name
	}
	isStored := keys.IsLongLived(signer.AccessKeyID)
	if isStored {
		if name := UserName(all.store.Load(signer.AccessKeyID)); name != "" {
			u.name, u.isKnown = name, true
			return name
		}
	}
	asking, stop := context.WithTimeout(ctx, userTime)
	defer stop()
	out, err := client.GetCallerIdentity(asking, nil, func(o *sts.Options) {
		o.Credentials, o.Retryer = fixed(signer), aws.NopRetryer{}
	})
	if ctx.Err() != nil {
		return ""
	}
	if u.isKnown = true; err == nil {
		if u.name = UserName(aws.ToString(out.Arn)); u.name != "" && isStored {
			all.store.Save(signer.AccessKeyID, u.name)
		}
	}
	return u.name
}

// nameSession gives the keys of an MFA session the name of the user who began it.
func (a Asker) nameSession(ctx context.Context, client *sts.Client, own, session aws.Credentials) {
	if all := usersOf(ctx); all != nil {
		all.note(session.AccessKeyID, a.user(ctx, client, own))
	}
}

// suffixRule matches the part that makes the name of a session unique. See sessionName.
var suffixRule = lazyregexp.New(`-?[0-9]{10}-[a-z2-7]{8}$`)

// suffixSize is how long that part is with its first dash.
const suffixSize = len("-1234567890-abcdefgh")

// UserName returns the last part of the ARN of an identity, in characters that a session name may have: the name of a user
// or, for a role, that of the session without the part that made it unique. It treats a text that is no ARN likewise.
func UserName(identity string) string {
	if who, err := arn.Parse(identity); err == nil {
		identity = who.Resource
	}
	name := strings.Map(func(r rune) rune {
		if r > '~' || !sessionNameRule().MatchString(string(r)) {
			return -1
		}
		return r
	}, identity[strings.LastIndexByte(identity, '/')+1:])
	name = suffixRule().ReplaceAllString(name, "")
	return name[:min(len(name), maxName-suffixSize)]
}

// sessionName returns a name that no other session has.
func sessionName(prefix string) string {
	// 8 random characters of base32 tell apart sessions that begin in the same second.
	return fmt.Sprintf("%s%d-%s", prefix, time.Now().Unix(), strings.ToLower(rand.Text()[:8]))
}

// named returns an Asker whose session has the name of the user of signer, unless the name is given. user is that name.
func (a Asker) named(ctx context.Context, client *sts.Client, signer aws.Credentials) (named Asker, user string) {
	if a.STS.SessionName != "" {
		return a, UserName(a.STS.SessionName)
	}
	if user = a.user(ctx, client, signer); user == "" {
		return a, ""
	}
	s := *a.STS
	s.SessionName = sessionName(user + "-")
	a.STS = &s
	return a, user
}
