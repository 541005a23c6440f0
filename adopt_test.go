package chaim

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/lease"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// countingSource gives a new set of one hour at each call.
func countingSource(calls *int) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		*calls++
		return aws.Credentials{
			AccessKeyID: fmt.Sprintf("ASIAOURS%012d", *calls), SecretAccessKey: "s", SessionToken: "t",
			CanExpire: true, Expires: time.Now().Add(time.Hour),
		}, nil
	})
}

// renewElsewhere puts other keys into a client's profile, as another process does that was told to renew it.
func renewElsewhere(t *testing.T, c *Client, lifetime time.Duration, account string) {
	t.Helper()
	g := grant{account: account, creds: AwsCreds{
		Region: "eu-west-1", AccessKeyID: "ASIATHEIRS0000000000", SecretAccessKey: "s2", SessionToken: "t2",
		Expires: time.Now().Add(lifetime).Truncate(time.Second),
	}}
	err := c.file.Edit(t.Context(), func(doc []byte) ([]byte, error) {
		pairs, _, err := inifile.ReadManaged(doc, c.Profile())
		if err != nil {
			return nil, err
		}
		s, isIntact := lease.Of(pairs)
		process := pairs[inifile.ProcessKey]
		mark := ""
		if !c.opts.Keep {
			require.True(t, isIntact)
			mark = lease.New(s.ID, c.scopes.Folder, map[string]string{"aws_access_key_id": g.creds.AccessKeyID}).String()
		}
		if process != "" {
			mark = pairs[inifile.ScopeKey]
			text, err := g.creds.ProcessJSON()
			require.NoError(t, err)
			require.NoError(t, sharedfile.WriteFile(c.scopes.Path(s.ID, lease.ProcessExtension), text))
		}
		return inifile.Set(doc, c.Profile(), sectionPairs(g, &c.opts, process, mark))
	})
	require.NoError(t, err)
}

func TestRenewalByAnotherProcessIsAdopted(t *testing.T) {
	for name, opts := range map[string]Options{"keys": {}, "process": {Form: Process}, "kept": {Keep: true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				opts.Account, opts.Source, opts.Dir = "sredev", countingSource(&calls), t.TempDir()
				c, err := New(opts)
				require.NoError(t, err)
				defer c.Close()
				first, err := c.RequestKeys(t.Context())
				require.NoError(t, err)
				<-time.After(10 * time.Minute)
				renewElsewhere(t, c, time.Hour, "sredev")

				<-time.After(31 * time.Minute)
				assert.NotEqual(t, first, c.Creds())
				assert.Equal(t, "ASIATHEIRS0000000000", c.Creds().AccessKeyID)
				assert.Equal(t, 1, calls, "the source was not asked")
				doc, err := c.file.Read()
				require.NoError(t, err)
				assert.Contains(t, string(doc), "expires = "+strconv.FormatInt(c.Creds().Expires.Unix(), 10))

				<-time.After(time.Hour)
				assert.Greater(t, calls, 1)
				assert.Contains(t, c.Creds().AccessKeyID, "ASIAOURS", "and the next renewal is our own")
				require.NoError(t, c.Close())
				doc, err = os.ReadFile(filepath.Join(opts.Dir, "credentials"))
				require.NoError(t, err)
				if !opts.Keep {
					assert.Empty(t, string(doc))
				}
			})
		})
	}
}

func TestWhatIsNoRenewalIsNotAdopted(t *testing.T) {
	for name, tt := range map[string]struct {
		lifetime time.Duration
		account  string
	}{
		"little time":     {20 * time.Minute, "sredev"},
		"another account": {time.Hour, "prod"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				c, err := New(Options{Account: "sredev", Source: countingSource(&calls), Dir: t.TempDir()})
				require.NoError(t, err)
				defer c.Close()
				_, err = c.RequestKeys(t.Context())
				require.NoError(t, err)
				<-time.After(10 * time.Minute)
				renewElsewhere(t, c, tt.lifetime, tt.account)
				<-time.After(time.Second)
				doc, err := c.file.Read()
				require.NoError(t, err)
				assert.Contains(t, string(doc), "ASIAOURS000000000001", "the profile has the scope's keys again")
				<-time.After(40 * time.Minute)
				assert.Contains(t, c.Creds().AccessKeyID, "ASIAOURS")
				assert.Greater(t, calls, 1)
			})
		})
	}
}
