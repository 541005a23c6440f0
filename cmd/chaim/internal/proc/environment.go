package proc

import (
	"errors"
	"os"
	"strconv"

	"github.com/chaim-go/chaim/internal/awsenv"
)

// nestingVariable counts the chaims that wait for each other: a profile may have chaim as its credential_process.
const nestingVariable = "CHAIM_NESTING"

const maxNesting = 4

// CountNesting refuses to run too deep: a credential_process that needs its own profile would start itself for ever.
func CountNesting() error {
	n, _ := strconv.Atoi(os.Getenv(nestingVariable))
	if n >= maxNesting {
		return errors.New("chaim: the credential_process that this is seems to need its own keys to ask AWS STS: name the profile that signs in AWS_PROFILE, or set up a gateway")
	}
	return os.Setenv(nestingVariable, strconv.Itoa(n+1))
}

// Environ returns the environment of a program that is lent the variables in lent, each NAME=value. It has no other way to
// keys, and nothing that a chaim around this one said of its account. The token of the gateway is passed on if passGateway
// is set.
func Environ(lent []string, passGateway bool) []string {
	lent = append(lent, nestingVariable+"=", "CHAIM_ACCOUNT=", "CHAIM_ACCOUNT_ID=", "CHAIM_ROLE=")
	if passGateway {
		lent = append(lent, awsenv.GatewayToken+"="+os.Getenv(awsenv.GatewayToken))
	}
	return awsenv.Child(os.Environ(), lent)
}
