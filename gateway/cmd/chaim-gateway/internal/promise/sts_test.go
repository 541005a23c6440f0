package promise

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// stsDouble hands out keys, and notes for which issue it did. Before it does, it looks into the database, as a program of its
// own, for the record of that issue, if it has a witness.
type stsDouble struct {
	*httptest.Server
	witness *witness

	mu       sync.Mutex
	handed   map[string]string // the issue of each access key id
	unproven []string          // requests without a durable record
	delay    time.Duration
}

func startSTS(t testing.TB, w *witness) *stsDouble {
	s := &stsDouble{witness: w, handed: map[string]string{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

// setDelay makes the next answers take that long.
func (s *stsDouble) setDelay(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delay = d
}

func (s *stsDouble) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, "form", http.StatusBadRequest)
		return
	}
	if r.PostForm.Get("Action") == "GetCallerIdentity" {
		fmt.Fprint(w, `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>`+
			`<Arn>arn:aws:iam::999999999999:user/gateway</Arn><UserId>AIDAGATEWAY</UserId><Account>999999999999</Account>`+
			`</GetCallerIdentityResult></GetCallerIdentityResponse>`)
		return
	}
	issue := tag(r, "chaim-issue")
	isAllowed, err := true, error(nil)
	if s.witness != nil {
		isAllowed, err = s.witness.hasEvent(r.Context(), issue, "issue.allowed")
	}
	s.mu.Lock()
	if err == nil && !isAllowed {
		s.unproven = append(s.unproven, issue)
	}
	id := fmt.Sprintf("ASIA%012dTEST", len(s.handed))
	if err == nil {
		s.handed[id] = issue
	}
	delay := s.delay
	s.mu.Unlock()
	if err != nil { // the witness cannot look, so no keys are given
		http.Error(w, "witness", http.StatusServiceUnavailable)
		return
	}
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-r.Context().Done():
		}
	}
	w.Header().Set("Content-Type", "text/xml")
	_ = xml.NewEncoder(w).Encode(assumed(id, r.PostForm.Get("RoleArn"), r.PostForm.Get("RoleSessionName")))
}

// tag returns the value of a session tag.
func tag(r *http.Request, name string) string {
	for key := range r.PostForm {
		if strings.HasPrefix(key, "Tags.member.") && strings.HasSuffix(key, ".Key") && r.PostForm.Get(key) == name {
			return r.PostForm.Get(strings.TrimSuffix(key, "Key") + "Value")
		}
	}
	return ""
}

type assumeRoleResponse struct {
	XMLName xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ AssumeRoleResponse"`
	Source  string   `xml:"AssumeRoleResult>SourceIdentity"`
	Arn     string   `xml:"AssumeRoleResult>AssumedRoleUser>Arn"`
	RoleID  string   `xml:"AssumeRoleResult>AssumedRoleUser>AssumedRoleId"`
	ID      string   `xml:"AssumeRoleResult>Credentials>AccessKeyId"`
	Secret  string   `xml:"AssumeRoleResult>Credentials>SecretAccessKey"`
	Token   string   `xml:"AssumeRoleResult>Credentials>SessionToken"`
	Expires string   `xml:"AssumeRoleResult>Credentials>Expiration"`
}

// assumed is the answer to AssumeRole.
func assumed(id, role, session string) assumeRoleResponse {
	account := strings.Split(role+":::::", ":")[4]
	name := role[strings.LastIndex(role, "/")+1:]
	return assumeRoleResponse{
		Source: session, // the gateway gives both the same name
		Arn:    "arn:aws:sts::" + account + ":assumed-role/" + name + "/" + session, RoleID: "AROATEST:" + session,
		ID: id, Secret: "CANARY" + strings.Repeat("s", 34), Token: "CANARY" + strings.Repeat("t", 100),
		Expires: time.Now().Add(time.Hour).UTC().Format(time.RFC3339),
	}
}

// given returns the issue of each access key id so far, and the requests without a record.
func (s *stsDouble) given() (handed map[string]string, unproven []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	handed = map[string]string{}
	for id, issue := range s.handed {
		handed[id] = issue
	}
	return handed, append([]string(nil), s.unproven...)
}
