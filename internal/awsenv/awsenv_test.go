package awsenv

import (
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestChild(t *testing.T) {
	environ := []string{
		"HOME=/home/u", "AWS_PROFILE=prod", "AWS_ACCESS_KEY_ID=AKIA", "AWS_BEARER_TOKEN_BEDROCK=x", "AWS_BEARER=kept",
		"AWS_CONFIG_FILE=/c", "TERM=a", "AMAZON_SECRET_ACCESS_KEY=x", "AWS_REGION=us-west-2", "=C:=C:\\",
		"CHAIM_TOKEN=t",
	}
	before := append([]string{}, environ...)
	assert.Equal(t,
		[]string{"HOME=/home/u", "AWS_BEARER=kept", "AWS_CONFIG_FILE=/c", "=C:=C:\\", "AWS_PROFILE=tempname", "AWS_REGION=eu-west-1"},
		Child(environ, []string{"AWS_PROFILE=tempname", "AWS_REGION=eu-west-1", "TERM="}))
	assert.Equal(t, before, environ, "the program's own stays as it is")
	assert.Equal(t, []string{"A=1"}, Child(nil, []string{"A=1", "B="}))
	assert.Equal(t, []string{"CHAIM_TOKEN=other"}, Child([]string{"CHAIM_TOKEN=t"}, []string{"CHAIM_TOKEN=other"}))
}

func TestBlank(t *testing.T) {
	environ := []string{"AWS_ACCESS_KEY_ID=AKIA", "AWS_SECRET_KEY=", "AWS_PROFILE=prod", "EC2_ACCESS_KEY=x", "AWS_ACCOUNT_ID=9", "HOME=/"}
	assert.Equal(t, []string{"AWS_ACCESS_KEY_ID", "AWS_ACCOUNT_ID", "EC2_ACCESS_KEY"}, Keys(environ))
	assert.Equal(t, []string{"AWS_ACCESS_KEY_ID=", "EC2_ACCESS_KEY="}, Blank(environ, []string{"AWS_ACCOUNT_ID=1"}))
}

func TestUnnamed(t *testing.T) {
	assert.Empty(t, Unnamed([]string{"AWS_DEFAULT_PROFILE=prod"}))
	assert.Equal(t, []string{"AWS_PROFILE=", "AWS_DEFAULT_PROFILE=prod"}, Unnamed([]string{"AWS_PROFILE=prod"}))
	assert.Equal(t, []string{"AWS_PROFILE="}, Unnamed([]string{"AWS_PROFILE=prod", "AWS_DEFAULT_PROFILE=dev"}))
}

func TestState(t *testing.T) {
	environ := []string{"HOME=/", "AWS_PROFILE=a", "AWS_CONFIG_FILE=c"}
	assert.Equal(t, State(environ), State(append([]string{"TERM=x"}, environ...)))
	for _, changed := range []string{"AWS_PROFILE=b", "AWS_CONFIG_FILE=d", "AWS_SESSION_TOKEN=t", "AWS_CONTAINER_CREDENTIALS_FULL_URI=u"} {
		assert.NotEqual(t, State(environ), State(append(environ, changed)))
	}
}

func TestFile(t *testing.T) {
	assert.Equal(t, []string{"AWS_SHARED_CREDENTIALS_FILE=/f"}, ofFile("/f", true, false))
	assert.Equal(t, []string{"AWS_SHARED_CREDENTIALS_FILE=/f", "AWS_CREDENTIAL_PROFILES_FILE=/f", "AWS_SDK_LOAD_CONFIG=1"}, ofFile("/f", false, true))
	assert.Contains(t, ofFile("/f", false, false), "AWS_CONFIG_FILE="+os.DevNull)
}

func TestDirect(t *testing.T) {
	proxy := "HTTP_PROXY=http://proxy.example:3128"
	for name, tt := range map[string]struct{ environ, want []string }{
		"no proxy":         {[]string{"NO_PROXY=a.example"}, nil},
		"proxy for https":  {[]string{"HTTPS_PROXY=http://proxy.example:3128"}, nil},
		"no exception":     {[]string{proxy}, []string{"NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1"}},
		"one of the two":   {[]string{proxy, "no_proxy=a.example"}, []string{"NO_PROXY=a.example,127.0.0.1", "no_proxy=a.example,127.0.0.1"}},
		"both":             {[]string{"all_proxy=socks5://p:1", "NO_PROXY=a", "no_proxy=b"}, []string{"NO_PROXY=a,127.0.0.1", "no_proxy=b,127.0.0.1"}},
		"excepted already": {[]string{proxy, "NO_PROXY=a, 127.0.0.1", "no_proxy=*"}, []string{"NO_PROXY=a, 127.0.0.1", "no_proxy=*"}},
		"the last counts":  {[]string{proxy, "NO_PROXY=a", "NO_PROXY="}, []string{"NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1"}},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, tt.want, Direct(tt.environ)) })
	}
}

func TestVariablesAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/tools.md")
	require.NoError(t, err)
	for _, name := range slices.Concat(keys, places, []string{GatewayToken, lentMark}) {
		assert.Contains(t, string(page), "`"+name+"`")
	}
}
