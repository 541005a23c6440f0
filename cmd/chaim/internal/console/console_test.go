package console

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
)

func TestSignOutComesBeforeTheLink(t *testing.T) {
	for _, c := range []struct{ region, link, want string }{
		{
			"eu-west-1", "https://signin.aws.amazon.com/federation?Action=login&SigninToken=t",
			"https://us-east-1.signin.aws.amazon.com/oauth?Action=logout&redirect_uri=https%3A%2F%2Fus-east-1.signin.aws.amazon.com%2Ffederation%3FAction%3Dlogin%26SigninToken%3Dt",
		},
		{
			"eu-west-1", "https://eu-west-1.signin.aws.amazon.com/federation?Action=login",
			"https://eu-west-1.signin.aws.amazon.com/oauth?Action=logout&redirect_uri=https%3A%2F%2Feu-west-1.signin.aws.amazon.com%2Ffederation%3FAction%3Dlogin",
		},
		{
			"cn-north-1", "https://signin.amazonaws.cn/federation?Action=login",
			"https://signin.amazonaws.cn/oauth?Action=logout&redirect_uri=https%3A%2F%2Fsignin.amazonaws.cn%2Ffederation%3FAction%3Dlogin",
		},
		{
			"us-gov-west-1", "https://signin.amazonaws-us-gov.com/federation?Action=login",
			"https://signin.amazonaws-us-gov.com/oauth?Action=logout&redirect_uri=https%3A%2F%2Fsignin.amazonaws-us-gov.com%2Ffederation%3FAction%3Dlogin",
		},
	} {
		got, err := signOutFirst(c.link, c.region)
		require.NoError(t, err)
		assert.Equal(t, c.want, got)
	}
}

func TestNoSignOutBeforeAnotherHost(t *testing.T) {
	for _, link := range []string{
		"https://sso.example.com/?token=CANARY", "https://signin.aws.amazon.com.example.com/", "https://evilsignin.aws.amazon.com/",
		"https://signin.amazonaws.cn/federation", "https://signin.aws.amazon.com:444/", "https://%",
	} {
		_, err := signOutFirst(link, "eu-west-1")
		require.ErrorIs(t, err, chaim.ErrNoURL, link)
		assert.NotContains(t, err.Error(), "CANARY")
		assert.Equal(t, cli.ExitFailed, cli.ExitCode(err))
	}
}
