package remote

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/aws/smithy-go"

	"github.com/chaim-go/chaim/internal/errtext"
)

// foreign is an error of a provider that is not chaim's. Callers can test for what they know of it, but nothing that
// walks through causes or prints them comes to its text, which may quote what the provider read, keys included.
type foreign struct {
	text string
	err  error
}

// Foreign makes the error of a provider that is not chaim's fit for errors and logs. Nil stays nil.
func Foreign(err error) error {
	if err == nil {
		return nil
	}
	text := errtext.Unprefixed(err)
	if before, _, isQuoting := strings.Cut(text, "output:"); isQuoting { // of a credential_process
		text = before + "[output]"
	}
	text = redaction{limit: maxSDKText, local: localNames(err, text), isQuoted: true}.of(text)
	return &foreign{"chaim: " + text, err}
}

// scrubSDK is [scrub] for texts of the AWS SDK, which name with ARNs who asked for what.
func scrubSDK(text string, secrets ...string) string { return scrub(text, maxSDKText, secrets...) }

func (e *foreign) Error() string              { return e.text }
func (e *foreign) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, e.text) }
func (e *foreign) Is(target error) bool       { return errors.Is(e.err, target) }

func (e *foreign) As(target any) bool {
	if _, isReply := target.(**smithy.DeserializationError); isReply {
		return false // it holds the reply
	}
	return errors.As(e.err, target)
}
