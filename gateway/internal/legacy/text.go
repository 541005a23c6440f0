package legacy

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/chaim-go/chaim/gateway/internal/issue"
)

const (
	defaultRole = "rro"

	minDuration = 900 * time.Second
	maxDuration = 43200 * time.Second

	maxAccount = 127 // characters
	maxRole    = 64
)

// The commands of the original, with and without dashes.
var (
	listVerbs  = []string{"--list", "-l", "list"}
	otherVerbs = []string{
		"--help", "-h", "help", "--version", "-v", "version", "--initshow", "-i", "initshow",
		"--roles", "-r", "roles", "--count", "-c", "count", "--whoskey", "-w", "whoskey",
	}
)

// ask is the field "text" of a request.
type ask struct {
	issue.Ask
	isList bool // the list of accounts; Ask is empty
}

// parseText reads account,role,duration or a command. Role and duration may be missing, or stand the other way round.
func parseText(text string) (ask, error) {
	fields := strings.Split(text, ",")
	for i := range fields {
		fields[i] = strings.TrimSpace(fields[i])
	}
	account := fields[0]
	verb, argument, _ := strings.Cut(account, " ")
	isKeyVerb := slices.Contains([]string{"--whoskey", "-w", "whoskey"}, verb) && argument != ""
	switch {
	case account == "":
		return ask{}, errors.New("the field text does not name an account")
	case slices.Contains(listVerbs, account):
		return ask{isList: true}, nil
	case slices.Contains(otherVerbs, account) || isKeyVerb:
		return ask{}, fmt.Errorf("this gateway does not support the command %s. It lends keys and lists accounts. "+
			"If an account has this name, ask by its id", verb)
	case len(fields) > 3:
		return ask{}, errors.New("the field text has more than account, role and duration. If the account has a comma in its name, ask by its id")
	case utf8.RuneCountInString(account) > maxAccount:
		return ask{}, fmt.Errorf("the account's name is longer than %d characters", maxAccount)
	}
	fields = append(fields, "", "")
	role, seconds, err := roleAndSeconds(fields[1], fields[2])
	switch {
	case err != nil:
		return ask{}, err
	case utf8.RuneCountInString(role) > maxRole:
		return ask{}, fmt.Errorf("the role's name is longer than %d characters", maxRole)
	}
	return ask{Ask: issue.Ask{Account: account, Role: role, Duration: duration(seconds)}}, nil
}

// roleAndSeconds tells role and duration apart.
func roleAndSeconds(role, number string) (string, int, error) {
	seconds, isNumber := integer(number)
	if swapped, isSwapped := integer(role); !isNumber && isSwapped && number != "" {
		role, seconds, isNumber = number, swapped, true
	}
	if !isNumber && number != "" {
		return "", 0, errors.New("the duration is not a number of hours or seconds")
	}
	if role == "" {
		role = defaultRole
	}
	return role, seconds, nil
}

// integer reads a decimal number. One that is too large for an int becomes the largest.
func integer(text string) (n int, isNumber bool) {
	n, err := strconv.Atoi(text)
	return n, err == nil || errors.Is(err, strconv.ErrRange)
}

// duration returns the duration for a number: 1 to 12 are hours, others are seconds, brought into the range that AWS has.
func duration(n int) time.Duration {
	if 1 <= n && n <= 12 {
		return time.Duration(n) * time.Hour
	}
	n = min(max(n, int(minDuration/time.Second)), int(maxDuration/time.Second))
	return time.Duration(n) * time.Second
}
