package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
)

// browserMain is a program that stands in for a browser: it asks for the address that is its only argument. It writes down
// the argument and its environment, and then the answer into a pipe, as the command that started it may end first.
func browserMain() {
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	err := errors.Join(
		os.WriteFile("asked", []byte(os.Args[1]+"\n"), 0o600),
		os.WriteFile("environment", []byte(strings.Join(os.Environ(), "\n")), 0o600),
	)
	var resp *http.Response
	if err == nil {
		resp, err = client.Get(os.Args[1])
	}
	if err == nil {
		answer := fmt.Sprintln(resp.Status, resp.Header.Get("Location"), resp.Header.Get("Cache-Control"), resp.Header.Get("Referrer-Policy"))
		err = os.WriteFile("answer.pipe", []byte(answer), 0o600)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

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
		assert.Equal(t, exitFailed, exitCode(err))
	}
}
