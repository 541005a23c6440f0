package main

import (
	"errors"
	"os"
	"strconv"

	"github.com/spf13/cobra"

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

// childEnvironment is that of this process with no way to credentials but through lent, which is of NAME=value. What a
// chaim around this one says of its own account is not passed on either.
func childEnvironment(lent []string, passGateway bool) []string {
	lent = append(lent, nestingVariable+"=", "CHAIM_ACCOUNT=", "CHAIM_ACCOUNT_ID=", "CHAIM_ROLE=")
	if passGateway {
		lent = append(lent, awsenv.GatewayToken+"="+os.Getenv(awsenv.GatewayToken))
	}
	return awsenv.Child(os.Environ(), lent)
}

func addPassGatewayFlag(cmd *cobra.Command, isOn *bool) {
	cmd.Flags().BoolVar(isOn, "pass-gateway", false, "pass on CHAIM_TOKEN, the token of the gateway, for a chaim that CMD runs")
}

// lacksToken reports whether another chaim runs this one, and did not pass on the token of its gateway.
func lacksToken() bool {
	return os.Getenv("CHAIM_ACCOUNT") != "" && os.Getenv(awsenv.GatewayToken) == "" && os.Getenv("CHAIM_URL")+os.Getenv("CHAIM_API") != ""
}

// passGatewayHint is said where that is why there is no gateway.
const passGatewayHint = "the chaim that runs this one did not pass on CHAIM_TOKEN: give 'chaim exec' or 'chaim each' the flag --pass-gateway"
