package chaim_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/internal/ssotoken"
)

// signedIn gives the rest of a test a session "corp" of the double's Identity Center, and a sign-in.
func signedIn(t *testing.T, srv *chaimtest.Server) (tokenFile string) {
	t.Helper()
	home := awsFiles(t, srv, "[sso-session corp]\nsso_start_url = "+srv.StartURL()+"\nsso_region = eu-central-1\n")
	t.Setenv("HOME", home)
	tokenFile = filepath.Join(home, ".aws", "sso", "cache", ssotoken.FileName("corp", ""))
	require.NoError(t, os.MkdirAll(filepath.Dir(tokenFile), 0o700))
	require.NoError(t, os.WriteFile(tokenFile, srv.SignIn(), 0o600))
	return tokenFile
}

func TestKeysOfIdentityCenter(t *testing.T) {
	srv := chaimtest.NewServer(t)
	signedIn(t, srv)
	for _, account := range []string{"Connected Homes", "222222222222"} {
		opts := chaim.Options{Account: account, Role: "CrossAccountPowerUser", Broker: chaim.IdentityCenter{}}
		require.NoError(t, chaim.WithContext(t.Context(), opts, func(_ context.Context, c *chaim.Client) error {
			assert.WithinDuration(t, time.Now().Add(time.Hour), c.Creds().Expires, time.Minute)
			assert.Equal(t, "222222222222", c.Creds().AccountID)
			return nil
		}))
	}
	_, err := chaim.New(chaim.Options{Account: "sredev", Role: "x", Duration: time.Hour, Broker: chaim.IdentityCenter{}})
	require.EqualError(t, err, `chaim: account "sredev": the permission set decides how long the keys are valid: leave the duration out`)
	_, err = chaim.New(chaim.Options{Account: "sredev", Broker: chaim.IdentityCenter{}})
	require.ErrorContains(t, err, "give a role")
	err = chaim.WithContext(t.Context(), chaim.Options{Account: "sredev", Role: "rro", Broker: chaim.IdentityCenter{}}, nothing)
	require.ErrorIs(t, err, chaim.ErrDenied)
	require.ErrorContains(t, err, "your roles in that account are CrossAccountAdminUser, CrossAccountPowerUser, CrossAccountReadOnly, CrossAccountSysAdmin")
	err = chaim.WithContext(t.Context(), chaim.Options{Account: "sredve", Role: "rro", Broker: chaim.IdentityCenter{}}, nothing)
	require.ErrorContains(t, err, `none of the 3 accounts that you have at https://chaimtest.awsapps.com/start is named "sredve"`)
}

// TestIdentityCenterByItself has it as the only thing that is configured.
func TestIdentityCenterByItself(t *testing.T) {
	srv := chaimtest.NewServer(t)
	signedIn(t, srv)
	require.NoError(t, chaim.With("sredev", "CrossAccountReadOnly", 1, func(string) error { return nil }))
	c, err := chaim.New(chaim.Options{})
	require.NoError(t, err)
	accounts, err := c.RequestList(t.Context())
	require.NoError(t, err)
	assert.Len(t, accounts, 3)
	require.NoError(t, c.Close())
	t.Setenv("AWS_PROFILE", "user") // which STS is to be asked with
	require.ErrorIs(t, chaim.With("sredev", "CrossAccountReadOnly", 1, func(string) error { return nil }), chaim.ErrNotConfigured)
	t.Setenv("CHAIM_SSO_SESSION", "corp")
	require.NoError(t, chaim.With("sredev", "CrossAccountReadOnly", 1, func(string) error { return nil }))
}

func nothing(context.Context, *chaim.Client) error { return nil }

func TestSignInIsRenewed(t *testing.T) {
	srv := chaimtest.NewServer(t)
	file := signedIn(t, srv)
	before, err := os.ReadFile(file)
	require.NoError(t, err)
	center := chaim.IdentityCenter{Session: "corp"}
	_, err = center.Accounts(t.Context())
	require.NoError(t, err)
	srv.EndSignIns() // and the center knows neither token any more
	_, err = center.Accounts(t.Context())
	require.ErrorIs(t, err, chaim.ErrSignedOut)
	require.ErrorIs(t, err, chaim.ErrDenied)
	require.ErrorContains(t, err, "run 'chaim login corp' or 'aws sso login --sso-session corp'")
	after, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, before, after)

	srv.SetSignIn(10*time.Minute, 0) // due at once
	require.NoError(t, os.WriteFile(file, srv.SignIn(), 0o600))
	srv.SetSignIn(0, 0)
	srv.Reset()
	for range 2 {
		_, err = center.Accounts(t.Context())
		require.NoError(t, err)
	}
	assert.Equal(t, []string{"CreateToken", "ListAccounts", "ListAccounts"}, actions(srv))
	require.NoError(t, os.Remove(file))
	_, err = center.Accounts(t.Context())
	require.ErrorIs(t, err, chaim.ErrSignedOut)
}

func actions(srv *chaimtest.Server) (names []string) {
	for _, r := range srv.Requests() {
		names = append(names, r.Action)
	}
	return names
}

// TestEndpointOfTheProfile has a profile whose own services are elsewhere than those of the profile in AWS_PROFILE.
func TestEndpointOfTheProfile(t *testing.T) {
	srv, foreign := chaimtest.NewServer(t), chaimtest.NewServer(t)
	file := signedIn(t, srv)
	config := filepath.Join(filepath.Dir(os.Getenv("AWS_CONFIG_FILE")), "config")
	text, err := os.ReadFile(config)
	require.NoError(t, err)
	elsewhere := "endpoint_url = " + foreign.URL() + "\n"
	text = fmt.Appendf(text, "[default]\n%s[profile other]\n%[1]s[profile dev]\n%[1]sservices = own\nsso_session = corp\nsso_account_id = 111111111111\n"+
		"sso_role_name = CrossAccountReadOnly\n[services own]\nsso =\n  endpoint_url = %s\nsso_oidc =\n  endpoint_url = %s\n", elsewhere, srv.PortalURL(), srv.OIDCURL())
	require.NoError(t, os.WriteFile(config, text, 0o600))
	srv.SetSignIn(10*time.Minute, 0) // due at once
	require.NoError(t, os.WriteFile(file, srv.SignIn(), 0o600))
	require.NoError(t, os.Unsetenv("AWS_ENDPOINT_URL_SSO"))
	require.NoError(t, os.Unsetenv("AWS_ENDPOINT_URL_SSO_OIDC"))
	t.Setenv("AWS_PROFILE", "other")
	_, err = lent(t, chaim.Profiles{}, chaim.Options{Account: "dev"})
	require.NoError(t, err)
	assert.Equal(t, []string{"CreateToken", "GetRoleCredentials"}, actions(srv))
	assert.Empty(t, foreign.Requests())
}

// TestIdentityCenterInSeveralBubbles has the tests of a program, each with a server of its own and fake time.
func TestIdentityCenterInSeveralBubbles(t *testing.T) {
	for range 2 {
		synctest.Test(t, func(t *testing.T) {
			srv := chaimtest.NewServer(t)
			home := t.TempDir()
			t.Setenv("HOME", home)
			file := filepath.Join(home, ".aws", "sso", "cache", ssotoken.FileName("", srv.StartURL()))
			require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
			require.NoError(t, os.WriteFile(file, srv.SignIn(), 0o600))
			center := chaim.IdentityCenter{StartURL: srv.StartURL(), Region: "eu-central-1", HTTPClient: srv.HTTPClient()}
			srv.LimitPortal(2, false)
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					_, err := center.Accounts(t.Context())
					assert.NoError(t, err)
				})
			}
			all.Wait()
		})
	}
}

func TestManyAccountsOfIdentityCenter(t *testing.T) {
	for _, hasRetryAfter := range []bool{false, true} {
		srv := chaimtest.NewServer(t)
		signedIn(t, srv)
		for i := range 60 {
			srv.AddAccount(accountID(i), accountID(i), "Admin")
		}
		for _, id := range []string{"111111111111", "222222222222", "333333333333"} {
			srv.RemoveAccount(id)
		}
		srv.LimitPortal(20, hasRetryAfter)
		center := chaim.IdentityCenter{}
		accounts, err := center.Accounts(t.Context())
		require.NoError(t, err)
		require.Len(t, accounts, 60)
		srv.Reset()
		began := time.Now()
		var mu sync.Mutex
		seen := map[string]int{}
		err = chaim.Each(t.Context(), accounts, chaim.EachOptions{Options: chaim.Options{Role: "Admin", Broker: center}, Parallel: 20}, func(_ context.Context, a chaim.Account, _ *chaim.Client) error {
			mu.Lock()
			defer mu.Unlock()
			seen[a.ID]++
			return nil
		})
		require.NoError(t, err)
		assert.Len(t, seen, 60)
		given := map[string]int{}
		for _, r := range srv.Requests() {
			if r.StatusCode == http.StatusOK {
				given[r.Account]++
			}
		}
		for id, n := range given {
			assert.Equal(t, 1, n, id)
		}
		t.Log(time.Since(began), len(srv.Requests()))
	}
}

func accountID(i int) string { return fmt.Sprintf("%012d", 400000000000+i) }

// TestMissingRoleInManyAccounts: the roles that there are would double the requests.
func TestMissingRoleInManyAccounts(t *testing.T) {
	srv := chaimtest.NewServer(t)
	signedIn(t, srv)
	center := chaim.IdentityCenter{}
	accounts, err := center.Accounts(t.Context())
	require.NoError(t, err)
	srv.Reset()
	opts := chaim.EachOptions{Options: chaim.Options{Role: "Nope", Broker: center}}
	err = chaim.Each(t.Context(), accounts, opts, func(context.Context, chaim.Account, *chaim.Client) error { return nil })
	require.ErrorIs(t, err, chaim.ErrDenied)
	assert.Equal(t, []string{"GetRoleCredentials", "GetRoleCredentials", "GetRoleCredentials"}, actions(srv))
}

func TestRolesOfIdentityCenter(t *testing.T) {
	srv := chaimtest.NewServer(t)
	signedIn(t, srv)
	srv.AddAccount("444444444444", "tiny", "CrossAccountReadOnly")
	for _, account := range []string{"tiny", "444444444444"} {
		roles, err := chaim.IdentityCenter{}.Roles(t.Context(), account)
		require.NoError(t, err)
		assert.Equal(t, []string{"CrossAccountReadOnly"}, roles)
	}
	_, err := chaim.IdentityCenter{}.Roles(t.Context(), "tyni")
	require.ErrorContains(t, err, `is named "tyni"`)
	srv.EndSignIns()
	_, err = chaim.IdentityCenter{}.Roles(t.Context(), "tiny")
	require.ErrorIs(t, err, chaim.ErrSignedOut)
}
