package awssts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"

	"github.com/chaim-go/chaim/internal/awsenv"
	"github.com/chaim-go/chaim/internal/awsprofile"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/keys"
)

// processKeys gives the keys that the credential_process of a profile prints. The SDK's own provider would pass on the user
// token of a gateway.
type processKeys struct {
	signer Signer
	source awsprofile.Source
}

// Retrieve runs the process.
func (k processKeys) Retrieve(ctx context.Context) (aws.Credentials, error) {
	builder := processcreds.NewCommandBuilderFunc(func(ctx context.Context) (*exec.Cmd, error) {
		cmd := shell(ctx, k.source.Pairs["credential_process"])
		cmd.Env, cmd.Stdin, cmd.Stderr, cmd.WaitDelay = awsenv.WithoutToken(os.Environ()), os.Stdin, os.Stderr, time.Second
		return cmd, nil
	})
	return k.signer.Retrieve(ctx, awaited{processcreds.NewProviderCommand(builder), k.source.Profile, k.source.Profile})
}

// The SDK begins errors of its cache with ofCache. It says noRole if there are no keys, because it asks EC2 last.
const (
	ofCache = "failed to refresh cached credentials, "
	noRole  = "no EC2 IMDS role found, "
)

// ErrNoKeys means that the AWS SDK found no keys.
var ErrNoKeys = errors.New("chaim: the environment and the AWS files have none, and this machine has no EC2 role")

// inPlainWords replaces the words of an error of the SDK.
func (a awaited) inPlainWords(err error) error {
	text := strings.TrimPrefix(err.Error(), ofCache)
	var exit *exec.ExitError
	isProcess := errors.As(err, new(*processcreds.ProviderError))
	switch {
	case strings.Contains(text, noRole) && a.profile == "":
		return errtext.Chain(ErrNoKeys.Error(), ErrNoKeys, err)
	case strings.Contains(text, noRole):
		return errtext.Chain("chaim: this machine has no EC2 role", err)
	case isProcess && errors.As(err, &exit) && exit.ExitCode() >= 0:
		text = fmt.Sprintf("the command ended with code %d", exit.ExitCode())
	case strings.Contains(text, "parse failed of process output"): // the error quotes the output
		text = "the command printed no JSON document with keys"
	}
	if isProcess {
		text = fmt.Sprintf("credential_process of profile %s: %s", keys.QuoteShort(a.process), strings.TrimPrefix(text, "process provider error: "))
	}
	return errtext.Chain(text, err)
}
