package chaimtest

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/chaim-go/chaim/internal/lazyregexp"
)

const (
	minSession     = 900   // seconds
	maxSession     = 43200 // seconds
	maxChained     = 3600  // seconds
	defaultSession = time.Hour
)

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
	ask, err := parseAssumeRole(x.form, caller.isTemporary())
	if err != nil {
		return nil, err
	}
	s, w := x.s, x.s.world
	s.mu.Lock()
	defer s.mu.Unlock()
	a := w.account(ask.account)
	if a == nil || a.id != ask.account || !w.has(a, ask.role) || w.denied(caller.user, a, ask.role) {
		return nil, ask.unauthorized(caller)
	}
	hasMFA, err := w.checkMFA(ask.serial, ask.code, a.trust, caller)
	if err == nil && !a.trust.isMet(ask, hasMFA) {
		err = ask.unauthorized(caller)
	}
	if err != nil {
		return nil, err
	}
	k := &key{
		account: a.id, role: ask.role, session: ask.session, user: caller.user, partition: ask.partition,
		expires: w.now().Add(w.granted(ask.duration)).Truncate(time.Second), marks: marks{chained: caller.isTemporary(), hasMFA: hasMFA},
	}
	id := w.issue(k)

	res := &assumeRoleResponse{RequestID: newUUID()}
	res.Result.SourceIdentity = x.form.Get("SourceIdentity")
	res.Result.Arn = k.arn()
	res.Result.AssumedRoleID = k.userID()
	res.Result.AccessKeyID, res.Result.SecretKey, res.Result.SessionToken = id, k.secret, k.token
	res.Result.Expiration = k.expires.UTC().Format(time.RFC3339)
	return res, nil
}

// roleAsk is a request of AssumeRole.
type roleAsk struct {
	arn, partition, account, role, session string
	duration                               time.Duration
	externalID, serial, code               string
}

func (ask *roleAsk) unauthorized(caller *key) *stsError {
	return stsRefusal(http.StatusForbidden, "AccessDenied",
		"User: %s is not authorized to perform: sts:AssumeRole on resource: %s", caller.arn(), ask.arn)
}

// isMet reports whether a request satisfies the requirements of the account.
func (t trust) isMet(ask *roleAsk, hasMFA bool) bool {
	return (t.externalID == "" || equal(t.externalID, ask.externalID)) && (t.mfaSerial == "" || hasMFA)
}

// checkMFA checks the code of an MFA device, if the request has one. hasMFA says that the code is right or, without a code,
// that the caller's keys are those of an MFA session.
func (w *world) checkMFA(serial, code string, t trust, caller *key) (hasMFA bool, err *stsError) {
	refuse := func(text string) (bool, *stsError) {
		return false, stsRefusal(http.StatusForbidden, "AccessDenied", "MultiFactorAuthentication failed%s", text)
	}
	d := w.devices[serial]
	switch {
	case (serial == "") != (code == ""):
		return refuse(", must provide both MFA serial number and one time pass code.")
	case serial == "":
		return caller.hasMFA, nil
	case t.mfaSerial != "" && t.mfaSerial != serial, d != nil && d.user != caller.user:
		return refuse(", unable to validate MFA code.  Please verify your MFA serial number is valid " +
			"and associated with this user.")
	case t.mfaSerial != "" && t.mfaCode != "" && equal(t.mfaCode, code), d == nil && t.mfaSerial == "",
		d != nil && d.take(caller.user, code, w.now()):
		return true, nil
	}
	return refuse(" with invalid MFA one time pass code. ")
}

var (
	roleARN     = lazyregexp.New(`^arn:(aws[a-z-]*):iam::([0-9]{12}):role/(?:[!-~]+/)?([\w+=,.@-]{1,64})$`)
	sessionName = lazyregexp.New(`^[\w+=,.@-]*$`)

	secretParameter = lazyregexp.New(`^(ExternalId|TokenCode|Policy)$`)
	plainParameter  = lazyregexp.New(`^(RoleArn|RoleSessionName|DurationSeconds|SourceIdentity|SerialNumber|` +
		`PolicyArns\.member\.\d+\.arn|Tags\.member\.\d+\.(Key|Value)|TransitiveTagKeys\.member\.\d+)$`)
)

// recorded returns the parameters of AssumeRole for the record. It leaves out unknown ones, which may be secrets.
func recorded(form url.Values) map[string]string {
	known := map[string]string{}
	for name, values := range form {
		switch {
		case secretParameter().MatchString(name):
			known[name] = "***"
		case plainParameter().MatchString(name):
			known[name] = values[0]
		}
	}
	return known
}

func invalid(format string, args ...any) *stsError {
	return stsRefusal(http.StatusBadRequest, "ValidationError", format, args...)
}

// unmet is the refusal of a value that does not satisfy a constraint.
func unmet(value, name, constraint string) *stsError {
	return invalid("1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must %s", value, name, constraint)
}

func parseRoleARN(arn string) (partition, account, role string, ok bool) {
	m := roleARN().FindStringSubmatch(arn)
	if m == nil {
		return "", "", "", false
	}
	return m[1], m[2], m[3], true
}

// parseAssumeRole reads and checks the parameters. chained means that the caller has keys of a role.
func parseAssumeRole(form url.Values, chained bool) (ask *roleAsk, err *stsError) {
	ask = &roleAsk{
		arn: form.Get("RoleArn"), session: form.Get("RoleSessionName"),
		externalID: form.Get("ExternalId"), serial: form.Get("SerialNumber"), code: form.Get("TokenCode"),
	}
	var ok bool
	if ask.partition, ask.account, ask.role, ok = parseRoleARN(ask.arn); !ok {
		return nil, invalid("%s is invalid", ask.arn)
	}
	switch n := len(ask.session); {
	case n < 2:
		return nil, unmet(ask.session, "roleSessionName", "have length greater than or equal to 2")
	case n > 64:
		return nil, unmet(ask.session, "roleSessionName", "have length less than or equal to 64")
	case !sessionName().MatchString(ask.session):
		return nil, unmet(ask.session, "roleSessionName", `satisfy regular expression pattern: [\w+=,.@-]*`)
	}
	ask.duration, err = parseDuration(form.Get("DurationSeconds"), chained)
	return ask, err
}

// parseDuration reads the lifetime of keys of a role.
func parseDuration(text string, chained bool) (time.Duration, *stsError) {
	d, err := parseSeconds(text, defaultSession, maxSession)
	if err == nil && chained && d > maxChained*time.Second {
		return 0, invalid("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
	}
	return d, err
}

// parseSeconds reads a number of seconds.
func parseSeconds(text string, usual time.Duration, most int) (time.Duration, *stsError) {
	if text == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(text)
	switch {
	case err != nil:
		return 0, unmet(text, "durationSeconds", "be an integer")
	case n < minSession:
		return 0, unmet(text, "durationSeconds", fmt.Sprintf("have value greater than or equal to %d", minSession))
	case n > most:
		return 0, unmet(text, "durationSeconds", fmt.Sprintf("have value less than or equal to %d", most))
	}
	return time.Duration(n) * time.Second, nil
}
