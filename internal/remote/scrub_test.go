package remote

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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
		"a\nb\x1b[31m\u202e\u00e9":                         "a b?[31m??",
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
		got := scrub(tt.text, maxText, tt.secrets...)
		assert.Equal(t, tt.want, got)
		assert.Equal(t, got, scrub(got, maxText, tt.secrets...), "again")
	}
}

// FuzzScrub has secrets, in a usual form, in what somebody wrote.
func FuzzScrub(f *testing.F) {
	f.Add("token=", "abcdef", "abc", " and more")
	f.Add("[secret", "secret", "ret]", "]")
	f.Add("arn:aws:iam::111111111111:role/", "Role/Name", "Name", "...")
	f.Add("\xff\n", "caf\xe9?", "a[secret]b", "aab")
	f.Add("0", "0\n0", "abcdef", "0")
	f.Fuzz(func(t *testing.T, before, one, other, after string) {
		secrets := []string{one, other}
		for _, form := range append(formsOf(one), strings.ToUpper(one), one+other) {
			for _, r := range []redaction{
				{limit: maxText, secrets: secrets},
				{limit: 20, secrets: secrets},
				{limit: maxSDKText, secrets: secrets, isQuoted: true, local: []string{before, other}},
			} {
				got := r.of(before + form + after)
				assert.Equal(t, got, r.of(got), "again")
				assert.LessOrEqual(t, len(got), r.limit+len(cut))
				assert.NotContains(t, got, hidden+hidden)
				for part := range strings.SplitSeq(got, hidden) {
					for _, secret := range secrets {
						isPart := strings.Contains(cut, secret) // is what a long text ends with
						if len(secret) >= minSecretSize && !isPart {
							assert.NotContains(t, strings.ToLower(part), lowerASCII(secret))
						}
					}
				}
			}
		}
	})
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

func TestForeignKeepsLocalNames(t *testing.T) {
	const profile = "acme-production-AdministratorAccess-123456789012"
	home := filepath.Join(t.TempDir(), strings.Repeat("home", 12))
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	token := filepath.Join(home, ".aws", "sso", "cache", strings.Repeat("0123456789", 4)+".json")
	const imds = "http://169.254.169.254/latest/meta-data/iam/security-credentials/"
	for _, err := range []error{
		fmt.Errorf("loading: %w", config.SharedConfigProfileNotExistError{Profile: profile}),
		errors.Join(errors.New("x"), config.SharedConfigAssumeRoleError{Profile: profile, RoleARN: "arn:aws:iam::111111111111:role/R"}),
		fmt.Errorf("failed to open: %w", &fs.PathError{Op: "open", Path: "/srv/" + strings.Repeat("folder/", 10) + "x", Err: fs.ErrNotExist}),
		fmt.Errorf("no token in %s: refresh it", token),
		&url.Error{Op: "Get", URL: imds, Err: errors.New("dial tcp 169.254.169.254:80: connect: connection refused")},
		fmt.Errorf("failed to refresh cached credentials, %w", errtext.Wrap(errors.New("token=[secret]"), "keys for account %q", profile)),
	} {
		assert.EqualError(t, Foreign(err), "chaim: "+strings.ReplaceAll(err.Error(), "\n", " "))
	}
	noFiles(t)
	t.Setenv("AWS_PROFILE", profile)
	_, err := SDKConfig(t.Context(), SDKOptions{})
	require.ErrorContains(t, err, "failed to get shared config profile, "+profile)

	for _, text := range []string{
		"read " + profile + "wJalrXUtnFEMI",
		"https://chris:CANARYpassword@" + profile + "/",
	} {
		assert.Contains(t, Foreign(errors.New(text)).Error(), hidden)
	}
	secretPath := &url.Error{Op: "Get", URL: "http://127.0.0.1:1/" + strings.Repeat("CANARY", 8), Err: errors.New("refused")}
	assert.NotContains(t, Foreign(secretPath).Error(), "CANARY")
	t.Setenv("AWS_PROFILE", "a")
	assert.NotContains(t, Foreign(errors.New("read "+strings.Repeat("CaNARY", 8))).Error(), "NARY")
}

// TestForeignKeepsNamesOfFiles has long names in the user's own AWS files, where the SDK finds fault with what they name.
func TestForeignKeepsNamesOfFiles(t *testing.T) {
	const long = "acme-production-AdministratorAccess-123456789012-eu-west-1"
	token := "/srv/" + long + "/token-of-" + long
	for profile, want := range map[string]string{
		"[default]\nsso_session = " + long + "\nsso_account_id = 111111111111\nsso_role_name = x\n":         "failed to find SSO session section, " + long,
		"[default]\nrole_arn = arn:aws:iam::222222222222:role/x\nweb_identity_token_file = " + token + "\n": token + ": no such file",
	} {
		noFiles(t)
		write(t, "AWS_CONFIG_FILE", profile)
		cfg, err := SDKConfig(t.Context(), SDKOptions{Region: "eu-west-1"})
		if err == nil {
			_, err = cfg.Credentials.Retrieve(t.Context())
			err = Foreign(err)
		}
		assert.ErrorContains(t, err, want)
	}
	write(t, "AWS_CONFIG_FILE", "[profile "+long+"]\naws_secret_access_key = "+strings.Repeat("CANARY", 8)+"\ncredential_process = x "+strings.Repeat("canary", 8)+"\n")
	assert.EqualError(t, Foreign(errors.New("of "+long+": "+strings.Repeat("CANARY", 8)+" "+strings.Repeat("canary", 8))), "chaim: of "+long+": [secret] [secret]")
	write(t, "AWS_CONFIG_FILE", "[profile admin]\n")
	assert.EqualError(t, Foreign(errors.New("password=admin")), "chaim: password=[secret]")
}

func TestNetworkErrorKeepsHosts(t *testing.T) {
	host := strings.Repeat("gateway-", 6) + "0.example"
	err := &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: host, Server: "10.0.0.53:53"}}
	assert.EqualError(t, networkError(t.Context(), err, "abcdef"), "dial tcp: lookup "+host+" on 10.0.0.53:53: no such host")
	long := strings.Repeat("gateway", 8)
	untrusted := &tls.CertificateVerificationError{Err: x509.HostnameError{Certificate: &x509.Certificate{DNSNames: []string{strings.Repeat("CANARY", 8)}}, Host: long}}
	assert.EqualError(t, networkError(t.Context(), untrusted), "tls: failed to verify certificate: x509: certificate is valid for [secret], not "+long)
	err.Err = errors.New("got abcdef and " + strings.Repeat("CANARY", 8))
	assert.EqualError(t, networkError(t.Context(), err, "abcdef"), "dial tcp: got [secret] and [secret]")
}

func TestForeignAgain(t *testing.T) {
	for _, text := range []string{
		"token=abc\nfoo", `{"SecretAccessKey": "x", "b": 1}`, "Authorization: Bearer abc, def", "https://a:b@c", strings.Repeat("key=x ", 200),
	} {
		once := Foreign(errors.New(text))
		assert.EqualError(t, Foreign(once), once.Error())
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
		assert.EqualError(t, Foreign(errors.New(text)), "chaim: "+text)
	}
}
