package keys

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/chaim-go/chaim/internal/lazyregexp"
)

// What STS accepts for a role session.
//
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
const (
	MinDuration = 15 * time.Minute
	MaxDuration = 12 * time.Hour
)

const maxAccount = 128 // characters of a name

var roleRule = lazyregexp.New(`^[A-Za-z0-9_+=.@/:-]+$`)

// CheckAccount accepts what could be the name of an account, of which a gateway may know more than AWS allows.
//
// https://docs.aws.amazon.com/organizations/latest/APIReference/API_Account.html
func CheckAccount(account string) error {
	switch {
	case account == "":
		return errors.New("chaim: no account given")
	case len(account) > maxAccount:
		return fmt.Errorf("chaim: account %s is longer than %d characters", QuoteShort(account), maxAccount)
	case !utf8.ValidString(account) || strings.ContainsFunc(account, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fmt.Errorf("chaim: account %s has characters that are not printable", QuoteShort(account))
	}
	return nil
}

// CheckRequest refuses a request that no broker could answer. It may be for no account yet.
func CheckRequest(r Request) error {
	if r.Account != "" {
		if err := CheckAccount(r.Account); err != nil {
			return err
		}
	}
	switch id := r.AccountID; {
	case id == "":
	case !IsAccountID(id):
		return fmt.Errorf("chaim: account id %s is not 12 digits", QuoteShort(id))
	case r.Account == "":
		return fmt.Errorf("chaim: account %s is given by its id alone: give it as Options.Account", id)
	case IsAccountID(r.Account) && r.Account != id:
		return fmt.Errorf("chaim: accounts %s and %s are two: give one of them", r.Account, id)
	}
	if err := CheckRole(r.Role); err != nil {
		return err
	}
	return CheckDuration(r.Duration)
}

// CheckRole accepts what could be a role.
func CheckRole(role string) error {
	if len(role) > 512 || !roleRule().MatchString(role) {
		return fmt.Errorf("chaim: role %s is neither an alias, a role name nor a role ARN", QuoteShort(role))
	}
	return nil
}

// CheckDuration accepts for how long keys can be had.
func CheckDuration(d time.Duration) error {
	if d < MinDuration || d > MaxDuration || d%time.Second != 0 {
		return fmt.Errorf("chaim: duration %s is not whole seconds between 15 minutes and 12 hours", d)
	}
	return nil
}

// Printable is a text of unknown origin in one cell of a table, quoted where it could do more than stand there. Account names
// are the longest that chaim writes: one long text would widen every line.
func Printable(text string) string {
	switch {
	case text == "":
		return "-"
	case len(text) <= maxAccount && strconv.QuoteToASCII(text) == `"`+text+`"`:
		return text
	}
	return QuoteShort(text)
}

// QuoteShort quotes a text of any length for an error.
func QuoteShort(s string) string {
	if len(s) > 64 {
		s = s[:64] + "..."
	}
	return strconv.QuoteToASCII(s)
}
