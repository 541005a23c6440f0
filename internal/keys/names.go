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

// The lifetimes that STS accepts for a role session.
//
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
const (
	MinDuration = 15 * time.Minute
	MaxDuration = 12 * time.Hour
)

const maxAccount = 128 // characters of a name

var roleRule = lazyregexp.New(`^[A-Za-z0-9_+=.@/:-]+$`)

// CheckAccount accepts a text that can be the name or id of an account. Gateways may use names that AWS does not allow.
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

// Check refuses a request that no broker can answer.
func Check(r Request) error {
	if err := CheckAccount(r.Account); err != nil {
		return err
	}
	_, err := CheckRequest(r)
	return err
}

// CheckRequest does the same, but accepts an empty account, and names the field that is wrong.
func CheckRequest(r Request) (field string, err error) {
	if r.Account != "" {
		if err := CheckAccount(r.Account); err != nil {
			return "Account", err
		}
	}
	switch id := r.AccountID; {
	case id == "":
	case !IsAccountID(id):
		return "AccountID", fmt.Errorf("chaim: account id %s is not 12 digits", QuoteShort(id))
	case r.Account == "":
		return "AccountID", fmt.Errorf("chaim: account %s is given by its id alone: give it as Options.Account", id)
	case IsAccountID(r.Account) && r.Account != id:
		return "AccountID", fmt.Errorf("chaim: %s and %s are two different accounts: give one of them", r.Account, id)
	}
	if len(r.Role) > 512 || !roleRule().MatchString(r.Role) {
		return "Role", fmt.Errorf("chaim: role %s is neither an alias, a role name nor a role ARN", QuoteShort(r.Role))
	}
	return "Duration", CheckDuration(r.Duration)
}

// CheckDuration accepts the lifetimes that STS grants, in whole seconds.
func CheckDuration(d time.Duration) error {
	if d < MinDuration || d > MaxDuration || d%time.Second != 0 {
		return fmt.Errorf("chaim: duration %s is not whole seconds between 15 minutes and 12 hours", d)
	}
	return nil
}

// Printable prepares a text for a cell of a table. It quotes text that could control the terminal, and cuts text that is
// longer than an account name, because one long text would widen every line.
func Printable(text string) string {
	switch {
	case text == "":
		return "-"
	case len(text) <= maxAccount && strconv.QuoteToASCII(text) == `"`+text+`"`:
		return text
	}
	return QuoteShort(text)
}

// QuoteShort quotes a text for an error, and cuts a long one.
func QuoteShort(s string) string {
	if len(s) > 64 {
		s = s[:64] + "..."
	}
	return strconv.QuoteToASCII(s)
}
