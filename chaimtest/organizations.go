package chaimtest

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

const (
	organizationsPath   = "/organizations"
	organizationsTarget = "AWSOrganizationsV20161128."
	maxOrganizationPage = 20
)

func isOrganizations(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("X-Amz-Target"), organizationsTarget)
}

// OrganizationsURL returns the address of AWS Organizations, for AWS_ENDPOINT_URL_ORGANIZATIONS. Its accounts are those of
// the server, and only users of the account 111111111111, which manages the organisation, may list them.
func (s *Server) OrganizationsURL() string { return s.URL() + organizationsPath }

// Suspend makes AWS Organizations say that the account with this name or id is suspended. An unknown account is ignored.
func (s *Server) Suspend(account string) {
	s.set(func(w *world) {
		if a := w.account(account); a != nil {
			a.isSuspended = true
		}
	})
}

// organizations answers as AWS Organizations.
func (x *exchange) organizations() {
	status, doc := http.StatusOK, map[string]any{}
	refuse := func(code int, kind, text string) {
		status, doc = code, map[string]any{"__type": kind, "Message": text}
		x.note(func(r *Request) { r.Error = kind + ": " + text })
	}
	caller, err := x.verifyFor("organizations")
	var ask struct {
		MaxResults int
		NextToken  string
	}
	first := 0
	if err == nil {
		_ = json.Unmarshal(x.body, &ask)
		first, _ = strconv.Atoi(ask.NextToken)
	}
	switch {
	case err != nil:
		refuse(err.status, err.code, err.message)
	case x.rec.Action != "ListAccounts":
		refuse(http.StatusBadRequest, "UnknownOperationException", "no such operation")
	case caller.account != "111111111111":
		refuse(http.StatusBadRequest, "AccessDeniedException", "You don't have permissions to access this resource.")
	case ask.MaxResults < 0 || ask.MaxResults > maxOrganizationPage:
		refuse(http.StatusBadRequest, "InvalidInputException", "MaxResults is not 1 to 20")
	default:
		doc = x.s.organizationPage(first, ask.MaxResults)
	}
	text, _ := json.Marshal(doc) // strings only
	write(x, status, "application/x-amz-json-1.1", string(text))
}

// organizationPage returns a page of the accounts. The first page is empty, as it may be at AWS.
func (s *Server) organizationPage(first, most int) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	if most == 0 {
		most = maxOrganizationPage
	}
	page := []any{}
	last := min(max(first-1, 0)+most, len(s.world.accounts))
	if first == 0 {
		last = 0
	}
	for i := max(first-1, 0); i < last; i++ {
		a := s.world.accounts[i]
		state := "ACTIVE"
		if a.isSuspended {
			state = "SUSPENDED"
		}
		page = append(page, map[string]string{"Id": a.id, "Name": a.name, "State": state, "Arn": "arn:aws:organizations::111111111111:account/o-chaimtest1/" + a.id})
	}
	doc := map[string]any{"Accounts": page}
	if last < len(s.world.accounts) {
		doc["NextToken"] = strconv.Itoa(last + 1)
	}
	return doc
}
