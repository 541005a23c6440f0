package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/internal/ssotoken"
)

// who is a program that asks STS who it is, with the keys that the AWS SDK for Go finds.
func who() {
	cfg, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	out, err := sts.NewFromConfig(cfg).GetCallerIdentity(context.Background(), nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(aws.ToString(out.Arn), cfg.Region)
}

// kindsConfig has a profile of each kind. The keys of "user" are in the credentials file.
const kindsConfig = `
[sso-session corp]
sso_start_url = %[1]s
sso_region = eu-central-1
[profile inner]
role_arn = arn:aws:iam::111111111111:role/CrossAccountReadOnly
source_profile = user
region = eu-west-1
[profile outer]
role_arn = arn:aws:iam::222222222222:role/CrossAccountPowerUser
source_profile = inner
role_session_name = lars
region = eu-west-2
[profile guarded]
role_arn = arn:aws:iam::333333333333:role/CrossAccountReadOnly
source_profile = user
mfa_serial = GAHT12345678
mfa_process = %[2]s
region = eu-west-3
[profile session]
sso_session = corp
sso_account_id = 222222222222
sso_role_name = CrossAccountReadOnly
region = eu-north-1
[profile legacy]
sso_start_url = %[1]s
sso_region = eu-central-1
sso_account_id = 222222222222
sso_role_name = CrossAccountReadOnly
region = eu-north-1
[profile process]
credential_process = cat %[3]s
region = eu-south-1
[profile web]
web_identity_token_file = %[4]s
role_arn = arn:aws:iam::222222222222:role/CrossAccountReadOnly
role_session_name = lars
region = eu-west-1
[profile environ]
credential_source = Environment
role_arn = arn:aws:iam::222222222222:role/CrossAccountReadOnly
role_session_name = lars
region = eu-west-1
[profile services]
role_arn = arn:aws:iam::222222222222:role/CrossAccountReadOnly
source_profile = user
role_session_name = lars
region = eu-west-1
services = doubles
[services doubles]
sts =
  endpoint_url = %[5]s
[profile user]
region = eu-central-1
`

// TestKindsOfProfiles gets keys of each kind of profile by each command.
func TestKindsOfProfiles(t *testing.T) {
	srv := chaimtest.NewServer(t)
	home := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(home, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	own := srv.AddKeys("111111111111", "lars")
	doc, err := json.Marshal(map[string]any{"Version": 1, "AccessKeyId": own.AccessKeyID, "SecretAccessKey": own.SecretAccessKey})
	require.NoError(t, err)
	srv.AddMFADevice("lars", "GAHT12345678")
	srv.RequireMFA("333333333333", "GAHT12345678", "")
	code := file("code", "")
	file("config", fmt.Sprintf(kindsConfig, srv.StartURL(), "cat "+code, file("keys.json", string(doc)), file("token", "CANARYtoken"), srv.STSURL()))
	for _, session := range []string{"corp", ""} {
		require.NoError(t, os.MkdirAll(filepath.Join(home, ".aws", "sso", "cache"), 0o700))
		file(filepath.Join(".aws", "sso", "cache", ssotoken.FileName(session, srv.StartURL())), string(srv.SignIn()))
	}
	variables := append(os.Environ(), srv.Environ(home)...)
	variables = append(variables, "HOME="+home, "CHAIM_URL=", "CHAIM_USER=", "CHAIM_TOKEN=", "AWS_REGION=", "AWS_DEFAULT_REGION=", "GORACE=atexit_sleep_ms=0")
	run := func(env []string, words ...string) string {
		file("credentials", "[user]\naws_access_key_id = "+own.AccessKeyID+"\naws_secret_access_key = "+own.SecretAccessKey+"\n")
		file("code", srv.MFACode("GAHT12345678"))
		cmd := exec.CommandContext(t.Context(), words[0], words[1:]...)
		cmd.Env = append(variables, env...)
		var talk strings.Builder
		cmd.Stderr = &talk
		out, err := cmd.Output()
		if err != nil {
			return talk.String()
		}
		return string(out)
	}
	fromEnvironment := []string{"AWS_ACCESS_KEY_ID=" + own.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + own.SecretAccessKey}
	for _, tt := range []struct {
		profile, arn, region string
		env                  []string
	}{
		{"user", "arn:aws:iam::111111111111:user/lars", "eu-central-1", nil},
		{"inner", "arn:aws:sts::111111111111:assumed-role/CrossAccountReadOnly/", "eu-west-1", nil},
		{"outer", "arn:aws:sts::222222222222:assumed-role/CrossAccountPowerUser/lars", "eu-west-2", nil},
		{"guarded", "arn:aws:sts::333333333333:assumed-role/CrossAccountReadOnly/", "eu-west-3", nil},
		{"session", "arn:aws:sts::222222222222:assumed-role/AWSReservedSSO_CrossAccountReadOnly_", "eu-north-1", nil},
		{"legacy", "arn:aws:sts::222222222222:assumed-role/AWSReservedSSO_CrossAccountReadOnly_", "eu-north-1", nil},
		{"process", "arn:aws:iam::111111111111:user/lars", "eu-south-1", nil},
		{"web", "arn:aws:sts::222222222222:assumed-role/CrossAccountReadOnly/lars", "eu-west-1", nil},
		{"services", "arn:aws:sts::222222222222:assumed-role/CrossAccountReadOnly/lars", "eu-west-1", nil},
		{"environ", "arn:aws:sts::222222222222:assumed-role/CrossAccountReadOnly/lars", "eu-west-1", fromEnvironment},
	} {
		t.Run(tt.profile, func(t *testing.T) {
			is := func(what, got string) {
				t.Helper()
				assert.True(t, strings.Contains(got, tt.arn), "%s: %s", what, got)
			}
			in := func(what, got string) {
				t.Helper()
				is(what, got)
				assert.True(t, strings.HasSuffix(strings.TrimSpace(got), " "+tt.region), "%s: %s", what, got)
			}
			in("exec", run(tt.env, "chaim", "exec", tt.profile, "--", "who"))
			in("exec --process", run(tt.env, "chaim", "exec", tt.profile, "--process", "--", "who"))
			in("exec --env", run(tt.env, "chaim", "exec", tt.profile, "--env", "--", "who"))
			served := run(tt.env, "chaim", "exec", tt.profile, "--serve", "--", "who")
			if strings.Contains(tt.arn, ":user/") {
				assert.Contains(t, served, "never expire, but a server of keys must say when they do")
			} else {
				in("exec --serve", served)
			}
			in("env", run(tt.env, "sh", "-c", `eval "$(chaim env "$0")" && who`, tt.profile))
			kept := run(tt.env, "sh", "-c", `chaim account "$0" -a kept >/dev/null && unset AWS_ACCESS_KEY_ID && AWS_PROFILE=kept who`, tt.profile)
			if strings.Contains(tt.arn, ":user/") {
				assert.Contains(t, kept, "these keys never end, so chaim keeps no copy of them; they are yours already, in profile")
			} else {
				in("account", kept)
			}
			is("whoami", run(tt.env, "chaim", "whoami", tt.profile))
			is("each", run(tt.env, "chaim", "each", "--profiles", "--match", tt.profile, "--", "who"))
			in("credential-process", run(tt.env, "sh", "-c", `chaim credential-process "$0" >"$HOME/lent.json" &&
				unset AWS_ACCESS_KEY_ID && printf '[profile x]\ncredential_process = cat %s\nregion = %s\n' "$HOME/lent.json" `+tt.region+` >"$HOME/other" &&
				AWS_PROFILE=x AWS_CONFIG_FILE="$HOME/other" AWS_SHARED_CREDENTIALS_FILE=/dev/null who`, tt.profile))
		})
	}
	assert.Contains(t, run(nil, "chaim", "exec", "environ", "--", "who"), "its credential_source is Environment, but AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set")
}
