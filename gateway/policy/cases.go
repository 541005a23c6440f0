package policy

import (
	"fmt"
	"net/netip"
	"time"
)

// Case is something that a policy must allow or refuse. The package policy/yaml reads cases from a file.
type Case struct {
	Position Position // in the file
	User     string
	Groups   []string   // nil means those that the user has
	Account  string     // a name or an id
	Role     string     // an alias, or the name of the IAM role
	At       time.Time  // zero means when the test is run
	Addr     netip.Addr // invalid means that it is unknown
	May      bool
}

// CaseResult is what a policy says to a case.
type CaseResult struct {
	Case   Case
	Passed bool
	Why    string // in words: the explanation, or why the case cannot be decided
}

// String returns the result in a line, or in several if the case failed.
func (r CaseResult) String() string {
	verdict, may := "FAIL", "may not"
	if r.Passed {
		verdict = "ok"
	}
	if r.Case.May {
		may = "may"
	}
	text := fmt.Sprintf("%s line %d: %s %s use %s in %s", verdict, r.Case.Position.Line, r.Case.who(), may, r.Case.Role, r.Case.Account)
	if !r.Passed {
		text += "\n" + r.Why
	}
	return text
}

func (c Case) who() string {
	if c.User == "" {
		return "a member of " + groupsText(c.Groups)
	}
	return c.User
}

// Test runs cases. People are the users with their groups, for cases that name a user only; such a case fails if the user is
// not there. Now is the time of cases without one.
func (e *Engine) Test(cases []Case, people []Member, now time.Time) (results []CaseResult) {
	groups := map[string][]string{}
	for _, m := range people {
		groups[fold(m.Name)] = append([]string{}, m.Groups...)
	}
	for _, c := range cases {
		results = append(results, e.test(c, groups, now))
	}
	return results
}

func (e *Engine) test(c Case, groups map[string][]string, now time.Time) CaseResult {
	result := CaseResult{Case: c}
	if c.Groups == nil {
		if c.Groups = groups[fold(c.User)]; c.Groups == nil {
			result.Why = fmt.Sprintf("there is no user %q; write the groups into the case", c.User)
			return result
		}
	}
	if c.At.IsZero() {
		c.At = now
	}
	account, err := e.Account(c.Account)
	if err != nil {
		result.Why = err.Error()
		return result
	}
	role, err := e.Role(c.Role)
	if err != nil {
		result.Why = err.Error()
		return result
	}
	x := e.Explain(Query{Person: e.Person(c.User, c.Groups), Account: account.ID, Role: role.Alias, At: c.At, Addr: c.Addr})
	result.Passed, result.Why = x.Decision.Allow == c.May, x.String()
	return result
}
