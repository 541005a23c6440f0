package chaim

import (
	"os"

	"github.com/chaim-go/chaim/internal/awsenv"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// noProfile is the name of a profile that is not there: a child without one would act on whatever account it finds.
const noProfile = "no-profile-of-chaim"

// ChildEnviron returns environ, each "NAME=value", for a child process that is to have no other credentials than those of
// the client: without the variables that some SDK or tool prefers to them, or combines with them, and with what is lent.
// That is what [Client.Environ] says. CHAIM_TOKEN, a secret that opens more, is left out too: append it for a child that uses
// the gateway itself. Set an exec.Cmd's Env to ChildEnviron(os.Environ()).
//
// Nil gives only what is lent. Files and settings of a tool's own may still win: docs/tools.md tells which. Before
// [Client.RequestKeys] has succeeded the child finds no credentials. The result holds keys with [Options].NoProfile only.
func (c *Client) ChildEnviron(environ []string) []string { return awsenv.Child(environ, c.lent()) }

// Environ returns what makes a child process use the profile, each "NAME=value": AWS_PROFILE, AWS_DEFAULT_PROFILE (which
// boto3 prefers), AWS_REGION, AWS_DEFAULT_REGION and AWS_SHARED_CREDENTIALS_FILE, for SDKs that do not heed that one
// AWS_CREDENTIAL_PROFILES_FILE and AWS_SDK_LOAD_CONFIG where the file is not in its usual place, and an empty value for each
// variable of this process that would win over them. It holds no keys, except with [Options].NoProfile, where it is
// [AwsCreds.Environ] of the current set. Append it to os.Environ() for an exec.Cmd, or better use [Client.ChildEnviron],
// which takes the others away.
func (c *Client) Environ() []string {
	env := c.lent()
	if creds := c.Creds(); creds.AccessKeyID != "" && c.opts.NoProfile {
		return creds.Environ()
	}
	return append(env, awsenv.Blank(os.Environ(), env)...)
}

// lent are the variables that lead a child to the client's credentials.
func (c *Client) lent() []string {
	if c == nil || c.opts == nil { // a zero Client has nothing to lend
		return []string{"AWS_PROFILE=" + noProfile, "AWS_DEFAULT_PROFILE=" + noProfile}
	}
	if creds := c.Creds(); c.opts.NoProfile && creds.AccessKeyID != "" {
		return creds.lent()
	}
	profile := noProfile
	if !c.opts.NoProfile && c.latest.Load() != nil {
		profile = c.Profile()
	}
	env := []string{
		"AWS_PROFILE=" + profile,
		"AWS_DEFAULT_PROFILE=" + profile,
		"AWS_REGION=" + c.opts.Region,
		"AWS_DEFAULT_REGION=" + c.opts.Region,
	}
	path := c.own().Path
	return append(env, awsenv.File(path, sharedfile.IsUsual(path), hasConfig())...)
}

// hasConfig reports whether there is an AWS config file.
func hasConfig() bool {
	path, err := sharedfile.ConfigPath()
	if err == nil {
		_, err = os.Stat(path)
	}
	return err == nil
}
