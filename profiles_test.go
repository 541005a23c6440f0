package chaim_test

import (
	"context"
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
	assert.Equal(t, []any{"CrossAccountReadOnly", time.Hour}, []any{requests[0].Role, requests[0].Duration}, "not 15 minutes")
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
