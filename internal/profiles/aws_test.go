package profiles

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/internal/awsprofile"
)

// readProfiles reads the AWS files with these texts.
func readProfiles(t *testing.T, config, credentials string) awsprofile.Files {
	t.Helper()
	dir := t.TempDir()
	for variable, text := range map[string]string{"AWS_CONFIG_FILE": config, "AWS_SHARED_CREDENTIALS_FILE": credentials} {
		path := filepath.Join(dir, variable)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		t.Setenv(variable, path)
	}
	files, err := AWSFiles{}.Profiles()
	require.NoError(t, err)
	return files
}

const keyLines = "aws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = CANARYsecret\n"

const roleLine = "role_arn = arn:aws:iam::222222222222:role/team/Dev\n"

const ssoConfig = `[sso-session corp]
sso_start_url = https://corp.awsapps.com/start
sso_region = eu-central-1
`

func TestHowProfilesGetTheirKeys(t *testing.T) {
	const account = "sso_account_id = 111111111111\nsso_role_name = Admin\n"
	const legacy = "sso_start_url = https://old.awsapps.com/start\nsso_region = us-east-1\n" + account
	for name, test := range map[string]struct {
		config string // below the header [profile x]
		kind   awsprofile.Kind
		role   string
		id     string
		notes  int
	}{
		"keys":                     {keyLines + "region = us-west-2\n", awsprofile.StaticKeys, "keys", "", 0},
		"keys of a known account":  {keyLines + "aws_account_id = 111111111111\n", awsprofile.StaticKeys, "keys", "111111111111", 0},
		"session":                  {"sso_session = corp\n" + account, awsprofile.SSO, "Admin", "111111111111", 0},
		"session named twice":      {"sso_session = corp\nsso_region = eu-central-1\n" + account, awsprofile.SSO, "Admin", "111111111111", 0},
		"legacy":                   {legacy, awsprofile.SSO, "Admin", "111111111111", 0},
		"process":                  {"credential_process = /opt/get keys\n", awsprofile.Process, "process", "", 0},
		"login":                    {"login_session = arn:aws:iam::111111111111:user/x\n", awsprofile.Login, "login", "", 0},
		"web identity":             {"web_identity_token_file = /t\n" + roleLine, awsprofile.WebIdentity, "arn:aws:iam::222222222222:role/team/Dev", "222222222222", 0},
		"environment":              {"credential_source = Environment\n" + roleLine, awsprofile.Environment, "arn:aws:iam::222222222222:role/team/Dev", "222222222222", 0},
		"EC2":                      {"credential_source = Ec2InstanceMetadata\n" + roleLine, awsprofile.EC2, "arn:aws:iam::222222222222:role/team/Dev", "222222222222", 0},
		"container":                {"credential_source = EcsContainer\n" + roleLine, awsprofile.Container, "arn:aws:iam::222222222222:role/team/Dev", "222222222222", 0},
		"own keys":                 {keyLines + "source_profile = x\n" + roleLine, awsprofile.StaticKeys, "arn:aws:iam::222222222222:role/team/Dev", "222222222222", 0},
		"role of a session":        {"source_profile = s\n" + roleLine, awsprofile.SSO, "arn:aws:iam::222222222222:role/team/Dev", "222222222222", 0},
		"role of a login":          {"source_profile = l\n" + roleLine, awsprofile.Login, "arn:aws:iam::222222222222:role/team/Dev", "222222222222", 0},
		"role of the credentials":  {"source_profile = user\n" + roleLine, awsprofile.StaticKeys, "arn:aws:iam::222222222222:role/team/Dev", "222222222222", 0},
		"process and session":      {"credential_process = p\nsso_session = corp\n" + account, awsprofile.SSO, "Admin", "111111111111", 1},
		"keys and session":         {keyLines + "sso_session = corp\n" + account, awsprofile.StaticKeys, "keys", "", 1},
		"role and session at once": {"sso_session = corp\n" + account + roleLine, awsprofile.SSO, "arn:aws:iam::222222222222:role/team/Dev", "222222222222", 1},
		"comments":                 {"sso_session = corp ; ours\nsso_account_id = 111111111111 # a\nsso_role_name = Admin\t; b\n", awsprofile.SSO, "Admin", "111111111111", 0},
	} {
		t.Run(name, func(t *testing.T) {
			files := readProfiles(t, ssoConfig+"[profile s]\nsso_session=corp\n"+account+
				"[profile l]\nlogin_session = arn:aws:iam::111111111111:user/x\n[profile x]\n"+test.config, "[user]\n"+keyLines)
			assert.True(t, files.Has("x"))
			c, err := files.Chain("x")
			require.NoError(t, err)
			assert.Equal(t, []any{test.kind, test.role, test.id}, []any{c.Source.Kind, c.Role(), c.AccountID()})
			assert.Len(t, c.Notes, test.notes)
		})
	}
}

func TestWhatAProfileLacks(t *testing.T) {
	for name, test := range map[string]struct{ config, want string }{
		"unknown":             {"", `profile "x" of the AWS config file: there is no such profile`},
		"without the word":    {"[x]\n" + keyLines, `write [profile x] in place of [x]`},
		"empty":               {"[profile x]\nregion = eu-west-1\n", "neither keys nor a way to get them"},
		"half of the keys":    {"[profile x]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\n", "its secret access key is missing or malformed"},
		"no role name":        {ssoConfig + "[profile x]\nsso_session = corp\nsso_account_id = 111111111111\n", "sso_role_name is missing"},
		"session alone":       {ssoConfig + "[profile x]\nsso_session = corp\n", "it signs in, but is for no account"},
		"unknown session":     {ssoConfig + "[profile x]\nsso_session = crop\n", `its sso_session "crop" is not in the AWS config file, which has: corp`},
		"other start URL":     {ssoConfig + "[profile x]\nsso_session = corp\nsso_start_url = https://x.awsapps.com/start\n", "its sso_start_url is not the one of [sso-session corp]"},
		"role without source": {"[profile x]\n" + roleLine, "nothing that gives keys for it"},
		"source without role": {"[profile x]\nsource_profile = user\n", "a source_profile but no role_arn"},
		"unknown source":      {"[profile x]\nsource_profile = y\n" + roleLine, `its source_profile "y" is not in the AWS files`},
		"source of a source":  {"[profile x]\nsource_profile = y\n" + roleLine + "[profile y]\nsource_profile = z\n" + roleLine, `source_profile "y": its source_profile "z" is not`},
		"bare source":         {"[y]\n" + keyLines + "[profile x]\nsource_profile = y\n" + roleLine, `its source_profile "y" is no profile: write [profile y] in place of [y]`},
		"source without keys": {"[profile y]\nregion = eu-west-1\n[profile x]\nsource_profile = y\n" + roleLine, `source_profile "y": it has neither keys`},
		"itself":              {"[profile x]\nsource_profile = x\n" + roleLine, "it is its own source_profile, but has no keys"},
		"loop":                {"[profile x]\nsource_profile = y\n" + roleLine + "[profile y]\nsource_profile = x\n" + roleLine, "a loop: x, y, x"},
		"two sources":         {"[profile x]\nsource_profile = user\ncredential_source = Environment\n" + roleLine, "it has both source_profile and credential_source"},
		"source and process":  {"[profile x]\nsource_profile = user\ncredential_process = p\n" + roleLine, "it has both source_profile and credential_process"},
		"lower case":          {"[profile x]\ncredential_source = environment\n" + roleLine, "must be Environment, Ec2InstanceMetadata or EcsContainer"},
		"no role ARN":         {"[profile x]\nsource_profile = user\nrole_arn = Dev\n", `"Dev" is not the ARN of a role`},
		"too short":           {"[profile x]\nsource_profile = user\nduration_seconds = 600\n" + roleLine, `its duration_seconds "600" is not a number from 900 to 43200`},
		"no number":           {"[profile x]\nsource_profile = user\nduration_seconds = 1h\n" + roleLine, `its duration_seconds "1h" is not a number`},
		"security key":        {"[profile x]\nsource_profile = user\nmfa_serial = arn:aws:iam::111111111111:u2f/user/x\n" + roleLine, "is a security key, which gives no codes"},
		"chaim itself":        {"[profile x]\ncredential_process = chaim credential-process x\n", "its credential_process runs chaim"},
		"lent":                {"[profile x]\nsource_profile = lent\n" + roleLine, "chaim has lent its keys"},
	} {
		t.Run(name, func(t *testing.T) {
			files := readProfiles(t, test.config, "[user]\n"+keyLines+"[lent]\naccountname = sredev\n"+keyLines)
			_, err := files.Chain("x")
			require.ErrorContains(t, err, test.want)
			assert.NotContains(t, err.Error(), "CANARY")
		})
	}
}

func TestNamesOfProfiles(t *testing.T) {
	files := readProfiles(t, "[default]\nregion = eu-west-1\n[profile default]\nregion = eu-north-1\n"+keyLines+
		"[profile  \"a  b\" ]\n"+keyLines+"[bare]\n"+keyLines+"[services s]\nsts =\n  endpoint_url = http://localhost\n[profile only-region]\nregion = x\n",
		"[user]\n"+keyLines+"[lent]\naccountname = sredev\n"+keyLines)
	assert.Equal(t, []string{"default", "a b", "user"}, files.Leading())
	assert.Equal(t, "eu-north-1", files.Profiles["default"]["region"])
	assert.NotContains(t, files.Profiles, "bare")
	assert.False(t, files.Has("lent"))
}

func TestRolesOfAChain(t *testing.T) {
	files := readProfiles(t, `[profile a]
role_arn = arn:aws:iam::111111111111:role/A
source_profile = user
mfa_serial = GAHT12345678
mfa_process = otp
duration_seconds = 960
[profile b]
role_arn = arn:aws:iam::222222222222:role/B
source_profile = a
external_id = x
role_session_name = lars
`, "[user]\n"+keyLines+"mfa_serial = GAHT87654321\n")
	c, err := files.Chain("b")
	require.NoError(t, err)
	assert.Equal(t, []awsprofile.Role{
		{Profile: "a", ARN: "arn:aws:iam::111111111111:role/A", MFA: awsprofile.MFA{Serial: "GAHT12345678", Process: "otp"}, Duration: 16 * time.Minute},
		{Profile: "b", ARN: "arn:aws:iam::222222222222:role/B", SessionName: "lars", ExternalID: "x"},
	}, c.Roles)
	assert.Empty(t, c.Source.MFA, "the device of a source is not inherited")
	c, err = files.Chain("user")
	require.NoError(t, err)
	assert.Equal(t, "GAHT87654321", c.Source.MFA.Serial)
}
