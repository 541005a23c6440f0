// Package awsenv knows the environment variables from which AWS SDKs and tools take credentials. It makes environments in
// which only lent credentials count. A test compares its lists with docs/tools.md.
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

// keys are variables that some SDK or tool prefers to lent keys, or combines with them. For all of them an empty value means
// none. A name that ends with _ stands for all names that begin with it.
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

// places are variables that name a place with keys. Some SDKs take an empty value for a name.
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

// GatewayToken is the variable with the user token. The token opens every account of the user for weeks, and many programs
// log their environment, so children do not get it.
const GatewayToken = "CHAIM_TOKEN"

// lentMark is the variable that marks keys in the environment, or a server of keys, as lent by chaim. See [Mark].
const lentMark = "CHAIM_LENT"

// Mark returns the variable that marks lent keys. id is the access key id, or the URL of the server that lends them. The
// mark holds for this id only, so keys that replace the lent ones are not marked.
func Mark(id string) string {
	sum := sha256.Sum256([]byte(id))
	return lentMark + "=" + hex.EncodeToString(sum[:8])
}

// IsMarked reports whether environ marks the keys or the server with this id as lent.
func IsMarked(environ []string, id string) bool {
	return id != "" && lentMark+"="+valueOf(environ, lentMark) == Mark(id)
}

// Child returns environ, each NAME=value, without variables that lead to credentials, and with lent. A variable of lent
// replaces one with the same name; an empty value only removes it.
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

// WithoutToken returns environ without the user token of a gateway.
func WithoutToken(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(variable string) bool { return same(GatewayToken, nameOf(variable)) })
}

// Blank returns an empty value for each variable of environ that SDKs prefer to lent. Append the result to both.
func Blank(environ, lent []string) (blank []string) {
	for _, name := range Keys(environ) {
		if !has(lent, name) {
			blank = append(blank, name+"=")
		}
	}
	return blank
}

// Keys returns the names of the variables in environ that SDKs prefer to a profile, sorted. Empty variables do not count.
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

// State returns the variables of environ that decide which keys an SDK uses, as one text to compare. It may hold keys.
func State(environ []string) string {
	return strings.Join(slices.DeleteFunc(slices.Clone(environ), func(variable string) bool {
		name := nameOf(variable)
		return !isIn(keys, name) && !isIn(places, name) && !same(name, configFile)
	}), "\n")
}

// OfKeys returns the variables that make SDKs use these keys. It marks the keys as lent.
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

// noProfile is the name of a profile that does not exist. A child without a profile might use the keys of another account.
const noProfile = "no-profile-of-chaim"

// OfProfile returns the variables that make SDKs use a profile of the credentials file at path. With an empty profile they
// make SDKs find no credentials. region and path may be empty.
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

// ofFile returns the variables that make SDKs read this credentials file. If it is not in its usual place, some SDKs need
// more than one variable. The SDK for JavaScript v2 then fails without a config file, so it gets an empty one if there is
// none.
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

// Unnamed returns variables that make SDKs use keys in variables instead of the profile that environ names. Append them to
// both. The SDK for JavaScript v3 prefers the profile of AWS_PROFILE to keys, so AWS_PROFILE becomes empty. botocore prefers
// keys, but fails if AWS_PROFILE is empty. It reads AWS_DEFAULT_PROFILE first, so that gets the name.
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

// NoFile returns the variables that make SDKs find no keys in files, because they prefer those to a container's keys. The
// files are the credentials file, and the boto 2 files, which botocore reads too.
func NoFile() []string {
	return []string{
		credentialsFile + "=" + os.DevNull, javaFile + "=" + os.DevNull, botoConfig + "=" + os.DevNull, loadConfig + "=1",
	}
}

// loopback is the host that SDKs must ask without a proxy.
const loopback = "127.0.0.1"

// Direct returns variables that make SDKs ask this machine for keys without the proxies of environ, as the SDK for Rust
// would use them. They keep the exceptions that environ has already.
func Direct(environ []string) []string {
	isProxied := false
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"} {
		isProxied = isProxied || valueOf(environ, name) != ""
	}
	if !isProxied { // a NO_PROXY alone would make Python ignore the proxies of macOS
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

// valueOf returns the value that a program sees: if a name occurs more than once, the last one counts.
func valueOf(environ []string, name string) (value string) {
	for _, variable := range environ {
		if n, v, _ := strings.Cut(variable, "="); same(n, name) {
			value = v
		}
	}
	return value
}
