package idp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/oauth2"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/httpx"
)

// maxQuoted bounds what an error repeats of the provider's words.
const maxQuoted = 200

// Kind says who can do something about a sign-in that failed.
type Kind string

// The kinds of problems.
const (
	Away   Kind = "away"   // the provider does not answer: try again later
	Wrong  Kind = "wrong"  // the browser's answer does not belong to this sign-in, or is used up: begin again
	Denied Kind = "denied" // the provider did not sign the person in
	Broken Kind = "broken" // the provider, or its settings here, must be mended
	Unfit  Kind = "unfit"  // what the provider says about the person cannot be used: its administrator must change it
)

// Problem is why a sign-in failed. Its text may be shown to the person and logged: it holds no secret and no reply.
type Problem struct {
	Kind  Kind
	text  string
	cause error
}

func (p *Problem) Error() string { return p.text }

// Unwrap returns the network's or the context's error, if it was one.
func (p *Problem) Unwrap() error { return p.cause }

func wrong(text string) error { return &Problem{Kind: Wrong, text: text} }

func (p *Provider) sentence(text string) string {
	return "identity provider " + p.config.ID + ": " + text
}

func (p *Provider) broken(text string) error { return &Problem{Kind: Broken, text: p.sentence(text)} }

func (p *Provider) unfit(text string) error { return &Problem{Kind: Unfit, text: p.sentence(text)} }

// away is the problem of a request that got no answer. Only known parts of the error are shown.
func (p *Provider) away(ctx context.Context, what string, err error) error {
	err = httpx.NetworkError(ctx, err)
	return &Problem{Kind: Away, text: p.sentence(what + ": " + errtext.Unprefixed(err)), cause: err}
}

// isNetwork reports whether a request got no answer, as far as a library's error tells.
func isNetwork(ctx context.Context, err error) bool {
	var failed *url.Error
	return ctx.Err() != nil || errors.As(err, &failed)
}

// notExchanged is the problem of a code that got no tokens. The error of the library has the reply, so it is not kept.
func (p *Provider) notExchanged(ctx context.Context, err error) error {
	const what = "exchanging the code"
	var refused *oauth2.RetrieveError
	switch {
	case isNetwork(ctx, err):
		return p.away(ctx, what, err)
	case !errors.As(err, &refused) || refused.Response == nil:
		return p.broken(what + ": its answer is not one of a token endpoint")
	case refused.ErrorCode == "invalid_grant":
		return wrong(p.sentence("the code is used up, or belongs to another sign-in: begin again"))
	case refused.ErrorCode == "invalid_client", refused.Response.StatusCode == http.StatusUnauthorized:
		return p.broken("it does not accept oidc.client_id with oidc.client_secret")
	case httpx.IsAway(refused.Response.StatusCode):
		return &Problem{Kind: Away, text: p.sentence(fmt.Sprintf("%s: it answered with status %d", what, refused.Response.StatusCode))}
	}
	return p.broken(fmt.Sprintf("%s: it answered with status %d (%s)", what, refused.Response.StatusCode, code(refused.ErrorCode)))
}

// code is an error code of OAuth as it may be shown. Any other text is only called one.
func code(text string) string {
	isCode := text != "" && len(text) <= 40 && strings.Trim(text, "abcdefghijklmnopqrstuvwxyz_") == ""
	if !isCode {
		return "no error code of OAuth"
	}
	return text
}
