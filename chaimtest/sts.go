package chaimtest

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/xml"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	stsVersion   = "2011-06-15"
	stsNamespace = "https://sts.amazonaws.com/doc/2011-06-15/"

	minSession     = 900   // seconds
	maxSession     = 43200 // seconds
	maxChained     = 3600  // seconds
	defaultSession = time.Hour
)

// isSTS reports whether a request is for the STS endpoint rather than the gateway.
func isSTS(r *http.Request) bool {
	return r.URL.Path == stsPath || r.URL.Path == stsPath+"/" ||
		strings.HasPrefix(r.Host, "sts.") && r.URL.Path == "/"
}

// stsError is a refusal by STS.
type stsError struct {
	status        int
	code, message string
}

func (e *stsError) Error() string { return e.code + ": " + e.message }

// sts answers as AWS STS.
func (x *exchange) sts() {
	result, err := x.call()
	if err != nil {
		x.note(func(r *Request) { r.Error = err.Error() })
		writeSTSError(x, err)
		return
	}
	writeXML(x, http.StatusOK, result)
}

// call checks who calls and does what is asked. The result is an XML document.
func (x *exchange) call() (any, *stsError) {
	if m := x.r.Method; m != http.MethodPost && m != http.MethodGet {
		return nil, &stsError{http.StatusMethodNotAllowed, "MethodNotAllowed", "STS takes POST and GET"}
	}
	caller, err := x.verify()
	if err != nil {
		return nil, err
	}
	x.note(func(r *Request) { r.User = caller.user })
	action, version := x.form.Get("Action"), x.form.Get("Version")
	switch {
	case version != stsVersion:
	case action == "AssumeRole":
		return x.assumeRole(caller)
	case action == "GetCallerIdentity":
		return callerIdentity(caller), nil
	}
	if version == "" {
		version = "NO_VERSION_SPECIFIED"
	}
	return nil, &stsError{
		http.StatusBadRequest, "InvalidAction",
		fmt.Sprintf("Could not find operation %s for version %s", action, version),
	}
}

// arn names the caller, userID its unique id.
func (k *key) arn() string {
	if k.role == "" {
		return "arn:aws:iam::" + k.account + ":user/" + k.user
	}
	return "arn:aws:sts::" + k.account + ":assumed-role/" + k.role + "/" + k.session
}

func (k *key) userID() string {
	if k.role == "" {
		return uniqueID("AIDA", k.account, k.user)
	}
	return uniqueID("AROA", k.account, k.role) + ":" + k.session
}

// uniqueID makes an id in IAM's form that is always the same for a name.
func uniqueID(prefix, account, name string) string {
	sum := sha256.Sum256([]byte(account + "/" + name))
	return prefix + base32.StdEncoding.EncodeToString(sum[:])[:17]
}

type identityResponse struct {
	XMLName   xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ GetCallerIdentityResponse"`
	Arn       string   `xml:"GetCallerIdentityResult>Arn"`
	UserID    string   `xml:"GetCallerIdentityResult>UserId"`
	Account   string   `xml:"GetCallerIdentityResult>Account"`
	RequestID string   `xml:"ResponseMetadata>RequestId"`
}

func callerIdentity(k *key) *identityResponse {
	return &identityResponse{Arn: k.arn(), UserID: k.userID(), Account: k.account, RequestID: newUUID()}
}

type assumeRoleResponse struct {
	XMLName xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ AssumeRoleResponse"`
	Result  struct {
		SourceIdentity string `xml:",omitempty"`
		Arn            string `xml:"AssumedRoleUser>Arn"`
		AssumedRoleID  string `xml:"AssumedRoleUser>AssumedRoleId"`
		AccessKeyID    string `xml:"Credentials>AccessKeyId"`
		SecretKey      string `xml:"Credentials>SecretAccessKey"`
		SessionToken   string `xml:"Credentials>SessionToken"`
		Expiration     string `xml:"Credentials>Expiration"`
	} `xml:"AssumeRoleResult"`
	RequestID string `xml:"ResponseMetadata>RequestId"`
}

// assumeRole issues keys of a role.
func (x *exchange) assumeRole(caller *key) (any, *stsError) {
	ask, err := x.parseAssumeRole(caller.token != "")
	if err != nil {
		return nil, err
	}
	s, w := x.s, x.s.world
	s.mu.Lock()
	defer s.mu.Unlock()
	a := w.account(ask.account)
	if a == nil || a.id != ask.account || !w.has(a, ask.role) || w.denied(caller.user, a, ask.role) {
		return nil, &stsError{http.StatusForbidden, "AccessDenied", fmt.Sprintf(
			"User: %s is not authorized to perform: sts:AssumeRole on resource: %s", caller.arn(), ask.arn)}
	}
	k := &key{
		account: a.id, role: ask.role, session: ask.session, user: caller.user,
		expires: s.now().Add(s.granted(ask.duration)).Truncate(time.Second),
	}
	id := w.issue(k)

	res := &assumeRoleResponse{RequestID: newUUID()}
	res.Result.SourceIdentity = x.form.Get("SourceIdentity")
	res.Result.Arn = strings.Replace(k.arn(), "arn:aws:", "arn:"+ask.partition+":", 1)
	res.Result.AssumedRoleID = k.userID()
	res.Result.AccessKeyID, res.Result.SecretKey, res.Result.SessionToken = id, k.secret, k.token
	res.Result.Expiration = k.expires.UTC().Format(time.RFC3339)
	return res, nil
}

type roleAsk struct {
	arn, partition, account, role, session string
	duration                               time.Duration
}

var (
	roleARN     = regexp.MustCompile(`^arn:(aws[a-z-]*):iam::([0-9]{12}):role/(?:[!-~]+/)?([\w+=,.@-]{1,64})$`)
	sessionName = regexp.MustCompile(`^[\w+=,.@-]*$`)
)

func parseRoleARN(arn string) (partition, account, role string, ok bool) {
	m := roleARN.FindStringSubmatch(arn)
	if m == nil {
		return "", "", "", false
	}
	return m[1], m[2], m[3], true
}

// parseAssumeRole checks the parameters; chained means that the caller is itself somebody who assumed a role.
func (x *exchange) parseAssumeRole(chained bool) (ask roleAsk, err *stsError) {
	invalid := func(format string, args ...any) (roleAsk, *stsError) {
		return ask, &stsError{http.StatusBadRequest, "ValidationError", fmt.Sprintf(format, args...)}
	}
	unmet := func(value, name, constraint string) (roleAsk, *stsError) {
		return invalid("1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must %s",
			value, name, constraint)
	}

	var ok bool
	ask.arn, ask.session = x.form.Get("RoleArn"), x.form.Get("RoleSessionName")
	if ask.partition, ask.account, ask.role, ok = parseRoleARN(ask.arn); !ok {
		return invalid("%s is invalid", ask.arn)
	}
	switch {
	case len(ask.session) < 2:
		return unmet(ask.session, "roleSessionName", "have length greater than or equal to 2")
	case len(ask.session) > 64:
		return unmet(ask.session, "roleSessionName", "have length less than or equal to 64")
	case !sessionName.MatchString(ask.session):
		return unmet(ask.session, "roleSessionName", `satisfy regular expression pattern: [\w+=,.@-]*`)
	}

	ask.duration = defaultSession
	if text := x.form.Get("DurationSeconds"); text != "" {
		n, err := strconv.Atoi(text)
		switch {
		case err != nil:
			return unmet(text, "durationSeconds", "be an integer")
		case n < minSession:
			return unmet(text, "durationSeconds", fmt.Sprintf("have value greater than or equal to %d", minSession))
		case n > maxSession:
			return unmet(text, "durationSeconds", fmt.Sprintf("have value less than or equal to %d", maxSession))
		case chained && n > maxChained:
			return invalid("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
		}
		ask.duration = time.Duration(n) * time.Second
	}
	return ask, nil
}

// seconds reads a number of seconds for the record; zero if it is none.
func seconds(text string) time.Duration {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}

// writeSTSError answers with an error document.
func writeSTSError(w http.ResponseWriter, e *stsError) {
	kind := "Sender"
	if e.status >= 500 {
		kind = "Receiver"
	}
	writeXML(w, e.status, struct {
		XMLName   xml.Name
		Type      string `xml:"Error>Type"`
		Code      string `xml:"Error>Code"`
		Message   string `xml:"Error>Message"`
		RequestID string `xml:"RequestId"`
	}{xml.Name{Space: stsNamespace, Local: "ErrorResponse"}, kind, e.code, e.message, newUUID()})
}

func writeXML(w http.ResponseWriter, status int, v any) {
	doc, err := xml.MarshalIndent(v, "", "  ")
	if err != nil {
		panic(err) // only strings in there
	}
	write(w, status, "text/xml", string(doc)+"\n")
}
