// Package keys defines what a broker is asked for (Request) and what it returns (Grant).
package keys

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Account is an AWS account that a broker knows.
type Account struct{ ID, Name string }

// Request is what a broker is asked for.
type Request struct {
	Account   string        // full name or 12-digit id
	AccountID string        // 12-digit id if Account is a name and the id is known; else empty
	Role      string        // role name, role ARN or alias
	Region    string        // where the keys are to be used
	Duration  time.Duration // how long the keys are to be valid
}

// ID returns the 12-digit id of the account, or "" if only its name is known.
func (r Request) ID() string {
	if r.AccountID == "" && IsAccountID(r.Account) {
		return r.Account
	}
	return r.AccountID
}

// Grant is one set of keys, with what its broker says about it.
type Grant struct {
	aws.Credentials               // Expires is by the clock of this machine
	Account         string        // name or id, as the profile records it
	Role            string        // as requested
	Region          string        // of the profile
	Duration        time.Duration // as requested
	Note            string        // the broker's words for the expiry; may be empty
	ConsoleURL      string        // signed-in console link, a secret; may be empty
	Received        time.Time     // when the keys came
}

// Complete fills in what the broker left out of a new grant, and refuses a grant for another account.
func Complete(g Grant, r Request) (Grant, error) {
	named := "" // the account id, if the broker put it into Account
	if IsAccountID(g.Account) {
		named = g.Account
	}
	asked := cmp.Or(r.ID(), g.AccountID, named)
	for _, id := range []string{g.AccountID, named} {
		if id != "" && id != asked {
			return Grant{}, fmt.Errorf("chaim: the keys that came are for account %s", QuoteShort(id))
		}
	}
	if !IsAccountID(g.AccountID) { // SDKs put it into host names
		g.AccountID = named
	}
	if CheckAccount(g.Account) != nil {
		g.Account = r.Account
	}
	if g.CanExpire = g.CanExpire && !g.Expires.IsZero(); !g.CanExpire {
		g.Expires = time.Time{}
	}
	g.Source = "chaim"
	g.Role, g.Region, g.Duration, g.Received = r.Role, r.Region, r.Duration, time.Now()
	return g, nil
}

// shortSlack is how much sooner than requested keys may end: clocks differ, and a gateway takes time to answer.
const shortSlack = 5 * time.Minute

// IsShort reports whether keys end sooner than requested.
func IsShort(g Grant, asked time.Duration) bool {
	return g.CanExpire && asked-Lifetime(g) > shortSlack
}

// Lifetime returns how long keys were valid when they were received. It is negative for keys that never expire.
func Lifetime(g Grant) time.Duration {
	if !g.CanExpire {
		return -1
	}
	return g.Expires.Sub(g.Received.Round(0))
}

// String describes the grant without its secrets.
func (g Grant) String() string {
	expires := "never"
	if g.CanExpire {
		expires = g.Expires.UTC().Format(time.RFC3339)
	}
	return fmt.Sprintf("chaim.Grant{Account:%q AccountID:%q Role:%q Region:%q AccessKeyID:%q Expires:%s}",
		g.Account, g.AccountID, g.Role, g.Region, LastFour(g.AccessKeyID), expires)
}

// Format prints what String returns, whatever the verb.
func (g Grant) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, g.String()) }

// LogValue keeps the secrets out of structured logs.
func (g Grant) LogValue() slog.Value { return slog.StringValue(g.String()) }

// MarshalText returns what String returns, so that JSON and other encoders show no secret.
func (g Grant) MarshalText() ([]byte, error) { return []byte(g.String()), nil }

// DurationText returns d as a gateway reads it: 1 to 12 are hours, other numbers are seconds.
func DurationText(d time.Duration) string {
	if d%time.Hour == 0 {
		return strconv.Itoa(int(d / time.Hour))
	}
	return strconv.Itoa(int(d / time.Second))
}

// LastFour shortens an access key id for logs.
func LastFour(id string) string {
	if len(id) <= 4 {
		return id
	}
	return "..." + id[len(id)-4:]
}

// Redacted replaces a secret in a text: it tells only whether there is one.
func Redacted(secret string) string {
	if secret == "" {
		return "none"
	}
	return "[secret]"
}

// ProcessJSON returns the document that a credential_process prints, secrets included.
//
// Format: https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html
func ProcessJSON(c aws.Credentials) ([]byte, error) {
	doc := struct {
		Version         int
		AccessKeyID     string `json:"AccessKeyId"`
		SecretAccessKey string
		SessionToken    string `json:",omitempty"`
		Expiration      string `json:",omitempty"`
		AccountID       string `json:"AccountId,omitempty"`
	}{Version: 1, AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken, AccountID: c.AccountID}
	if c.CanExpire {
		doc.Expiration = c.Expires.UTC().Format(time.RFC3339)
	}
	return json.Marshal(doc)
}
