package lend

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/internal/awsprofile"
)

// TestSourcesWithoutASigner has the sources whose keys are not cached, because another user could ask next.
func TestSourcesWithoutASigner(t *testing.T) {
	chaimtest.NewServer(t).Setenv(t)
	pairs := awsprofile.Pairs{
		"credential_process": "true", "login_session": "arn:aws:iam::111111111111:user/me", "credential_source": "x",
		"web_identity_token_file": "/dev/null", "aws_access_key_id": "AKIAABCDEFGHIJKLMNOP",
	}
	for _, kind := range []awsprofile.Kind{
		awsprofile.Process, awsprofile.Login, awsprofile.EC2, awsprofile.Container,
		awsprofile.WebIdentity, awsprofile.Environment, awsprofile.SSO,
	} {
		assert.Nil(t, signer(t.Context(), &cli.App{}, awsprofile.Source{Kind: kind, Pairs: pairs}), kind)
	}
	assert.NotNil(t, signer(t.Context(), &cli.App{}, awsprofile.Source{Kind: awsprofile.StaticKeys, Pairs: pairs}))
}
