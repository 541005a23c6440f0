package chaimtest

import (
	"cmp"
	"crypto/sha256"
	"encoding/base32"
	"encoding/xml"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	stsVersion   = "2011-06-15"
	stsNamespace = "https://sts.amazonaws.com/doc/2011-06-15/"
)

// isSTS reports whether a request is for the STS endpoint rather than the gateway.
func isSTS(r *http.Request) bool {
	return r.URL.Path == stsPath || r.URL.Path == stsPath+"/" ||
		(strings.HasPrefix(r.Host, "sts.") || strings.HasPrefix(r.Host, "sts-fips.")) && r.URL.Path == "/"
}

// stsError is a refusal by STS.
type stsError struct {
	status        int
	code, message string
}

// Error is the text for the record: the first line only, because the others may quote the session token.
func (e *stsError) Error() string {
	line, _, _ := strings.Cut(e.message, "\n")
	return e.code + ": " + line
}

// stsRefusal makes a refusal.
func stsRefusal(status int, code, format string, args ...any) *stsError {
	return &stsError{status: status, code: code, message: fmt.Sprintf(format, args...)}
}

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

// call verifies the caller and performs the action. The result is an XML document.
func (x *exchange) call() (any, *stsError) {
	if m := x.r.Method; m != http.MethodPost && m != http.MethodGet {
		return nil, stsRefusal(http.StatusMethodNotAllowed, "MethodNotAllowed", "STS takes POST and GET")
	}
	if x.form.Get("Action") == "AssumeRoleWithWebIdentity" && x.form.Get("Version") == stsVersion { // is not signed
		return x.assumeRoleWithWebIdentity()
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
	case action == "GetSessionToken":
		return x.sessionToken(caller)
	case action == "GetCallerIdentity":
		return callerIdentity(caller), nil
	}
	if version == "" {
		version = "NO_VERSION_SPECIFIED"
	}
	return nil, stsRefusal(http.StatusBadRequest, "InvalidAction",
		"Could not find operation %s for version %s", action, version)
}

// isTemporary reports whether the keys belong to a role or a session, and are not an IAM user's own.
func (k *key) isTemporary() bool { return k.token != "" }

// arn returns the ARN of the user or session.
func (k *key) arn() string {
	if k.role == "" {
		return "arn:aws:iam::" + k.account + ":user/" + k.user
	}
	return "arn:" + cmp.Or(k.partition, "aws") + ":sts::" + k.account + ":assumed-role/" + k.role + "/" + k.session
}

// userID returns the unique id of the user or session.
func (k *key) userID() string {
	if k.role == "" {
		return uniqueID("AIDA", k.account, k.user)
	}
	return uniqueID("AROA", k.account, k.role) + ":" + k.session
}

// uniqueID returns an id in IAM's form, always the same one for a name.
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

// seconds reads a number of seconds for the record. It is zero for other texts.
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
