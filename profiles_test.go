package chaim_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/internal/awsenv"
	"github.com/chaim-go/chaim/internal/keys"
)

const serial = "arn:aws:iam::111111111111:mfa/lars"

// awsFiles gives the rest of a test a home with these AWS files, and keys of a user for the profile "user". It has no gateway.
func awsFiles(t *testing.T, srv *chaimtest.Server, config string) (home string) {
	t.Helper()
	home = srv.Setenv(t)
	for _, name := range []string{"CHAIM_URL", "CHAIM_USER", "CHAIM_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION"} {
		require.NoError(t, os.Unsetenv(name))
	}
	keys := srv.AddKeys("111111111111", "lars")
	text := "[user]\naws_access_key_id = " + keys.AccessKeyID + "\naws_secret_access_key = " + keys.SecretAccessKey + "\n"
	require.NoError(t, os.WriteFile(filepath.Join(home, "credentials"), []byte(text), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(home, "config"), []byte(config), 0o600))
	return home
}

// lent returns the keys that a scope of a profile gets.
func lent(t *testing.T, p chaim.Profiles, opts chaim.Options) (creds chaim.AwsCreds, err error) {
	t.Helper()
	opts.Broker = p
	err = chaim.WithContext(t.Context(), opts, func(_ context.Context, c *chaim.Client) error {
		creds = c.Creds()
		return nil
	})
	return creds, err
}

func TestProfileWithARole(t *testing.T) {
	srv := chaimtest.NewServer(t)
	awsFiles(t, srv, `
[profile inner]
role_arn = arn:aws:iam::111111111111:role/CrossAccountReadOnly
source_profile = user
[profile outer]
role_arn = arn:aws:iam::222222222222:role/CrossAccountPowerUser
role_session_name = lars
source_profile = inner
region = eu-central-1 ; Frankfurt
duration_seconds = 1800
`)
	creds, err := lent(t, chaim.Profiles{}, chaim.Options{Account: "outer"})
	require.NoError(t, err)
	assert.Equal(t, "eu-central-1", creds.Region)
	assert.WithinDuration(t, time.Now().Add(30*time.Minute), creds.Expires, time.Minute)
	requests := srv.Requests()
	require.Len(t, requests, 2)
	assert.Equal(t, []any{"CrossAccountReadOnly", keys.DefaultDuration}, []any{requests[0].Role, requests[0].Duration}, "not 15 minutes")
	assert.Equal(t, []any{"CrossAccountPowerUser", 30 * time.Minute}, []any{requests[1].Role, requests[1].Duration})
	assert.Equal(t, "lars", requests[1].Parameters["RoleSessionName"])
}

func TestOneCodeForAllRolesOfADevice(t *testing.T) {
	srv := chaimtest.NewServer(t)
	awsFiles(t, srv, `
[profile a]
role_arn = arn:aws:iam::111111111111:role/CrossAccountReadOnly
source_profile = user
mfa_serial = `+serial+`
[profile b]
role_arn = arn:aws:iam::222222222222:role/CrossAccountReadOnly
source_profile = user
mfa_serial = `+serial+`
[profile long]
role_arn = arn:aws:iam::111111111111:role/CrossAccountReadOnly
source_profile = user
mfa_serial = `+serial+`
duration_seconds = 7200
`)
	srv.AddMFADevice("lars", serial)
	srv.RequireMFA("111111111111", serial, "")
	srv.RequireMFA("222222222222", serial, "")
	asked := 0
	p := chaim.Profiles{TokenCode: func(_ context.Context, d chaim.MFADevice) (string, error) {
		asked++
		if asked == 1 {
			return "000000", nil
		}
		assert.Equal(t, asked == 2, d.IsRefused)
		return srv.MFACode(serial), nil
	}}
	for _, name := range []string{"a", "b", "a"} {
		_, err := lent(t, p, chaim.Options{Account: name})
		require.NoError(t, err)
	}
	assert.Equal(t, 2, asked, "once, and once more after a wrong code")
	creds, err := lent(t, p, chaim.Options{Account: "long"})
	require.NoError(t, err)
	assert.WithinDuration(t, time.Now().Add(2*time.Hour), creds.Expires, time.Minute)
	assert.Equal(t, 3, asked, "keys of a session give a role for an hour only")
}

// TestConsoleOfAProfile has the sign-in page of AWS take keys of a role, and refuse those of a user's session.
func TestConsoleOfAProfile(t *testing.T) {
	srv := chaimtest.NewServer(t)
	awsFiles(t, srv, `
[profile role]
role_arn = arn:aws:iam::111111111111:role/CrossAccountReadOnly
source_profile = user
[profile guarded]
aws_access_key_id = AKIAIOSFODNN7EXAMPLE
`)
	for name, want := range map[string]string{"role": "", "user": "there is no console link"} {
		opts := chaim.Options{Account: name, Broker: chaim.Profiles{}, HTTPClient: srv.HTTPClient()}
		err := chaim.WithContext(t.Context(), opts, func(ctx context.Context, c *chaim.Client) error {
			link, err := c.ConsoleURL(ctx)
			if want != "" {
				require.ErrorIs(t, err, chaim.ErrNoURL, "%s", link)
				return nil
			}
			assert.Contains(t, link, "https://signin.aws.amazon.com/federation?")
			return err
		})
		require.NoError(t, err, name)
	}
}

// TestManyProfilesOfOneDevice asks for a single code.
func TestManyProfilesOfOneDevice(t *testing.T) {
	srv := chaimtest.NewServer(t)
	var config strings.Builder
	for i := range 300 {
		fmt.Fprintf(&config, "[profile p%d]\nrole_arn = arn:aws:iam::111111111111:role/CrossAccountReadOnly\nsource_profile = user\nmfa_serial = %s\n", i, serial)
	}
	awsFiles(t, srv, config.String())
	srv.AddMFADevice("lars", serial)
	srv.RequireMFA("111111111111", serial, "")
	var asked atomic.Int64
	p := chaim.Profiles{TokenCode: func(context.Context, chaim.MFADevice) (string, error) {
		asked.Add(1)
		return srv.MFACode(serial), nil
	}}
	accounts, err := p.Accounts(t.Context())
	require.NoError(t, err)
	accounts = slices.DeleteFunc(accounts, func(a chaim.Account) bool { return a.Name == "user" })
	require.Len(t, accounts, 300)
	require.NoError(t, chaim.Each(t.Context(), accounts, chaim.EachOptions{Options: chaim.Options{Broker: p}, Parallel: 8}, func(context.Context, chaim.Account, *chaim.Client) error { return nil }))
	assert.Equal(t, int64(1), asked.Load())
}

func TestSignInsOfProfilesThatAreOver(t *testing.T) {
	srv := chaimtest.NewServer(t)
	home := awsFiles(t, srv, `
[profile console]
login_session = arn:aws:iam::111111111111:user/lars
[profile role]
role_arn = arn:aws:iam::222222222222:role/CrossAccountPowerUser
source_profile = console
[profile legacy]
sso_start_url = https://chaimtest.awsapps.com/start
sso_region = eu-central-1
sso_account_id = 111111111111
sso_role_name = CrossAccountReadOnly
`)
	t.Setenv("HOME", home)
	for name, want := range map[string]string{
		"console": "run 'aws login --profile console'", "role": "run 'aws login --profile console'",
		"legacy": "run 'chaim login --start-url https://chaimtest.awsapps.com/start --region eu-central-1' or 'aws sso login --profile legacy'",
	} {
		_, err := lent(t, chaim.Profiles{}, chaim.Options{Account: name})
		require.ErrorIs(t, err, chaim.ErrDenied)
		require.ErrorContains(t, err, want)
	}
	assert.Empty(t, srv.Requests())
}

// TestKeptKeysOfAProfile: a profile of the AWS config file is never taken for an account of its name.
func TestKeptKeysOfAProfile(t *testing.T) {
	srv := chaimtest.NewServer(t)
	awsFiles(t, srv, "[profile sredev]\nrole_arn = arn:aws:iam::222222222222:role/CrossAccountReadOnly\nsource_profile = user\n")
	keep := func(name string, broker chaim.Broker, role string) {
		opts := chaim.Options{Account: "sredev", Role: role, Broker: broker, TempName: name, Keep: true}
		require.NoError(t, chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error { return nil }))
	}
	settings := srv.Settings()
	gateway := &chaim.Gateway{Settings: *settings}
	keep("theirs", gateway, "rro")
	keep("mine", chaim.Profiles{}, "")

	for name, broker := range map[string]chaim.Broker{"theirs": chaim.Profiles{}, "mine": gateway} {
		c, err := chaim.New(chaim.Options{Broker: broker, NoProfile: true})
		require.NoError(t, err)
		asked := len(srv.Requests())
		_, err = c.RenewSection(t.Context(), name)
		require.ErrorIs(t, err, chaim.ErrNotConfigured)
		require.NoError(t, c.ParkAccount(t.Context(), name))
		_, err = c.UnparkAccount(t.Context(), name)
		require.ErrorIs(t, err, chaim.ErrNotConfigured)
		assert.Len(t, srv.Requests(), asked)
		require.NoError(t, c.Close())
	}
	for name, broker := range map[string]chaim.Broker{"theirs": gateway, "mine": chaim.Profiles{}} {
		c, err := chaim.New(chaim.Options{Broker: broker, NoProfile: true})
		require.NoError(t, err)
		_, err = c.UnparkAccount(t.Context(), name)
		require.NoError(t, err)
		_, err = c.RenewSection(t.Context(), name)
		require.NoError(t, err)
		held, err := c.MyAccountList(t.Context())
		require.NoError(t, err)
		i := slices.IndexFunc(held, func(p chaim.Profile) bool { return p.Name == name })
		assert.Equal(t, name == "mine", held[i].FromConfig)
		require.NoError(t, c.Close())
	}
}

// TestProfileThatChanges edits a profile while a scope of it runs.
func TestProfileThatChanges(t *testing.T) {
	const readOnly = "[profile p]\nrole_arn = arn:aws:iam::111111111111:role/CrossAccountReadOnly\nsource_profile = user\n"
	const own = "[profile p]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = abcdefghijklmnopqrstuvwxyz0123456789abcd\n"
	const sso = "[profile p]\nsso_start_url = https://chaimtest.awsapps.com/start\nsso_region = eu-central-1\nsso_account_id = 111111111111\nsso_role_name = CrossAccountReadOnly\n"
	for name, tt := range map[string]struct{ before, after string }{
		"role":             {readOnly, strings.Replace(readOnly, "ReadOnly", "SysAdmin", 1)},
		"account":          {readOnly, strings.Replace(readOnly, "111111111111", "222222222222", 1)},
		"long-term keys":   {readOnly, own},
		"same name by SSO": {readOnly, sso},
		"no session token": {strings.ReplaceAll(own, "AKIA", "ASIA") + "aws_session_token = abc\n", own},
		"no MFA session":   {own + "mfa_serial = " + serial + "\n", own},
	} {
		t.Run(name, func(t *testing.T) {
			srv := chaimtest.NewServer(t)
			home := awsFiles(t, srv, tt.before)
			if name == "no MFA session" {
				keys := srv.AddKeys("111111111111", "kim")
				srv.AddMFADevice("kim", serial)
				tt.before = strings.NewReplacer("AKIAIOSFODNN7EXAMPLE", keys.AccessKeyID, "abcdefghijklmnopqrstuvwxyz0123456789abcd", keys.SecretAccessKey).Replace(tt.before)
				require.NoError(t, os.WriteFile(filepath.Join(home, "config"), []byte(tt.before), 0o600))
			}
			p := chaim.Profiles{TokenCode: func(context.Context, chaim.MFADevice) (string, error) { return srv.MFACode(serial), nil }}
			err := chaim.WithContext(t.Context(), chaim.Options{Account: "p", Broker: p}, func(ctx context.Context, c *chaim.Client) error {
				before := c.Creds()
				srv.Reset()
				require.NoError(t, os.WriteFile(filepath.Join(home, "config"), []byte(tt.after), 0o600))
				_, err := c.RequestKeys(ctx)
				require.ErrorContains(t, err, `profile "p" of the AWS config file: it has changed: it gave `)
				assert.Equal(t, before, c.Creds())
				assert.Empty(t, srv.Requests())
				require.NoError(t, os.WriteFile(filepath.Join(home, "config"), []byte(tt.before+"region = us-east-1\n"), 0o600))
				_, err = c.RequestKeys(ctx)
				return err
			})
			require.NoError(t, err)
		})
	}
}

// TestProfilesAskedDirectly asks for another role and account than the profile has.
func TestProfilesAskedDirectly(t *testing.T) {
	srv := chaimtest.NewServer(t)
	awsFiles(t, srv, "[profile p]\nrole_arn = arn:aws:iam::111111111111:role/CrossAccountSysAdmin\nsource_profile = user\n")
	r := chaim.Request{Account: "p", Role: "CrossAccountReadOnly", Duration: time.Hour, Region: "eu-west-1"}
	_, err := chaim.Profiles{}.Keys(t.Context(), r)
	require.ErrorContains(t, err, `role "CrossAccountReadOnly" was asked for, but it gives keys of role "arn:aws:iam::111111111111:role/CrossAccountSysAdmin"`)
	r.Role, r.AccountID = "CrossAccountSysAdmin", "333333333333"
	_, err = chaim.Profiles{}.Keys(t.Context(), r)
	require.ErrorContains(t, err, "it gives keys of account 111111111111, not of 333333333333")
	r.Account, r.AccountID = "user", ""
	_, err = chaim.Profiles{}.Keys(t.Context(), r)
	require.ErrorContains(t, err, "it gives its own keys, which are those of no role")
	assert.Empty(t, srv.Requests())
	r.Account, r.AccountID = "p", "111111111111"
	_, err = chaim.Profiles{}.Keys(t.Context(), r)
	require.NoError(t, err)
}

// TestProfilesOfLentKeys has profiles that take the keys that chaim has lent to this process.
func TestProfilesOfLentKeys(t *testing.T) {
	srv := chaimtest.NewServer(t)
	awsFiles(t, srv, `
[profile server]
role_arn = arn:aws:iam::111111111111:role/CrossAccountReadOnly
credential_source = EcsContainer
[profile behind]
role_arn = arn:aws:iam::222222222222:role/CrossAccountReadOnly
source_profile = server
[profile environment]
role_arn = arn:aws:iam::111111111111:role/CrossAccountReadOnly
credential_source = Environment
[profile process]
credential_process = /usr/bin/env chaim credential-process sredev
`)
	keys := srv.AddKeys("111111111111", "lars")
	const url = "http://127.0.0.1:1/keys"
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)
	t.Setenv("AWS_ACCESS_KEY_ID", keys.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", keys.SecretAccessKey)
	for name, want := range map[string]string{
		"server": `profile "server" gives keys that chaim has lent by its server`, "behind": `profile "server" gives keys that chaim has lent by its server`,
		"environment": `profile "environment" gives keys that chaim has lent in the environment`, "process": "its credential_process runs chaim",
	} {
		id := url
		if name == "environment" {
			id = keys.AccessKeyID
		}
		mark, value, _ := strings.Cut(awsenv.Mark(id), "=")
		t.Setenv(mark, value)
		_, err := lent(t, chaim.Profiles{}, chaim.Options{Account: name})
		require.ErrorContains(t, err, want)
	}
	assert.Empty(t, srv.Requests())
}

// TestCredentialProcessOfAProfile runs it without the user token of a gateway, and tells why it fails.
func TestCredentialProcessOfAProfile(t *testing.T) {
	srv := chaimtest.NewServer(t)
	keys := srv.AddKeys("111111111111", "lars")
	home := awsFiles(t, srv, fmt.Sprintf(`
[profile good]
credential_process = echo "token=$CHAIM_TOKEN home=$OUT" > "$OUT"; echo '{"Version": 1, "AccessKeyId": "%s", "SecretAccessKey": "%s"}'
[profile role]
role_arn = arn:aws:iam::222222222222:role/CrossAccountReadOnly
source_profile = good
[profile fails]
credential_process = echo secretsecret; exit 7
[profile behind]
role_arn = arn:aws:iam::222222222222:role/CrossAccountReadOnly
source_profile = fails
[profile text]
credential_process = echo secretsecret
`, keys.AccessKeyID, keys.SecretAccessKey))
	out := filepath.Join(home, "out")
	t.Setenv("OUT", out)
	t.Setenv("CHAIM_TOKEN", "the-token")
	for _, name := range []string{"good", "role"} {
		_, err := lent(t, chaim.Profiles{}, chaim.Options{Account: name})
		require.NoError(t, err)
		text, err := os.ReadFile(out)
		require.NoError(t, err)
		assert.Equal(t, "token= home="+out+"\n", string(text))
	}
	for name, want := range map[string]string{
		"fails": `credential_process of profile "fails": the command ended with code 7`, "behind": `credential_process of profile "fails": the command ended with code 7`,
		"text": `credential_process of profile "text": the command printed no JSON document with keys`,
	} {
		_, err := lent(t, chaim.Profiles{}, chaim.Options{Account: name})
		require.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "secretsecret")
		assert.NotContains(t, err.Error(), "refresh")
	}
}

// TestNilBrokers are errors in place of panics.
func TestNilBrokers(t *testing.T) {
	awsFiles(t, chaimtest.NewServer(t), "")
	for want, opts := range map[string]chaim.Options{
		"Options.Source is a nil *chaim.STS":            {Account: "p", Source: (*chaim.STS)(nil)},
		"Options.Source is a nil *chaim.MFASession":     {Account: "p", Source: (*chaim.MFASession)(nil)},
		"Options.Broker is a nil *chaim.Profiles":       {Account: "p", Broker: (*chaim.Profiles)(nil)},
		"Options.Broker is a nil *chaim.IdentityCenter": {Account: "p", Broker: (*chaim.IdentityCenter)(nil)},
		"the source of keys is a nil *MFASession":       {Account: "p", Source: &chaim.STS{RoleARN: "arn:aws:iam::111111111111:role/R", Keys: (*chaim.MFASession)(nil)}},
	} {
		err := chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error { return nil })
		require.ErrorContains(t, err, want)
		assert.Equal(t, strings.HasPrefix(want, "Options."), errors.As(err, new(*chaim.OptionError)))
	}
	_, err := lent(t, chaim.Profiles{}, chaim.Options{Account: "user"})
	require.NoError(t, err)
	err = chaim.WithContext(t.Context(), chaim.Options{Account: "user", Broker: &chaim.Profiles{}}, func(context.Context, *chaim.Client) error { return nil })
	require.NoError(t, err, "a pointer does as well")
}
