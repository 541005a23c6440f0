package main

import (
	"os"
	"slices"
	"strings"
)

// credentialVariables decide which credentials an SDK or the AWS CLI takes.
// https://docs.aws.amazon.com/sdkref/latest/guide/environment-variables.html
var credentialVariables = []string{
	"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SHARED_CREDENTIALS_FILE",
	"AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY",
	"AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_CREDENTIAL_EXPIRATION",
	"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME",
	"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
	"AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
}

// childEnvironment is that of this process with no way to credentials but through add, which is of NAME=value.
func childEnvironment(add []string) []string {
	replaced := slices.Clone(credentialVariables)
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
