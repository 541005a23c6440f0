package remote

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"

	"github.com/chaim-go/chaim/internal/errtext"
)

func TestExceptionKind(t *testing.T) {
	for text, want := range map[string][2]string{
		"doStart: Error CredentialsGenerationFail: buildCredentials error: IncorrectCredentials: usertoken has expired": {"IncorrectCredentials", "usertoken has expired"},
		"doStart: Error DataNotFound: Account not found: My: account":                                                   {"DataNotFound", "Account not found: My: account"},
		"KeyError: 'api'": {"KeyError", "'api'"},
		"Sorry: no":       {"", "Sorry: no"},
		"DataNotFound: Account not found: ProdTeam: eu": {"DataNotFound", "Account not found: ProdTeam: eu"},
		"": {"", ""},
	} {
		kind, message := exceptionKind(text)
		assert.Equal(t, want, [2]string{kind, message}, text)
	}
}

func TestScrub(t *testing.T) {
	for text, want := range map[string]string{
		"plain text, 12 words":                             "plain text, 12 words",
		"token abc in it":                                  "token [secret] in it",
		"key " + strings.Repeat("aB3/", 10) + "!":          "key [secret]!",
		"query a%2Fb%3D, path a%2Fb=":                      "query [secret], path [secret]",
		"TOKEN=ABC, 612f623d":                              "TOKEN=[secret], [secret]",
		`"x":"wJalrXUtnFEMI\/K7MDENG\/bPxRfiCYEXAMPLEKEY"`: `"x":"[secret]"`,
		"a\nb\x1b[31m\u202e\u00e9":                         "a?b?[31m??",
		strings.Repeat("word ", 60):                        strings.Repeat("word ", 40) + "...",
		"role arn:aws:sts::111111111111:assumed-role/CrossAccountReadOnly/asia-release-1795312345-hgfedqwe, or": "role arn:aws:sts::111111111111:assumed-role/CrossAccountReadOnly/asia-release-1795312345-hgfedqwe, or",
		"no ARN role/wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY":                                                  "no ARN [secret]",
		"id ASIAEXAMPLE000000001 is not a secret key":                                                           "id ASIAEXAMPLE000000001 is not a secret key",
	} {
		assert.Equal(t, want, scrub(text, maxText, "abc", "", "a/b="))
	}
}

func TestScrubOddSecrets(t *testing.T) {
	for _, secret := range []string{"CANARY-caf\xe9-12345", "(CANARY[", "\xff\xfeCANARY", strings.Repeat("CANARY", 1<<20)} {
		assert.NotContains(t, scrub("it was "+secret+", "+strings.ToLower(secret)+"!", maxText, secret), "CANARY")
	}
}

// dump is an error that is not a pointer, as some providers have.
type dump struct{ Read string }

func (d dump) Error() string { return "cannot parse " + d.Read }

func TestForeign(t *testing.T) {
	assert.NoError(t, Foreign(nil))
	for name, text := range map[string]string{
		"output of a process": `process provider error: parse failed of process output: WARN {"SecretAccessKey":"CANARY32chars"}`,
		"JSON":                `got {"SecretAccessKey": "CANARY", "password":"CANARY CANARY", "Token":"CANARY`,
		"JSON in a string":    `"{\\"SecretAccessKey\\": \\"CANARY\\", \\"x\\": 1}"`,
		"an escaped quote":    `{"SecretKey": "a\"CANARY"}`,
		"Python":              `{'SecretAccessKey': 'CANARY', "token": u'x'}`,
		"XML":                 `<SecretAccessKey>CANARY</SecretAccessKey><SessionToken> CANARY<`,
		"header":              "Authorization: Bearer CANARY",
		"URL":                 "Get https://chris:CANARY@proxy.example: refused",
		"argument":            "exec: helper --secret CANARY --token=CANARY failed",
		"more than one word":  "password=a;CANARY",
		"pairs":               "aws_secret_access_key = CANARY, session_token: CANARY; X-Amz-Security-Token=CANARY X-Amz-Security-Token: CANARY",
	} {
		err := Foreign(fmt.Errorf("outer: %w", dump{text}))
		for _, verb := range []string{"%v", "%+v", "%#v", "%q", "%d"} {
			assert.NotContains(t, fmt.Sprintf(verb, err), "CANARY", name)
			assert.NotContains(t, fmt.Sprintf(verb, errtext.Wrap(err, "x")), "CANARY", name)
		}
		assert.Nil(t, errors.Unwrap(err))
		var d dump
		assert.True(t, errors.As(err, &d) && d.Read == text, "who knows the error can have it")
	}
	err := Foreign(&smithy.DeserializationError{Err: context.Canceled, Snapshot: []byte("CANARY")})
	assert.ErrorIs(t, err, context.Canceled)
	assert.False(t, errors.As(err, new(*smithy.DeserializationError)))
}

func TestForeignKeepsWhatHelps(t *testing.T) {
	for _, text := range []string{
		"token has expired",
		"ExpiredToken: The security token included in the request is expired",
		"InvalidClientTokenId: The security token included in the request is invalid",
		"failed to read cached SSO token: open /home/chris/.aws/sso/cache/x.json: no such file",
		"operation error STS: AssumeRole, https response error StatusCode: 403, RequestID: 27c31e7e-3e06-4850-9328-e5e1f3183598, api error AccessDenied: User: arn:aws:iam::111111111111:user/chris is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::222222222222:role/CrossAccountReadOnly",
		`Post "https://sts.example:8443/": dial tcp 10.0.0.1:8443: connect: connection refused`,
		"no EC2 IMDS role found, operation error ec2imds: GetMetadata, request canceled, context deadline exceeded",
	} {
		assert.EqualError(t, Foreign(errors.New(text)), "chaim: "+text)
	}
}
