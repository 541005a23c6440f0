package chaim_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
)

const endless = "these keys never end, so chaim keeps no copy of them"

// turning is a broker whose keys are temporary until they are those of a user.
type turning struct{ keys aws.Credentials }

func (b *turning) Keys(context.Context, chaim.Request) (chaim.Grant, error) {
	return chaim.Grant{Credentials: b.keys}, nil
}

func temporary(n string) aws.Credentials {
	return aws.Credentials{AccessKeyID: "ASIAEXAMPLE00000000" + n, SecretAccessKey: "CANARY", SessionToken: "CANARY", CanExpire: true, Expires: time.Now().Add(time.Hour)}
}

var usersKeys = map[string]aws.Credentials{
	"of IAM":                 {AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "CANARY"},
	"of IAM, with an expiry": {AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "CANARY", CanExpire: true, Expires: time.Now().Add(2 * time.Hour)},
	"of MinIO":               {AccessKeyID: "minioadmin0123456789", SecretAccessKey: "CANARY"},
}

func TestKeysThatNeverEndAreNotKept(t *testing.T) {
	for name, keys := range usersKeys {
		t.Run(name, func(t *testing.T) {
			opts := chaim.Options{
				Account: "111111111111", TempName: "mine", Keep: true, Dir: t.TempDir(),
				Source: credentials.StaticCredentialsProvider{Value: keys},
			}
			for _, isDefault := range []bool{false, true} {
				opts.Default = isDefault
				err := chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error { t.Error("fn was called"); return nil })
				require.ErrorContains(t, err, endless)
				assert.NotContains(t, err.Error(), "CANARY")
				assert.NoFileExists(t, credentialsFile(opts))
			}
			opts.Keep, opts.Default = false, false
			require.NoError(t, chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error {
				assert.Contains(t, read(t, credentialsFile(opts)), keys.AccessKeyID, "they are lent")
				return nil
			}))
			assert.Empty(t, read(t, credentialsFile(opts)))
		})
	}
}

// TestTemporaryKeysWithoutAnExpiryAreKept has a credential_process that does not tell when its keys end.
func TestTemporaryKeysWithoutAnExpiryAreKept(t *testing.T) {
	keys := temporary("1")
	keys.CanExpire = false
	opts := chaim.Options{Account: "111111111111", Keep: true, Dir: t.TempDir(), Source: credentials.StaticCredentialsProvider{Value: keys}}
	require.NoError(t, chaim.WithContext(t.Context(), opts, nothing))
	assert.Contains(t, read(t, credentialsFile(opts)), keys.AccessKeyID)
}

// TestKeptProfileWhoseKeysTurnEndless changes what the broker gives after a profile was kept.
func TestKeptProfileWhoseKeysTurnEndless(t *testing.T) {
	for name, keys := range usersKeys {
		t.Run(name, func(t *testing.T) {
			broker := &turning{temporary("1")}
			opts := chaim.Options{Broker: broker, Dir: t.TempDir()}
			c := keeper(t, opts, "111111111111", "mine")
			before := read(t, credentialsFile(opts))
			other := clientFor(t, opts)

			broker.keys = keys
			_, err := c.RequestKeys(t.Context())
			require.ErrorContains(t, err, endless)
			_, err = other.RenewSection(t.Context(), "mine")
			require.ErrorContains(t, err, `renewing profile "mine": `+endless)
			assert.Equal(t, before, read(t, credentialsFile(opts)))

			require.NoError(t, other.ParkAccount(t.Context(), "mine"))
			_, err = other.UnparkAccount(t.Context(), "mine")
			require.ErrorContains(t, err, `unparking "mine", which stays parked: `+endless)
			assert.Empty(t, read(t, credentialsFile(opts)))

			broker.keys = temporary("2")
			_, err = other.UnparkAccount(t.Context(), "mine")
			require.NoError(t, err)
			_, err = c.RequestKeys(t.Context())
			require.NoError(t, err, "the refused keys are not stored later")
			assert.Contains(t, read(t, credentialsFile(opts)), "ASIAEXAMPLE000000002")
			require.NoError(t, other.DeleteAccount(t.Context(), "mine"))
			assert.Empty(t, strings.TrimSpace(read(t, credentialsFile(opts))))
		})
	}
}
