package gateway

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/internal/keys"
)

func TestRoleOf(t *testing.T) {
	const account = "arn:aws:iam::111111111111:"
	for text, want := range map[string]string{"rro": "rro", "OrgAdmin": "OrgAdmin", "path/Own": "path/Own", account + "role/Adm": "Adm", account + "role/a/b/Adm": "Adm"} {
		got, err := RoleOf(keys.Request{Account: "111111111111", Role: text, Region: "eu-west-1"})
		require.NoError(t, err, text)
		assert.Equal(t, want, got.Name)
		assert.Equal(t, len(text) > 20, got.HasARN())
	}
	for role, want := range map[string]string{
		account + "user/adm":     "is not the ARN of a role",
		account + "policy/adm":   "is not the ARN of a role",
		account + "role":         "is not the ARN of a role",
		"arn:aws:iam:111:adm":    "is not the ARN of a role",
		"arn:minio:iam:::user/a": "is not the ARN of a role",
		"arn:aws:sts::111111111111:assumed-role/CrossAccountReadOnly/adm": "is not the ARN of a role",
		"arn:aws:iam::222222222222:role/adm":                              "is not one of account 111111111111",
		"arn:aws-us-gov:iam::111111111111:role/adm":                       "is of partition aws-us-gov, but region eu-west-1 is of partition aws",
	} {
		_, err := RoleOf(keys.Request{Account: "sredev", AccountID: "111111111111", Role: role, Region: "eu-west-1"})
		assert.ErrorContains(t, err, want, role)
	}
}

// TestRolesInReplies: an ARN is one role only, whatever aliases a gateway has.
func TestRolesInReplies(t *testing.T) {
	const account = "arn:aws:iam::111111111111:"
	for _, tt := range []struct{ asked, got, want string }{
		{account + "role/Backup", "", ""},
		{account + "role/Backup", "backup", ""},
		{account + "role/Backup", account + "role/path/Backup", ""},
		{account + "role/Backup", "arn:aws:sts::111111111111:assumed-role/Backup/me", ""},
		{account + "role/Backup", "arn:aws:sts::111111111111:assumed-role/Other/Backup", "reply has keys of role"},
		{account + "role/Backup", account + "user/Backup", "which is no role"},
		{account + "role/Backup", "arn:aws:sts::111111111111:federated-user/Backup", "which is no role"},
		{account + "role/Backup", "arn:aws:iam::222222222222:role/Backup", "not one of account 111111111111"},
		{account + "role/Backup", "arn:aws-cn:iam::111111111111:role/Backup", "cannot be used"},
		{account + "role/Backup", "Other", "reply has keys of role"},
		{account + "role/mpu", "CrossAccountPowerUser", "reply has keys of role"},
		{account + "role/CrossAccountPowerUser", "mpu", "reply has keys of role"},
		{account + "role/adm", "OrgAdmin", "reply has keys of role"},
		{"arn:aws:iam::222222222222:role/Backup", "", "is of another"},
		{"adm", "OrgAdmin", ""},
		{"mpu", account + "user/CrossAccountPowerUser", "which is no role"},
	} {
		err := checkRole(keys.Request{Account: "sredev", Role: tt.asked, Region: "eu-west-1"}, tt.got, "111111111111")
		if tt.want == "" {
			require.NoError(t, err, "%v", tt)
			continue
		}
		require.ErrorContains(t, err, tt.want, "%v", tt)
	}
}

// TestARNThatFormsCannotAskFor: the gateway would read the name as an alias.
func TestARNThatFormsCannotAskFor(t *testing.T) {
	_, err := formsRole(keys.Request{Account: "sredev", Role: "arn:aws:iam::111111111111:role/adm"})
	require.ErrorContains(t, err, `this gateway takes "adm" for an alias`)
	for _, role := range []string{"adm", "arn:aws:iam::111111111111:role/admin"} {
		_, err := formsRole(keys.Request{Account: "sredev", Role: role})
		assert.NoError(t, err)
	}
}

// TestNamesThatRepeatSecrets: the names in a reply are shown and stored.
func TestNamesThatRepeatSecrets(t *testing.T) {
	const token, secret, session = "CANARYtoken", "CANARYsecret", "CANARYsession"
	for _, field := range []string{"sectionname", "role", "expiresstr", "url"} {
		for _, text := range []string{token, secret, session} {
			value := "of " + text
			if field == "url" {
				value = "https://console.example/" + text
			}
			reply := fmt.Sprintf(`{"accesskeyid": "ASIAEXAMPLE000000001", "secretkey": %q, "sessiontoken": %q, "expires": 1, %q: %q}`, secret, session, field, value)
			dict, err := parseText(reply)
			require.NoError(t, err)
			got, err := parseKeys(dict, token)
			require.ErrorContains(t, err, "repeats its secrets or the user token as a name", reply)
			assert.NotContains(t, fmt.Sprint(err, got), "CANARY")
		}
	}
}

// TestListThatRepeatsTheToken: the list of accounts is shown and stored.
func TestListThatRepeatsTheToken(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"statusCode": 200, "text": "{'accountlist': [('111111111111', 'of CANARYtoken')], 'url': 'https://console.example/CANARYtoken'}"}`)
	}))
	defer server.Close()
	g := &Gateway{URL: server.URL + "/", Username: "me", Token: "CANARYtoken", HTTP: server.Client(), Log: slog.New(slog.DiscardHandler)}
	_, err := g.Accounts(t.Context())
	require.EqualError(t, err, "chaim: gateway answered 200: account list repeats the user token")
	_, err = g.ConsoleURL(t.Context(), aws.Credentials{AccessKeyID: "ASIAEXAMPLE000000001", SecretAccessKey: "s", SessionToken: "t"}, "sredev")
	require.EqualError(t, err, "chaim: gateway answered 200: link of the reply repeats the keys or the user token")
}
