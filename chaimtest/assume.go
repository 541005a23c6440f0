package chaimtest

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/chaim-go/chaim/internal/lazyregexp"
)

const (
	minSession     = 900   // seconds
	maxSession     = 43200 // seconds
	maxChained     = 3600  // seconds
	defaultSession = time.Hour

	maxPolicy     = 2048 // characters
	maxPolicyARNs = 10
	maxTags       = 50
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
	ask, err := parseAssumeRole(x.form, caller)
	if err != nil {
		return nil, err
	}
	s, w := x.s, x.s.world
	s.mu.Lock()
	defer s.mu.Unlock()
	a := w.account(ask.account)
	if a == nil || a.id != ask.account || !w.has(a, ask.role) || w.denied(caller.user, a, ask.role) {
		return nil, ask.unauthorized(caller, "sts:AssumeRole")
	}
	if err := ask.trusted(a.trust, caller); err != nil {
		return nil, err
	}
	k := &key{
		account: a.id, role: ask.role, session: ask.session, user: caller.user,
		expires: s.now().Add(s.granted(ask.duration)).Truncate(time.Second),
		chained: caller.token != "", partition: ask.partition, sourceIdentity: ask.sourceIdentity, transitive: ask.transitive,
	}
	id := w.issue(k)

	res := &assumeRoleResponse{RequestID: newUUID()}
	res.Result.SourceIdentity = k.sourceIdentity
	res.Result.Arn = k.arn()
	res.Result.AssumedRoleID = k.userID()
	res.Result.AccessKeyID, res.Result.SecretKey, res.Result.SessionToken = id, k.secret, k.token
	res.Result.Expiration = k.expires.UTC().Format(time.RFC3339)
	return res, nil
}

// roleAsk is what AssumeRole asks for, with what the caller's session passes on.
type roleAsk struct {
	arn, partition, account, role, session string
	duration                               time.Duration
	externalID, serial, code               string
	sourceIdentity                         string
	transitive                             []string // lower case
}

func (ask *roleAsk) unauthorized(caller *key, action string) *stsError {
	return stsRefusal(http.StatusForbidden, "AccessDenied",
		"User: %s is not authorized to perform: %s on resource: %s", caller.arn(), action, ask.arn)
}

// trusted checks what the account asks of a caller.
func (ask *roleAsk) trusted(t trust, caller *key) *stsError {
	mfa := func(text string) *stsError {
		return stsRefusal(http.StatusForbidden, "AccessDenied", "MultiFactorAuthentication failed%s", text)
	}
	switch {
	case (ask.serial == "") != (ask.code == ""):
		return mfa(", must provide both MFA serial number and one time pass code.")
	case t.externalID != "" && !equal(t.externalID, ask.externalID), t.mfaSerial != "" && ask.serial == "":
		return ask.unauthorized(caller, "sts:AssumeRole")
	case t.mfaSerial != "" && t.mfaSerial != ask.serial:
		return mfa(", unable to validate MFA code.  Please verify your MFA serial number is valid " +
			"and associated with this user.")
	case t.mfaSerial != "" && !equal(t.mfaCode, ask.code):
		return mfa(" with invalid MFA one time pass code. ")
	case caller.sourceIdentity != "" && caller.sourceIdentity != ask.sourceIdentity:
		return ask.unauthorized(caller, "sts:SetSourceIdentity")
	}
	return nil
}

// constraint is what holds for a parameter with a text as its value.
type constraint struct {
	name     string // in the request
	min, max int    // characters
	pattern  func() *regexp.Regexp
	secret   bool
}

// pattern is a regular expression for the whole value.
func pattern(text string) func() *regexp.Regexp { return lazyregexp.New("^" + text + "$") }

var (
	constraints = []constraint{
		{"RoleSessionName", 2, 64, pattern(`[\w+=,.@-]*`), false},
		{"ExternalId", 2, 1224, pattern(`[\w+=,.@:\/-]*`), true},
		{"SourceIdentity", 2, 64, pattern(`[\w+=,.@-]*`), false},
		{"SerialNumber", 9, 256, pattern(`[\w+=/:,.@-]*`), false},
		{"TokenCode", 6, 6, pattern(`[\d]*`), true},
	}
	tagKey   = constraint{"Key", 1, 128, pattern(`[\p{L}\p{Z}\p{N}_.:/=+\-@]+`), false}
	tagValue = constraint{"Value", 0, 256, pattern(`[\p{L}\p{Z}\p{N}_.:/=+\-@]*`), false}

	roleARN   = lazyregexp.New(`^arn:(aws[a-z-]*):iam::([0-9]{12}):role/(?:[!-~]+/)?([\w+=,.@-]{1,64})$`)
	policyARN = lazyregexp.New(`^arn:aws[a-z-]*:iam::(?:[0-9]{12}|aws):policy/(?:[!-~]+/)?[\w+=,.@-]{1,128}$`)

	parameterName = lazyregexp.New(`^(RoleArn|RoleSessionName|DurationSeconds|ExternalId|SourceIdentity|` +
		`SerialNumber|TokenCode|Policy|PolicyArns\.member\.\d+\.arn|Tags\.member\.\d+\.(Key|Value)|` +
		`TransitiveTagKeys\.member\.\d+|MinimumSessionTokenSize|` +
		`ProvidedContexts\.member\.\d+\.(ProviderArn|ContextAssertion))$`)
	secretParameter = lazyregexp.New(`^(ExternalId|TokenCode|Policy|.*\.ContextAssertion)$`)
)

// knownParameters returns the parameters of AssumeRole for the record. A form may hold anything, so names that are not
// known are left out.
func knownParameters(form url.Values) map[string]string {
	known := map[string]string{}
	for name, values := range form {
		switch {
		case secretParameter().MatchString(name) && parameterName().MatchString(name):
			known[name] = hidden
		case parameterName().MatchString(name):
			known[name] = values[0]
		}
	}
	return known
}

// hidden stands for a secret on record.
const hidden = "***"

func invalid(format string, args ...any) *stsError {
	return stsRefusal(http.StatusBadRequest, "ValidationError", format, args...)
}

// unmet says that a value does not satisfy a constraint.
func unmet(value, name, constraint string, secret bool) *stsError {
	text := func(value string) string {
		return fmt.Sprintf("1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must %s",
			value, name, constraint)
	}
	e := invalid("%s", text(value))
	if secret {
		e.forRecord = text(hidden)
	}
	return e
}

// check tells what is wrong with a value, called name in the answer.
func (c *constraint) check(name, value string) *stsError {
	n := utf8.RuneCountInString(value)
	switch {
	case n < c.min:
		return unmet(value, name, fmt.Sprintf("have length greater than or equal to %d", c.min), c.secret)
	case n > c.max:
		return unmet(value, name, fmt.Sprintf("have length less than or equal to %d", c.max), c.secret)
	case !c.pattern().MatchString(value):
		text := strings.TrimSuffix(strings.TrimPrefix(c.pattern().String(), "^"), "$")
		return unmet(value, name, "satisfy regular expression pattern: "+text, c.secret)
	}
	return nil
}

func parseRoleARN(arn string) (partition, account, role string, ok bool) {
	m := roleARN().FindStringSubmatch(arn)
	if m == nil {
		return "", "", "", false
	}
	return m[1], m[2], m[3], true
}

// parseAssumeRole checks the parameters that caller sends.
func parseAssumeRole(form url.Values, caller *key) (*roleAsk, *stsError) {
	ask := &roleAsk{
		arn: form.Get("RoleArn"), session: form.Get("RoleSessionName"),
		externalID: form.Get("ExternalId"), serial: form.Get("SerialNumber"), code: form.Get("TokenCode"),
		sourceIdentity: form.Get("SourceIdentity"),
	}
	var ok bool
	if ask.partition, ask.account, ask.role, ok = parseRoleARN(ask.arn); !ok {
		return nil, invalid("%s is invalid", ask.arn)
	}
	for _, c := range constraints {
		if !form.Has(c.name) && c.name != "RoleSessionName" {
			continue
		}
		if err := c.check(strings.ToLower(c.name[:1])+c.name[1:], form.Get(c.name)); err != nil {
			return nil, err
		}
	}
	var err *stsError
	if ask.duration, err = parseDuration(form.Get("DurationSeconds"), caller.token != ""); err != nil {
		return nil, err
	}
	if err := checkPolicies(form); err != nil {
		return nil, err
	}
	if ask.transitive, err = parseTags(form, caller.transitive); err != nil {
		return nil, err
	}
	if ask.sourceIdentity == "" {
		ask.sourceIdentity = caller.sourceIdentity
	}
	return ask, nil
}

// parseDuration reads a number of seconds; chained means that the caller has assumed a role.
func parseDuration(text string, chained bool) (time.Duration, *stsError) {
	if text == "" {
		return defaultSession, nil
	}
	unmet := func(constraint string) (time.Duration, *stsError) {
		return 0, unmet(text, "durationSeconds", constraint, false)
	}
	n, err := strconv.Atoi(text)
	switch {
	case err != nil:
		return unmet("be an integer")
	case n < minSession:
		return unmet(fmt.Sprintf("have value greater than or equal to %d", minSession))
	case n > maxSession:
		return unmet(fmt.Sprintf("have value less than or equal to %d", maxSession))
	case chained && n > maxChained:
		return 0, invalid("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
	}
	return time.Duration(n) * time.Second, nil
}

// checkPolicies looks at the session policies.
func checkPolicies(form url.Values) *stsError {
	if form.Has("Policy") {
		malformed := func(text string) *stsError {
			return stsRefusal(http.StatusBadRequest, "MalformedPolicyDocument", "%s", text)
		}
		text := form.Get("Policy")
		var document map[string]json.RawMessage
		switch err := json.Unmarshal([]byte(text), &document); {
		case utf8.RuneCountInString(text) > maxPolicy:
			return malformed(fmt.Sprintf("The policy is longer than %d characters", maxPolicy))
		case !json.Valid([]byte(text)):
			return malformed("This policy contains invalid Json")
		case err != nil || document == nil:
			return malformed("Syntax errors in policy.")
		}
	}
	arns := members(form, "PolicyArns.member.", ".arn")
	if err := checkCount("policyArns", arns, maxPolicyARNs); err != nil {
		return err
	}
	for _, arn := range arns {
		if !policyARN().MatchString(arn) {
			return invalid("%s is invalid", arn)
		}
	}
	return nil
}

// parseTags checks the session tags. It returns the keys, in lower case, of those that chained sessions inherit.
func parseTags(form url.Values, inherited []string) (transitive []string, err *stsError) {
	refuse := func(text string) ([]string, *stsError) {
		return nil, stsRefusal(http.StatusBadRequest, "InvalidParameterValue", "%s", text)
	}
	keys := members(form, "Tags.member.", ".Key")
	if err := checkCount("tags", keys, maxTags); err != nil {
		return nil, err
	}
	tags := map[string]bool{}
	for i, k := range keys {
		name := fmt.Sprintf("tags.%d.member.", i+1)
		if err := tagKey.check(name+"key", k); err != nil {
			return nil, err
		}
		if err := tagValue.check(name+"value", form.Get(fmt.Sprintf("Tags.member.%d.Value", i+1))); err != nil {
			return nil, err
		}
		k = strings.ToLower(k)
		if tags[k] {
			return refuse("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		if slices.Contains(inherited, k) {
			return refuse("One of the specified transitive tag keys can't be set because it conflicts with a " +
				"transitive tag key from the calling session.")
		}
		tags[k] = true
	}

	passed := map[string]bool{}
	for _, k := range inherited {
		passed[k] = true
	}
	keys = members(form, "TransitiveTagKeys.member.", "")
	if err := checkCount("transitiveTagKeys", keys, maxTags); err != nil {
		return nil, err
	}
	for _, k := range keys {
		k = strings.ToLower(k)
		if !tags[k] && !passed[k] {
			return refuse("The specified transitive tag key must be included in the requested tags.")
		}
		passed[k] = true
	}
	return slices.Sorted(maps.Keys(passed)), nil
}

// members returns a list parameter, whose members are numbered from 1.
func members(form url.Values, before, after string) (list []string) {
	for i := 1; form.Has(before + strconv.Itoa(i) + after); i++ {
		list = append(list, form.Get(before+strconv.Itoa(i)+after))
	}
	return list
}

func checkCount(name string, list []string, limit int) *stsError {
	if len(list) <= limit {
		return nil
	}
	return unmet("["+strings.Join(list, ", ")+"]", name, fmt.Sprintf("have length less than or equal to %d", limit), false)
}
