// Package awsenv knows the environment variables from which AWS SDKs and tools take credentials, and makes environments
// in which nothing but what is lent counts. A test keeps its list and docs/tools.md alike.
package awsenv

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// keys are variables that some SDK or tool prefers to lent keys, or combines with them. All take an empty value for none.
// One that ends with _ stands for all that begin like that.
var keys = []string{
	// https://docs.aws.amazon.com/sdkref/latest/guide/feature-static-credentials.html
	"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
	// https://docs.aws.amazon.com/sdkref/latest/guide/feature-account-endpoints.html
	"AWS_ACCOUNT_ID",
	// botocore: https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-envvars.html
	"AWS_CREDENTIAL_EXPIRATION", "AWS_SECURITY_TOKEN",
	// SDK for JavaScript v3: https://github.com/aws/aws-sdk-js-v3/tree/main/packages/credential-provider-env
	"AWS_CREDENTIAL_SCOPE",
	// SDKs for Go and Java v1: https://docs.aws.amazon.com/sdk-for-java/v1/developer-guide/credentials.html
	"AWS_ACCESS_KEY", "AWS_SECRET_KEY",
	// SDK for JavaScript v2: https://docs.aws.amazon.com/AWSJavaScriptSDK/latest/AWS/EnvironmentCredentials.html
	// SDK for Ruby: https://docs.aws.amazon.com/sdk-for-ruby/v3/api/Aws/CredentialProviderChain.html
	"AMAZON_ACCESS_KEY_ID", "AMAZON_SECRET_ACCESS_KEY", "AMAZON_SESSION_TOKEN",
	// Ansible: https://docs.ansible.com/ansible/latest/collections/amazon/aws/docsite/aws_ec2_guide.html
	"EC2_ACCESS_KEY", "EC2_SECRET_KEY", "EC2_SECURITY_TOKEN",
	// https://docs.aws.amazon.com/sdkref/latest/guide/feature-assume-role-credentials.html
	"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME",
	// API keys of a service: https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys-use.html
	"AWS_BEARER_TOKEN_",
}

// places are variables that lead to keys elsewhere. Some SDKs take an empty value for a name.
var places = []string{
	// https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html
	"AWS_PROFILE", "AWS_DEFAULT_PROFILE", credentialsFile,
	// SDK for Java v1: https://docs.aws.amazon.com/sdk-for-java/latest/developer-guide/migration-client-credentials.html
	javaFile,
	// botocore and boto 2: https://boto3.amazonaws.com/v1/documentation/api/latest/guide/credentials.html
	"AWS_CREDENTIAL_FILE",
	// https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
	"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
	"AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
}

const (
	credentialsFile = "AWS_SHARED_CREDENTIALS_FILE"
	configFile      = "AWS_CONFIG_FILE"
	javaFile        = "AWS_CREDENTIAL_PROFILES_FILE"
	// https://docs.aws.amazon.com/AWSJavaScriptSDK/latest/AWS/SharedIniFileCredentials.html
	loadConfig = "AWS_SDK_LOAD_CONFIG"
	botoConfig = "BOTO_CONFIG"
)

// GatewayToken holds the user token of chaim's gateway. That opens every account of the user for weeks, and many programs
// write their environment into logs.
const GatewayToken = "CHAIM_TOKEN"

// lentMark tells of lent keys in the environment, or of the server that lends them, that they are: see [Mark].
const lentMark = "CHAIM_LENT"

// Mark is the variable to be set beside lent keys: id is the access key id, or the URL of the server that lends them. The
// mark is of that id alone, so that it says nothing of other keys that replace them.
func Mark(id string) string {
	sum := sha256.Sum256([]byte(id))
	return lentMark + "=" + hex.EncodeToString(sum[:8])
}

// IsMarked reports whether environ says that what has that id was lent.
func IsMarked(environ []string, id string) bool {
	return id != "" && lentMark+"="+valueOf(environ, lentMark) == Mark(id)
}

// Child returns environ, each NAME=value, with no way to credentials but through lent, which comes after it and replaces
// what has the same name. Of lent an empty value only takes a variable away.
func Child(environ, lent []string) []string {
	env := slices.DeleteFunc(slices.Clone(environ), func(variable string) bool {
		name := nameOf(variable)
		return isIn(keys, name) || isIn(places, name) || same(GatewayToken, name) || same(lentMark, name) || has(lent, name)
	})
	for _, variable := range lent {
		if _, value, _ := strings.Cut(variable, "="); value != "" {
			env = append(env, variable)
		}
	}
	return env
}

// Blank returns an empty value for each variable of environ that would win over lent, to be appended to both.
func Blank(environ, lent []string) (blank []string) {
	for _, name := range Keys(environ) {
		if !has(lent, name) {
			blank = append(blank, name+"=")
		}
	}
	return blank
}

// Keys returns the names of the variables in environ, other than empty ones, that win over a profile, sorted.
func Keys(environ []string) (names []string) {
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		if value != "" && isIn(keys, name) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// State is what environ says of which keys an SDK is to take. It may hold keys.
func State(environ []string) string {
	return strings.Join(slices.DeleteFunc(slices.Clone(environ), func(variable string) bool {
		name := nameOf(variable)
		return !isIn(keys, name) && !isIn(places, name) && !same(name, configFile)
	}), "\n")
}

// OfKeys returns what makes SDKs use these keys. It marks them as lent.
func OfKeys(c aws.Credentials, region string) []string {
	env := []string{
		"AWS_ACCESS_KEY_ID=" + c.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY=" + c.SecretAccessKey,
		"AWS_SESSION_TOKEN=" + c.SessionToken,
		Mark(c.AccessKeyID),
	}
	if region != "" {
		env = append(env, "AWS_REGION="+region, "AWS_DEFAULT_REGION="+region)
	}
	if c.AccountID != "" {
		env = append(env, "AWS_ACCOUNT_ID="+c.AccountID)
	}
	if c.CanExpire {
		env = append(env, "AWS_CREDENTIAL_EXPIRATION="+c.Expires.UTC().Format(time.RFC3339))
	}
	return env
}

// noProfile is the name of a profile that is not there: a child without one would act on whatever account it finds.
const noProfile = "no-profile-of-chaim"

// OfProfile returns what makes SDKs use a profile of the credentials file at path. Where there is no profile, it makes them find
// no credentials. Region and path may be empty.
func OfProfile(profile, region, path string) []string {
	profile = cmp.Or(profile, noProfile)
	env := []string{"AWS_PROFILE=" + profile, "AWS_DEFAULT_PROFILE=" + profile}
	if region != "" {
		env = append(env, "AWS_REGION="+region, "AWS_DEFAULT_REGION="+region)
	}
	if path == "" {
		return env
	}
	return append(env, ofFile(path, IsUsual(path), hasConfig())...)
}

// hasConfig reports whether there is an AWS config file.
func hasConfig() bool {
	path, err := ConfigPath()
	if err == nil {
		_, err = os.Stat(path)
	}
	return err == nil
}

// ofFile returns what makes SDKs read that credentials file. Where it is not in its usual place some need more than one
// variable. The SDK for JavaScript v2 then fails without a config file, so it gets an empty one if there is none.
func ofFile(path string, isUsual, hasConfig bool) []string {
	env := []string{credentialsFile + "=" + path}
	if !isUsual {
		env = append(env, javaFile+"="+path, loadConfig+"=1")
	}
	if !isUsual && !hasConfig {
		env = append(env, configFile+"="+os.DevNull)
	}
	return env
}

// Unnamed returns what keeps SDKs from a profile that environ names, where keys are lent in variables, to be appended to
// both. The SDK for JavaScript v3 prefers the profile of AWS_PROFILE to keys. botocore prefers the keys, but fails if that
// is empty: it gets the name by AWS_DEFAULT_PROFILE, which it reads first.
func Unnamed(environ []string) []string {
	profile := valueOf(environ, "AWS_PROFILE")
	switch {
	case profile == "":
		return nil
	case valueOf(environ, "AWS_DEFAULT_PROFILE") == "":
		return []string{"AWS_PROFILE=", "AWS_DEFAULT_PROFILE=" + profile}
	}
	return []string{"AWS_PROFILE="}
}

// NoFile returns what makes SDKs find no keys in files, which they prefer to a container's: in no credentials file, nor in
// the ones of boto 2, which botocore reads too.
func NoFile() []string {
	return []string{
		credentialsFile + "=" + os.DevNull, javaFile + "=" + os.DevNull, botoConfig + "=" + os.DevNull, loadConfig + "=1",
	}
}

// loopback is the host that must not be asked for through a proxy.
const loopback = "127.0.0.1"

// Direct returns what keeps SDKs that heed the proxies of environ, such as the one for Rust, from asking them for the keys
// of this machine, with what environ excepts from them already.
func Direct(environ []string) []string {
	isProxied := false
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"} {
		isProxied = isProxied || valueOf(environ, name) != ""
	}
	if !isProxied { // a list of exceptions alone has Python pass over the proxies of macOS
		return nil
	}
	upper, lower := valueOf(environ, "NO_PROXY"), valueOf(environ, "no_proxy")
	if upper == "" {
		upper = lower
	}
	if lower == "" {
		lower = upper
	}
	return []string{"NO_PROXY=" + withLoopback(upper), "no_proxy=" + withLoopback(lower)}
}

func withLoopback(list string) string {
	for host := range strings.SplitSeq(list, ",") {
		switch strings.TrimSpace(host) {
		case "*", loopback:
			return list
		}
	}
	if list == "" {
		return loopback
	}
	return list + "," + loopback
}

func nameOf(variable string) string {
	name, _, _ := strings.Cut(variable, "=")
	return name
}

func isIn(list []string, name string) bool {
	return slices.ContainsFunc(list, func(known string) bool {
		return same(known, name) || strings.HasSuffix(known, "_") && len(name) > len(known) && same(known, name[:len(known)])
	})
}

func has(environ []string, name string) bool {
	return slices.ContainsFunc(environ, func(variable string) bool { return same(nameOf(variable), name) })
}

// valueOf is the value that a program sees: of variables with the same name the last one counts.
func valueOf(environ []string, name string) (value string) {
	for _, variable := range environ {
		if n, v, _ := strings.Cut(variable, "="); same(n, name) {
			value = v
		}
	}
	return value
}
