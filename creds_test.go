package chaim_test

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
)

func TestAwsCreds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		creds := chaim.AwsCreds{
			Region: "eu-west-1", AccountID: "111111111111", AccessKeyID: "ASIA", SecretAccessKey: "s", SessionToken: "t",
			Expires: time.Now().Add(time.Hour),
		}
		got, err := creds.Retrieve(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "111111111111", got.AccountID)
		assert.Equal(t, "s", got.SecretAccessKey)
		assert.True(t, got.CanExpire)
		assert.False(t, creds.Expired(time.Hour-time.Second))
		assert.True(t, creds.Expired(time.Hour))

		assert.Equal(t, []string{
			"AWS_ACCESS_KEY_ID=ASIA", "AWS_SECRET_ACCESS_KEY=s", "AWS_SESSION_TOKEN=t", "CHAIM_LENT=e1eba3226891f58a", "AWS_REGION=eu-west-1",
			"AWS_DEFAULT_REGION=eu-west-1", "AWS_ACCOUNT_ID=111111111111", "AWS_CREDENTIAL_EXPIRATION=2000-01-01T01:00:00Z",
		}, creds.Environ())

		doc, err := creds.ProcessJSON()
		require.NoError(t, err)
		var fields map[string]any
		require.NoError(t, json.Unmarshal(doc, &fields))
		assert.Equal(t, map[string]any{
			"Version": 1.0, "AccessKeyId": "ASIA", "SecretAccessKey": "s", "SessionToken": "t", "Expiration": "2000-01-01T01:00:00Z",
			"AccountId": "111111111111",
		}, fields)

		<-time.After(time.Hour)
		_, err = creds.Retrieve(t.Context())
		assert.ErrorIs(t, err, chaim.ErrExpired)
		_, err = creds.ProcessJSON()
		assert.ErrorIs(t, err, chaim.ErrExpired)
	})
}

func TestAwsCredsZeroValue(t *testing.T) {
	var creds chaim.AwsCreds
	_, err := creds.Retrieve(t.Context())
	assert.ErrorContains(t, err, "no keys")
	assert.True(t, creds.Expired(0))

	creds = chaim.AwsCreds{AccessKeyID: "AKIA", SecretAccessKey: "s"}
	assert.False(t, creds.Expired(time.Hour), "keys without an expiration do not expire")
	got, err := creds.Retrieve(t.Context())
	require.NoError(t, err)
	assert.False(t, got.CanExpire)
}
