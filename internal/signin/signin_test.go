package signin

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDestination(t *testing.T) {
	console := ConsoleOf("eu-west-1")
	for page, want := range map[string]string{
		"":                          "https://eu-west-1.console.aws.amazon.com/console/home?region=eu-west-1",
		"/":                         "https://eu-west-1.console.aws.amazon.com/",
		"/s3/home?region=eu-west-1": "https://eu-west-1.console.aws.amazon.com/s3/home?region=eu-west-1",
		"/cloudwatch/home#logsV2:log-groups/log-group/$252Faws": "https://eu-west-1.console.aws.amazon.com/cloudwatch/home#logsV2:log-groups/log-group/$252Faws",
		"/@evil.example":                                            "https://eu-west-1.console.aws.amazon.com/@evil.example",
		"/go?to=https://evil.example/":                              "https://eu-west-1.console.aws.amazon.com/go?to=https://evil.example/",
		"https://console.aws.amazon.com":                            "https://console.aws.amazon.com",
		"https://Console.AWS.amazon.com/a%20b":                      "https://Console.AWS.amazon.com/a%20b",
		"https://us-east-1.console.aws.amazon.com/ec2/":             "https://us-east-1.console.aws.amazon.com/ec2/",
		"https://111111111111-x7.us-east-1.console.aws.amazon.com/": "https://111111111111-x7.us-east-1.console.aws.amazon.com/",
	} {
		got, err := console.Destination(page)
		require.NoError(t, err, page)
		assert.Equal(t, want, got)
	}
	for name, page := range map[string]string{
		"plain http":          "http://console.aws.amazon.com/",
		"script":              "javascript:alert(1)//console.aws.amazon.com",
		"opaque":              "https:console.aws.amazon.com/",
		"no scheme":           "console.aws.amazon.com/s3/home",
		"host only":           "//console.aws.amazon.com/",
		"another host":        "//evil.example/",
		"three slashes":       "///evil.example/",
		"elsewhere":           "https://evil.example/console.aws.amazon.com",
		"longer name":         "https://console.aws.amazon.com.evil.example/",
		"longer label":        "https://evilconsole.aws.amazon.com/",
		"empty label":         "https://.console.aws.amazon.com/",
		"trailing dot":        "https://console.aws.amazon.com./",
		"other page of AWS":   "https://signin.aws.amazon.com/",
		"other partition":     "https://console.amazonaws.cn/",
		"user":                "https://console.aws.amazon.com@evil.example/",
		"user here":           "https://evil.example@console.aws.amazon.com/",
		"empty user":          "https://@console.aws.amazon.com/",
		"port":                "https://console.aws.amazon.com:8443/",
		"usual port":          "https://console.aws.amazon.com:443/",
		"backslash":           `https://evil.example\.console.aws.amazon.com/`,
		"backslash in a path": `/\evil.example/`,
		"newline":             "/s3\nhome",
		"escape character":    "/s3#\x1b[31m",
		"delete character":    "/s3?\x7f",
		"space":               "/s3 home",
		"space before":        " https://console.aws.amazon.com/",
		"not ASCII":           "https://\u0441onsole.console.aws.amazon.com/",
		"bad escape":          "/%zz",
		"path":                "s3/home",
		"query":               "?region=eu-west-1",
	} {
		got, err := console.Destination(page)
		assert.Error(t, err, name)
		assert.Empty(t, got, name)
	}
}

func TestRepoint(t *testing.T) {
	console := ConsoleOf("eu-west-1")
	for link, want := range map[string]string{
		"https://signin.aws.amazon.com/federation?Action=login&SigninToken=a%2Bb":                          "https://signin.aws.amazon.com/federation?Action=login&Destination=https%3A%2F%2Fx%2F%3Fy&SigninToken=a%2Bb",
		"https://us-east-1.signin.aws.amazon.com/federation?Destination=a&Action=login&Destination=b&New=": "https://us-east-1.signin.aws.amazon.com/federation?Action=login&Destination=https%3A%2F%2Fx%2F%3Fy&New=",
	} {
		got, err := console.Repoint(link, "https://x/?y")
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	for _, link := range []string{
		"", ":", "http://signin.aws.amazon.com/federation?Action=login", "https://u@signin.aws.amazon.com/federation?Action=login",
		"https://console.aws.amazon.com/federation?Action=login", "https://signin.aws.amazon.com/federation",
	} {
		_, err := console.Repoint(link, "https://x/")
		assert.Error(t, err, link)
	}
}

func TestIsLink(t *testing.T) {
	for _, region := range []string{"eu-west-1", "cn-north-1", "us-gov-west-1", "eusc-de-east-1", "us-iso-east-1"} {
		console := ConsoleOf(region)
		assert.True(t, IsLink(console.Link("a+b", "https://"+console.host+console.home)), region)
	}
	assert.True(t, IsLink("https://us-east-1.signin.aws.amazon.com/federation?SigninToken=x"))
	for _, link := range []string{
		"", ":", "https:signin.aws.amazon.com/federation", "http://signin.aws.amazon.com/federation", "https://evil.example/federation",
		"https://u@signin.aws.amazon.com/federation", "https://signin.aws.amazon.com:8443/federation", "https://signin.aws.amazon.com/",
		"https://signin.aws.amazon.com/oauth?redirect_uri=https://evil.example", "https://signin.aws.amazon.com.evil.example/federation",
		"https://evilsignin.aws.amazon.com/federation", "https://evil.example\\.signin.aws.amazon.com/federation",
		"https://signin.aws.amazon.com/federation?a=\n", "//signin.aws.amazon.com/federation",
	} {
		assert.False(t, IsLink(link), link)
	}
}
