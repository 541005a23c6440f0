package chaim_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/internal/inifile"
)

// givesID is a source of keys for an account that it calls by an id.
func givesID(id string) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{
			AccessKeyID: "ASIAEXAMPLEEXAMPLE00", SecretAccessKey: "CANARYsecret", SessionToken: "CANARYtoken",
			AccountID: id, CanExpire: true, Expires: time.Now().Add(time.Hour),
		}, nil
	})
}

// withKeyID gives the keys of a source under another id.
type withKeyID struct {
	aws.CredentialsProvider
	id string
}

func (w withKeyID) Retrieve(ctx context.Context) (aws.Credentials, error) {
	creds, err := w.CredentialsProvider.Retrieve(ctx)
	creds.AccessKeyID = w.id
	return creds, err
}

// TestAccountID has the id of the account go wherever the keys do.
func TestAccountID(t *testing.T) {
	for _, form := range []chaim.ProfileForm{chaim.Keys, chaim.Process} {
		t.Run(form.String(), func(t *testing.T) {
			srv := chaimtest.NewServer(t)
			home := srv.Setenv(t)
			opts := chaim.Options{Account: "sredev", Form: form}
			err := chaim.WithContext(t.Context(), opts, func(ctx context.Context, c *chaim.Client) error {
				assert.Equal(t, "111111111111", c.Creds().AccountID)
				creds, err := c.Retrieve(ctx)
				assert.NoError(t, err)
				assert.Equal(t, "111111111111", creds.AccountID)

				pairs := pairsOf(t, home, c.Profile())
				assert.Equal(t, form == chaim.Keys, pairs["aws_account_id"] == "111111111111")
				assert.Equal(t, "111111111111", pairs["accountid"])
				cfg, err := config.LoadDefaultConfig(ctx, config.WithSharedConfigProfile(c.Profile()))
				require.NoError(t, err)
				creds, err = cfg.Credentials.Retrieve(ctx)
				assert.NoError(t, err)
				assert.Equal(t, "111111111111", creds.AccountID)
				return nil
			})
			require.NoError(t, err)
		})
	}
}

func pairsOf(t *testing.T, home, profile string) map[string]string {
	t.Helper()
	doc, err := os.ReadFile(filepath.Join(home, "credentials"))
	require.NoError(t, err)
	pairs, _, err := inifile.ReadAll(doc, profile)
	require.NoError(t, err)
	return pairs
}

// TestAccountIDUnknown has no id of another account stay beside keys whose account is not known.
func TestAccountIDUnknown(t *testing.T) {
	srv := chaimtest.NewServer(t)
	home := srv.Setenv(t)
	t.Setenv("AWS_ACCOUNT_ID", "999999999999")
	for _, id := range []string{"", "12345", "111111111111.evil.example", "x\naws_access_key_id = y"} {
		write(t, filepath.Join(home, "credentials"),
			"[dev]\naccountname = dev\naws_account_id = 999999999999\naccountid = 999999999999\n\n"+
				"[default]\nsection = dev\nalias = dev\naws_account_id = 999999999999\noutput = json\n")
		c, err := chaim.New(chaim.Options{Account: "dev", Source: givesID(id), TempName: "dev", Keep: true, Default: true})
		require.NoError(t, err)
		defer c.Close()
		creds, err := c.RequestKeys(t.Context())
		require.NoError(t, err)
		assert.Empty(t, creds.AccountID)
		assert.Contains(t, creds.Environ(), "AWS_ACCOUNT_ID=")
		assert.Contains(t, c.Environ(), "AWS_ACCOUNT_ID=")
		for _, profile := range []string{"dev", "default"} {
			pairs := pairsOf(t, home, profile)
			assert.Equal(t, "ASIAEXAMPLEEXAMPLE00", pairs["aws_access_key_id"], profile)
			assert.NotContains(t, pairs, "aws_account_id", profile)
			assert.NotContains(t, pairs, "accountid", profile)
		}
	}
}

// TestAccountIDInDefault has [default] tell the account of the keys that are copied there, and no longer than they are.
func TestAccountIDInDefault(t *testing.T) {
	srv := chaimtest.NewServer(t)
	home := srv.Setenv(t)
	c, err := chaim.New(chaim.Options{Account: "sredev", TempName: "dev", Keep: true, Default: true})
	require.NoError(t, err)
	defer c.Close()
	_, err = c.RequestKeys(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "111111111111", pairsOf(t, home, "default")["aws_account_id"])
	require.NoError(t, c.DeleteAccount(t.Context(), "dev"))
	assert.NotContains(t, pairsOf(t, home, "default"), "aws_account_id")
}

// TestAccountIDInherited has no profile written to which botocore would add an account id of [DEFAULT].
func TestAccountIDInherited(t *testing.T) {
	srv := chaimtest.NewServer(t)
	home := srv.Setenv(t)
	write(t, filepath.Join(home, "credentials"), "[DEFAULT]\naws_account_id = 999999999999\n")
	lend := func(id string) error {
		opts := chaim.Options{Account: "dev", Source: givesID(id)}
		return chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error { return nil })
	}
	assert.ErrorContains(t, lend(""), "section [DEFAULT] at line 1 has aws_account_id")
	assert.NoError(t, lend("111111111111"))
}

// TestAccountIDParked has a parked account keep the id by which it is asked for, but not the one that SDKs read.
func TestAccountIDParked(t *testing.T) {
	srv := chaimtest.NewServer(t)
	home := srv.Setenv(t)
	c, err := chaim.New(chaim.Options{Account: "sredev", TempName: "dev", Keep: true})
	require.NoError(t, err)
	defer c.Close()
	_, err = c.RequestKeys(t.Context())
	require.NoError(t, err)
	require.NoError(t, c.ParkAccount(t.Context(), "dev"))
	doc, err := os.ReadFile(filepath.Join(home, "chaim-parked"))
	require.NoError(t, err)
	parked, _, err := inifile.ReadAll(doc, "dev")
	require.NoError(t, err)
	assert.Equal(t, "111111111111", parked["accountid"])
	assert.NotContains(t, parked, "aws_account_id")
	c, err = chaim.New(chaim.Options{})
	require.NoError(t, err)
	defer c.Close()
	creds, err := c.UnparkAccount(t.Context(), "dev")
	require.NoError(t, err)
	assert.Equal(t, "111111111111", creds.AccountID)
	assert.Equal(t, "111111111111", pairsOf(t, home, "dev")["aws_account_id"])
}

// TestAccountIDOfOldProfile has two renewals of a profile without an id both succeed, though the first adds it.
func TestAccountIDOfOldProfile(t *testing.T) {
	srv := chaimtest.NewServer(t)
	home := srv.Setenv(t)
	write(t, filepath.Join(home, "credentials"), "[dev]\naccountname = sredev\nrole = rro\nduration = 1\nregion = eu-west-1\n")
	var asked sync.WaitGroup // both ask before either writes
	asked.Add(2)
	source := aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		asked.Done()
		asked.Wait()
		return givesID("111111111111").Retrieve(ctx)
	})
	errs := make(chan error)
	for _, id := range []string{"1", "2"} {
		go func() {
			c, err := chaim.New(chaim.Options{Account: "sredev", Source: withKeyID{source, "ASIAEXAMPLEEXAMPLE0" + id}})
			if err == nil {
				_, err = c.RenewSection(context.Background(), "dev")
				_ = c.Close()
			}
			errs <- err
		}()
	}
	for range 2 {
		assert.NoError(t, <-errs)
	}
	assert.Equal(t, "111111111111", pairsOf(t, home, "dev")["accountid"])
}

// TestAccountIDGiven has keys asked for by the id, whatever account has the name.
func TestAccountIDGiven(t *testing.T) {
	srv, opts := originalGateway(t)
	srv.AddAccount("444444444444", "sredev")
	opts.Account, opts.AccountID, opts.TempName, opts.Keep = "sredev", "444444444444", "dev", true
	creds, err := clientFor(t, opts).RequestKeys(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "444444444444", creds.AccountID)
	assert.Equal(t, []string{"444444444444,mpu,4h0m0s"}, asked(srv))
	profiles, err := clientFor(t, opts).MyAccountList(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"sredev", "444444444444"}, []string{profiles[0].Account, profiles[0].AccountID})

	opts.Source = givesID("111111111111")
	_, err = clientFor(t, opts).RequestKeys(t.Context())
	assert.ErrorContains(t, err, `the keys that came are for account "111111111111"`)

	for _, ids := range [][2]string{{"sredev", "4444"}, {"", "444444444444"}, {"111111111111", "444444444444"}} {
		_, err := chaim.New(chaim.Options{Account: ids[0], AccountID: ids[1], Source: opts.Source})
		assert.Error(t, err, ids)
	}
}
