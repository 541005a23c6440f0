package main

import (
	"errors"
	"os"
	"strconv"

	"github.com/chaim-go/chaim/internal/awsenv"
)

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

// childEnvironment is that of this process with no way to credentials but through lent, which is of NAME=value.
func childEnvironment(lent []string) []string {
	return awsenv.Child(os.Environ(), append(lent, nestingVariable+"="))
}
