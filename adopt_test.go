package chaim

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
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
func countingSource(calls *atomic.Int32) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		n := calls.Add(1)
		return aws.Credentials{
			AccessKeyID: fmt.Sprintf("ASIAOURS%012d", n), SecretAccessKey: "s", SessionToken: "t",
			CanExpire: true, Expires: time.Now().Add(time.Hour),
		}, nil
	})
}

// renewElsewhere puts other keys into a client's profile, as another process does that was told to renew it.
func renewElsewhere(t *testing.T, c *Client, lifetime time.Duration, account, region string) {
	t.Helper()
	g := grant{account: account, creds: AwsCreds{
		Region: region, AccessKeyID: "ASIATHEIRS0000000000", SecretAccessKey: "s2", SessionToken: "t2",
		Expires: time.Now().Add(lifetime).Truncate(time.Second),
	}}
	if lifetime == math.MaxInt64 {
		g.creds.Expires = time.Unix(253402300799, 0) // in the year 9999
	}
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
				var calls atomic.Int32
				opts.Account, opts.Duration, opts.Source, opts.Dir = "sredev", time.Hour, countingSource(&calls), t.TempDir()
				c, err := New(opts)
				require.NoError(t, err)
				defer c.Close()
				c.hasSource = false // as if they came from a gateway
				first, err := c.RequestKeys(t.Context())
				require.NoError(t, err)
				<-time.After(10 * time.Minute)
				renewElsewhere(t, c, time.Hour, "sredev", "eu-west-1")

				if opts.Keep { // nobody looks before the renewal, after 30 to 40 minutes
					<-time.After(31 * time.Minute)
				} else { // a second later, and so renewed again after 40 to 50
					<-time.After(29 * time.Minute)
				}
				assert.NotEqual(t, first, c.Creds())
				assert.Equal(t, "ASIATHEIRS0000000000", c.Creds().AccessKeyID)
				assert.EqualValues(t, 1, calls.Load(), "the source was not asked")
				doc, err := c.file.Read()
				require.NoError(t, err)
				assert.Contains(t, string(doc), "expires = "+strconv.FormatInt(c.Creds().Expires.Unix(), 10))

				<-time.After(time.Hour)
				assert.Greater(t, calls.Load(), int32(1))
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
		region   string
		form     ProfileForm
		source   bool
	}{
		"little time":         {20 * time.Minute, "sredev", "eu-west-1", Keys, false},
		"too much time":       {2 * time.Hour, "sredev", "eu-west-1", Keys, false},
		"no end":              {math.MaxInt64, "sredev", "eu-west-1", Process, false},
		"another account":     {time.Hour, "prod", "eu-west-1", Keys, false},
		"another region":      {time.Hour, "sredev", "us-east-1", Keys, false},
		"another Source, say": {time.Hour, "sredev", "eu-west-1", Keys, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var calls atomic.Int32
				c, err := New(Options{Account: "sredev", Duration: time.Hour, Form: tt.form, Source: countingSource(&calls), Dir: t.TempDir()})
				require.NoError(t, err)
				defer c.Close()
				c.hasSource = tt.source
				_, err = c.RequestKeys(t.Context())
				require.NoError(t, err)
				<-time.After(10 * time.Minute)
				renewElsewhere(t, c, tt.lifetime, tt.account, tt.region)
				<-time.After(time.Second)
				doc, err := c.file.Read()
				require.NoError(t, err)
				if tt.form == Process {
					doc, err = os.ReadFile(c.scopes.Path(c.written.scope, lease.ProcessExtension))
					require.NoError(t, err)
				}
				assert.Contains(t, string(doc), "ASIAOURS000000000001", "the profile has the scope's keys again")
				<-time.After(40 * time.Minute)
				assert.Contains(t, c.Creds().AccessKeyID, "ASIAOURS")
				assert.Greater(t, calls.Load(), int32(1))
			})
		})
	}
}

func TestWhatSomebodyElseBrokeIsWrittenAgain(t *testing.T) {
	for _, form := range []ProfileForm{Keys, Process} {
		t.Run(form.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var calls atomic.Int32
				c, err := New(Options{Account: "sredev", Form: form, Source: countingSource(&calls), Dir: t.TempDir()})
				require.NoError(t, err)
				defer c.Close()
				_, err = c.RequestKeys(t.Context())
				require.NoError(t, err)
				path := c.file.Path
				if form == Process {
					path = c.scopes.Path(c.written.scope, lease.ProcessExtension)
				}
				want, err := os.ReadFile(path)
				require.NoError(t, err)
				for _, replace := range [][2]string{{"secret_access_key = s", "secret_access_key = x"}, {"aws_session_token = t\n", ""}, {`"SessionToken":"t"`, `"SessionToken":"x"`}, {"{", ""}} {
					require.NoError(t, os.WriteFile(path, bytes.Replace(want, []byte(replace[0]), []byte(replace[1]), 1), 0o600))
					<-time.After(time.Second)
					got, err := os.ReadFile(path)
					require.NoError(t, err)
					assert.ElementsMatch(t, strings.Split(string(want), "\n"), strings.Split(string(got), "\n"))
				}
			})
		})
	}
}
