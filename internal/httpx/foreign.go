package httpx

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/keys"
)

// foreign wraps an error of a provider that is not chaim's. Its text may quote what the provider read, keys included, so
// only a redacted text is shown. errors.Is and errors.As still find the cause, but there is no Unwrap to print it by.
type foreign struct {
	text     string
	err      error
	isSingle bool // the source made one attempt, so it may be asked again
}

// Foreign redacts the error of a provider that is not chaim's. names are texts that may look like secrets but are none. Nil
// stays nil.
func Foreign(err error, names []string) error {
	return newForeign(err, names, false)
}

// ForeignOnce is Foreign for a source that makes a single attempt. Other sources have tried again themselves.
func ForeignOnce(err error, names []string) error {
	return newForeign(err, names, true)
}

func newForeign(err error, names []string, isSingle bool) error {
	if err == nil {
		return nil
	}
	text := errtext.Unprefixed(err)
	if before, _, isQuoting := strings.Cut(text, "output:"); isQuoting { // of a credential_process
		text = before + "[output]"
	}
	text = Redaction{Limit: maxForeignText, Local: append(names, NamesIn(err, nil)...), IsQuoted: true}.Of(text)
	return &foreign{"chaim: " + text, err, isSingle}
}

// hasTriedAgain reports whether err comes from a provider that makes its own attempts.
func hasTriedAgain(err error) bool {
	var e *foreign
	return errors.As(err, &e) && !e.isSingle
}

// maxForeignText limits a provider's text in an error. It leaves room for ARNs.
const maxForeignText = 600

// IsFinal reports whether another attempt cannot help, as far as the provider's error tells.
func (e *foreign) IsFinal() bool {
	var told interface{ IsFinal() bool }
	var reply interface{ HTTPStatusCode() int } // the reply to an SDK's provider
	switch {
	case errors.As(e.err, &told):
		return told.IsFinal()
	case errors.As(e.err, &reply):
		return IsFinalStatus(reply.HTTPStatusCode()) && !IsThrottled(e.err)
	}
	return errors.As(e.err, new(*tls.CertificateVerificationError))
}

// RetryAfter returns the pause that the service asks for.
func (e *foreign) RetryAfter() time.Duration {
	var reply *smithyhttp.ResponseError
	if errors.As(e.err, &reply) && reply.Response != nil {
		return PauseIn(reply.HTTPResponse().Header)
	}
	return keys.PauseAskedFor(e.err)
}

func (e *foreign) Error() string              { return e.text }
func (e *foreign) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, e.text) }
func (e *foreign) Is(target error) bool       { return errors.Is(e.err, target) }

func (e *foreign) As(target any) bool {
	if _, isReply := target.(**smithy.DeserializationError); isReply {
		return false // it holds the raw reply
	}
	return errors.As(e.err, target)
}
