package httpx

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"

	"github.com/chaim-go/chaim/internal/errtext"
)

func TestScrub(t *testing.T) {
	for text, want := range map[string]string{
		"plain text, 12 words":                             "plain text, 12 words",
		"token abc in it":                                  "token [secret] in it",
		"key " + strings.Repeat("aB3/", 10) + "!":          "key [secret]!",
		"query a%2Fb%3D, path a%2Fb=":                      "query [secret], path [secret]",
		"TOKEN=ABC, 612f623d":                              "TOKEN=[secret], [secret]",
		`"x":"wJalrXUtnFEMI\/K7MDENG\/bPxRfiCYEXAMPLEKEY"`: `"x":"[secret]"`,
		"a\nb\x1b[31m\u202e\u00e9":                         "a b?[31m??",
		strings.Repeat("word ", 60):                        strings.Repeat("word ", 40) + "...",
		"role arn:aws:sts::111111111111:assumed-role/CrossAccountReadOnly/asia-release-1795312345-hgfedqwe, or": "role arn:aws:sts::111111111111:assumed-role/CrossAccountReadOnly/asia-release-1795312345-hgfedqwe, or",
		"no ARN role/wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY":                                                  "no ARN [secret]",
		"id ASIAEXAMPLE000000001 is not a secret key":                                                           "id ASIAEXAMPLE000000001 is not a secret key",
	} {
		assert.Equal(t, want, Scrub(text, MaxText, "abc", "", "a/b="))
	}
}

func TestScrubUserTokens(t *testing.T) {
	for text, want := range map[string]string{
		"bad token chm1_k3v9_CANARY-x_y, sorry":      "bad token [secret], sorry",
		"CHM1_K3V9_CANARY":                           "[secret]",
		"https://chaim.example/?t=chm1_a_CANARY&u=x": "https://chaim.example/?t=[secret]&u=x",
		`Account not found: "chm1_CANARY"`:           `Account not found: "[secret]"`,
		"cut off: chm1_k3v9_CAN...":                  "cut off: [secret]...",
		"a token begins with chm1_":                  "a token begins with chm1_",
	} {
		for _, isQuoted := range []bool{false, true} {
			got := Redaction{Limit: MaxText, IsQuoted: isQuoted, Local: []string{"chm1_k3v9_CANARY-x_y", "chm1_CANARY"}}.Of(text)
			assert.Equal(t, want, got)
		}
	}
	assert.EqualError(t, Foreign(errors.New("helper said chm1_k3v9_CANARY"), nil), "chaim: helper said [secret]")
}

func TestScrubOddSecrets(t *testing.T) {
	for _, secret := range []string{"CANARY-caf\xe9-12345", "(CANARY[", "\xff\xfeCANARY", strings.Repeat("CANARY", 1<<20)} {
		assert.NotContains(t, Scrub("it was "+secret+", "+strings.ToLower(secret)+"!", MaxText, secret), "CANARY")
	}
}

func TestScrubSecretsInSecrets(t *testing.T) {
	for _, tt := range []struct {
		text    string
		secrets []string
		want    string
	}{
		{"it is abcdef.", []string{"abc", "abcdef"}, "it is [secret]."},
		{"it is abcdef.", []string{"abcdef", "abc"}, "it is [secret]."},
		{"it is abcdef.", []string{"abcd", "cdef"}, "it is [secret]."},
		{"abcabcabc", []string{"abcabc"}, "[secret]"},
		{"my secret is out", []string{"secret", "ret", "sec"}, "my [secret] is out"},
		{"[secret] and sec", []string{"secret", "sec"}, "[secret] and [secret]"},
		{"aXYZb", []string{"XYZ", "a[secret]b"}, "[secret]"},
		{"caf\x01 au lait", []string{"caf?"}, "[secret] au lait"},
		{"Basic Y2hyaXM6cGFzc3dk!", []string{"chris:passwd"}, "Basic [secret]!"},
		{strings.Repeat("x ", 97) + "abc abcdef", []string{"abcdef"}, strings.Repeat("x ", 97) + "abc ..."},
	} {
		got := Scrub(tt.text, MaxText, tt.secrets...)
		assert.Equal(t, tt.want, got)
		assert.Equal(t, got, Scrub(got, MaxText, tt.secrets...), "again")
	}
}

// FuzzScrub puts secrets, in their usual encodings, into random texts.
func FuzzScrub(f *testing.F) {
	f.Add("token=", "abcdef", "abc", " and more")
	f.Add("[secret", "secret", "ret]", "]")
	f.Add("arn:aws:iam::111111111111:role/", "Role/Name", "Name", "...")
	f.Add("\xff\n", "caf\xe9?", "a[secret]b", "aab")
	f.Add("0", "0\n0", "abcdef", "0")
	f.Add("chm1_a_", "chm1_a_b", "a_", "_chm1_")
	f.Fuzz(func(t *testing.T, before, one, other, after string) {
		secrets := []string{one, other}
		for _, form := range append(formsOf(one), strings.ToUpper(one), one+other) {
			for _, r := range []Redaction{
				{Limit: MaxText, Secrets: secrets},
				{Limit: 20, Secrets: secrets},
				{Limit: maxForeignText, Secrets: secrets, IsQuoted: true, Local: []string{before, other}},
			} {
				got := r.Of(before + form + after)
				assert.Equal(t, got, r.Of(got), "again")
				assert.LessOrEqual(t, len(got), r.Limit+len(cut))
				assert.NotContains(t, got, Hidden+Hidden)
				for part := range strings.SplitSeq(got, Hidden) {
					for _, secret := range secrets {
						isPart := strings.Contains(cut, secret) // cut is the end of a shortened text
						if len(secret) >= minSecretSize && !isPart {
							assert.NotContains(t, strings.ToLower(part), lowerASCII(secret))
						}
					}
				}
			}
		}
	})
}

// dump is an error type that is no pointer, as some providers have.
type dump struct{ Read string }

func (d dump) Error() string { return "cannot parse " + d.Read }

func TestForeign(t *testing.T) {
	assert.NoError(t, Foreign(nil, nil))
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
		"pairs":               "aws_secret_access_key = CANARY, session_token: CANARY; usertoken: CANARY; X-Amz-Security-Token=CANARY X-Amz-Security-Token: CANARY",
	} {
		err := Foreign(fmt.Errorf("outer: %w", dump{text}), nil)
		for _, verb := range []string{"%v", "%+v", "%#v", "%q", "%d"} {
			assert.NotContains(t, fmt.Sprintf(verb, err), "CANARY", name)
			assert.NotContains(t, fmt.Sprintf(verb, errtext.Wrap(err, "x")), "CANARY", name)
		}
		assert.Nil(t, errors.Unwrap(err))
		var d dump
		assert.True(t, errors.As(err, &d) && d.Read == text, "callers that know the error type get it")
	}
	err := Foreign(&smithy.DeserializationError{Err: context.Canceled, Snapshot: []byte("CANARY")}, nil)
	assert.ErrorIs(t, err, context.Canceled)
	assert.False(t, errors.As(err, new(*smithy.DeserializationError)))
}

func TestNetworkErrorKeepsHosts(t *testing.T) {
	host := strings.Repeat("gateway-", 6) + "0.example"
	err := &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: host, Server: "10.0.0.53:53"}}
	assert.EqualError(t, NetworkError(t.Context(), err, "abcdef"), "dial tcp: lookup "+host+" on 10.0.0.53:53: no such host")
	long := strings.Repeat("gateway", 8)
	untrusted := &tls.CertificateVerificationError{Err: x509.HostnameError{Certificate: &x509.Certificate{DNSNames: []string{strings.Repeat("CANARY", 8)}}, Host: long}}
	assert.EqualError(t, NetworkError(t.Context(), untrusted), "tls: failed to verify certificate: x509: certificate is valid for [secret], not "+long)
	err.Err = errors.New("got abcdef and " + strings.Repeat("CANARY", 8))
	assert.EqualError(t, NetworkError(t.Context(), err, "abcdef"), "dial tcp: got [secret] and [secret]")
}

func TestForeignAgain(t *testing.T) {
	for _, text := range []string{
		"token=abc\nfoo", `{"SecretAccessKey": "x", "b": 1}`, "Authorization: Bearer abc, def", "https://a:b@c", strings.Repeat("key=x ", 200),
	} {
		once := Foreign(errors.New(text), nil)
		assert.EqualError(t, Foreign(once, nil), once.Error())
	}
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
		assert.EqualError(t, Foreign(errors.New(text), nil), "chaim: "+text)
	}
}

func TestHolds(t *testing.T) {
	r := Redaction{Secrets: []string{"CANARY/ab+c=", "ok"}}
	for _, text := range []string{"CANARY/ab+c=", "x canary/AB+C= y", "a=CANARY%2Fab%2Bc%3D", "Q0FOQVJZL2FiK2M9", "43414e4152592f61622b633d"} {
		assert.True(t, r.Holds(text), text)
	}
	for _, text := range []string{"", "CANARY", "ok", "\u00fcber", strings.Repeat("x", 64)} {
		assert.False(t, r.Holds(text), text)
	}
}
