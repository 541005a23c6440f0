package main

import (
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
)

// credentialVariables decide which credentials an SDK or the AWS CLI takes.
// https://docs.aws.amazon.com/sdkref/latest/guide/environment-variables.html
var credentialVariables = []string{
	"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SHARED_CREDENTIALS_FILE",
	"AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY",
	"AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_ACCOUNT_ID", "AWS_CREDENTIAL_EXPIRATION",
	"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME",
	"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
	"AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
}

// nestingVariable counts the commands that wait for another to get their credentials: an AWS SDK runs one where a profile
// has it as its credential_process.
const nestingVariable = "CHAIM_NESTING"

const maxNesting = 4

// countNesting refuses to be one too many, as a profile whose process needs that profile would start it for ever.
func countNesting() error {
	n, _ := strconv.Atoi(os.Getenv(nestingVariable))
	if n >= maxNesting {
		return errors.New("chaim: the credential_process that this is seems to need its own keys to ask AWS STS: name the profile that signs in AWS_PROFILE, or set up a gateway")
	}
	return os.Setenv(nestingVariable, strconv.Itoa(n+1))
}

// childEnvironment is that of this process with no way to credentials but through add, which is of NAME=value.
func childEnvironment(add []string) []string {
	replaced := append(slices.Clone(credentialVariables), nestingVariable)
	for _, variable := range add {
		name, _, _ := strings.Cut(variable, "=")
		replaced = append(replaced, name)
	}
	env := slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return slices.ContainsFunc(replaced, func(r string) bool { return sameVariable(r, name) })
	})
	for _, variable := range add {
		if _, value, _ := strings.Cut(variable, "="); value != "" {
			env = append(env, variable)
		}
	}
	return env
}
