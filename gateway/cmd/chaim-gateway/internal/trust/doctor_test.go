package trust

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/cli"
	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/rules"
	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/setup"
	"github.com/chaim-go/chaim/gateway/internal/ambient"
	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/policy"
)

func TestTriesOfDoctorAreRecordedAndTheirKeysDropped(t *testing.T) {
	aws := chaimtest.NewServer(t)
	aws.AddAccount("555555555555", "half", "CrossAccountReadOnly")
	c, err := setup.Make(t.Context(), setup.Plan{Dir: filepath.Join(t.TempDir(), "gw"), URL: "http://127.0.0.1:1", User: "ann", Region: "eu-west-1"})
	require.NoError(t, err)
	s, err := cli.OpenWith(t.Context(), c)
	require.NoError(t, err)
	defer func() { assert.NoError(t, s.Close()) }()
	keys := aws.AddKeys("999999999999", "gateway")
	sts, err := ambient.New(t.Context(), ambient.Options{
		Endpoint: aws.STSURL(), Credentials: credentials.NewStaticCredentialsProvider(keys.AccessKeyID, keys.SecretAccessKey, ""),
	})
	require.NoError(t, err)

	const text = `{version: 1, roles: {rro: {aws: CrossAccountReadOnly}, apu: {aws: CrossAccountAdminUser}},
		accounts: [{id: "555555555555", name: half}]}`
	policyFile := filepath.Join(t.TempDir(), "policy.yaml")
	require.NoError(t, os.WriteFile(policyFile, []byte(text), 0o600))
	_, err = rules.ApplyFile(t.Context(), s, policyFile)
	require.NoError(t, err)
	issuer, err := newIssuer(s, sts, nil)
	require.NoError(t, err)

	account := policy.Account{ID: "555555555555", Name: "half"}
	good, err := try(t.Context(), issuer, s.Actor, account, policy.Role{Alias: "rro", AWS: "CrossAccountReadOnly"})
	require.NoError(t, err)
	assert.True(t, good.OK)
	bad, err := try(t.Context(), issuer, s.Actor, account, policy.Role{Alias: "apu", AWS: "CrossAccountAdminUser"})
	require.NoError(t, err)
	assert.False(t, bad.OK)
	assert.Equal(t, "not_trusted", bad.Cause)
	assert.Contains(t, bad.Text, "trust")

	issues, err := s.DB.Issues(t.Context(), store.IssueFilter{Account: "555555555555"})
	require.NoError(t, err)
	require.Len(t, issues, 2)
	assert.Equal(t, store.Failed, issues[0].State)
	assert.Equal(t, store.Withheld, issues[1].State)
	assert.NotEmpty(t, issues[1].Keys.ID)

	// A freeze stops doctor too: nothing is asked of STS.
	e := s.Event(audit.GatewayFrozen, "")
	require.NoError(t, s.Append(t.Context(), store.Change{Events: []audit.Event{e}, Effects: []store.Effect{store.Freeze("keys leaked")}, Raises: true}))
	_, err = try(t.Context(), issuer, s.Actor, account, policy.Role{Alias: "rro", AWS: "CrossAccountReadOnly"})
	require.ErrorContains(t, err, "keys leaked")
	issues, err = s.DB.Issues(t.Context(), store.IssueFilter{Account: "555555555555"})
	require.NoError(t, err)
	assert.Len(t, issues, 2)
}
