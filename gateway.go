package chaim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/pyliteral"
	"github.com/chaim-go/chaim/internal/remote"
)

const (
	version = "0.1.0"

	// API Gateway may take 29 s to its first byte.
	// https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
	attemptTimeout = 35 * time.Second
	attempts       = 3
	retryBase      = 500 * time.Millisecond
	retryLimit     = 5 * time.Second
	maxRetryAfter  = 30 * time.Second // a longer pause is the caller's decision
)

var errAttemptTimeout = fmt.Errorf("no complete reply within %s", attemptTimeout)

// gateway speaks to one chaim gateway.
type gateway struct {
	settings *Settings
	url      string // ends in a slash
	http     *http.Client
	owned    *http.Transport // ours to close, or nil
	log      *slog.Logger
}

func newGateway(s *Settings, where string, opts *Options) (*gateway, error) {
	endpoint, err := s.endpoint(where, opts.AllowInsecure)
	if err != nil {
		return nil, err
	}
	g := &gateway{settings: s, url: endpoint, log: opts.Logger}
	if _, err := s.endpoint(where, false); err != nil { // accepted only for AllowInsecure
		g.log.Warn("chaim: gateway is plain http, so anyone on the way can read the user token", "gateway", endpoint)
	}

	var client http.Client
	if opts.HTTPClient != nil {
		client = *opts.HTTPClient
	} else {
		if g.owned, err = remote.NewTransport(); err != nil {
			return nil, err
		}
		client.Transport = g.owned
	}
	client.CheckRedirect = remote.RefuseRedirect
	g.http = &client
	return g, nil
}

func (g *gateway) close() {
	if g.owned != nil {
		g.owned.CloseIdleConnections()
	}
}

// keys asks for credentials.
func (g *gateway) keys(ctx context.Context, account, role string, d time.Duration) (grant, error) {
	form := g.form(strings.Join([]string{account, role, durationText(d)}, ","))
	reply, err := g.call(ctx, "", form)
	if err != nil {
		return grant{}, err
	}
	keys, err := parseKeys(reply.Dict, account)
	if err != nil {
		return grant{}, err
	}
	keys.creds.Expires, err = expirationHere(keys.creds.Expires, reply.date, reply.sent, d, g.log)
	return keys, err
}

// accounts asks for the accounts that the gateway knows.
func (g *gateway) accounts(ctx context.Context) ([]Account, error) {
	reply, err := g.call(ctx, "", g.form("--list"))
	if err != nil {
		return nil, err
	}
	list, _ := reply.Get("accountlist")
	items, ok := remote.Sequence(list)
	if !ok {
		return nil, badReply("reply has no account list")
	}
	accounts := make([]Account, 0, len(items))
	for _, item := range items {
		fields, _ := remote.Sequence(item)
		if len(fields) != 2 {
			return nil, badReply("account list has an entry that is not a pair")
		}
		id, isID := fields[0].(string)
		name, isName := fields[1].(string)
		if !isID || !isName {
			return nil, badReply("account list has an entry that is not an id and a name")
		}
		accounts = append(accounts, Account{ID: id, Name: name})
	}
	return accounts, nil
}

// consoleURL asks for a signed-in console link.
func (g *gateway) consoleURL(ctx context.Context, creds AwsCreds, account string) (string, error) {
	form := url.Values{
		"accesskey": {creds.AccessKeyID},
		"secret":    {creds.SecretAccessKey},
		"session":   {creds.SessionToken},
		"duration":  {strconv.Itoa(int(time.Until(creds.Expires).Seconds()))},
		"username":  {g.settings.Username},
		"account":   {account},
		"useragent": {"chaim-go " + version},
	}
	reply, err := g.call(ctx, "gui", form, creds.SecretAccessKey, creds.SessionToken)
	if err != nil {
		return "", err
	}
	link := remote.StringAt(reply.Dict, "url")
	if !isConsoleURL(link) {
		return "", badReply("reply has no https link")
	}
	return link, nil
}

func (g *gateway) form(text string) url.Values {
	form := url.Values{
		"text":         {text},
		"user_name":    {g.settings.Username},
		"token":        {g.settings.UserToken},
		"response_url": {"ignoreme"},
		"useragent":    {"chaim-go " + version},
	}
	if g.settings.SlackID != "" {
		form.Set("user_id", g.settings.SlackID)
	}
	if g.settings.WorkspaceID != "" {
		form.Set("team_id", g.settings.WorkspaceID)
	}
	return form
}

// gatewayReply is what a gateway answers with.
type gatewayReply struct {
	pyliteral.Dict
	sent time.Time // when it was asked
	date time.Time // what the gateway's clock said then; zero if it did not
}

// call posts a form and returns the gateway's reply. What may pass is tried again, unless ctx asks for a single attempt;
// refusals are not. secrets are never in the error.
func (g *gateway) call(ctx context.Context, path string, form url.Values, secrets ...string) (gatewayReply, error) {
	secrets = append(secrets, g.settings.UserToken)
	for n := 0; ; n++ {
		r, err := g.attempt(ctx, path, form, secrets)
		if err == nil {
			return r, nil
		}
		if ctx.Err() != nil {
			return r, errtext.Wrap(context.Cause(ctx), "asking gateway %s", g.url)
		}
		asked := pauseAskedFor(err)
		if asked > maxRetryAfter || isFinal(err) || n+1 == attempts || isSingleAttempt(ctx) {
			return r, err
		}
		pause := max(jittered(retryBase, retryLimit, n, rand.Float64()), asked)
		g.log.Info("chaim: gateway failed, will retry", "gateway", g.url, "pause", pause, "error", err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return r, errtext.Wrap(context.Cause(ctx), "asking gateway %s", g.url)
		}
	}
}

func (g *gateway) attempt(ctx context.Context, path string, form url.Values, secrets []string) (r gatewayReply, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, attemptTimeout, errAttemptTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		return r, errtext.Wrap(err, "asking gateway %s", g.url)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "chaim-go/"+version)

	r.sent = time.Now()
	resp, err := g.http.Do(req)
	if err != nil {
		return r, errtext.Wrap(remote.NetworkError(ctx, err, g.settings.UserToken), "asking gateway %s", g.url)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, remote.MaxReplySize+1))
	if err != nil {
		return r, errtext.Wrap(remote.NetworkError(ctx, err, g.settings.UserToken), "asking gateway %s", g.url)
	}
	r.date, _ = http.ParseTime(resp.Header.Get("Date"))
	r.Dict, err = remote.ParseReply(resp, body, secrets)
	if refusal := (*remote.Refusal)(nil); errors.As(err, &refusal) {
		err = &GatewayError{refusal.StatusCode, refusal.Kind, refusal.Message, refusal.IsFinal, refusal.RetryAfter}
	}
	return r, err
}

// badReply is a reply with the right status and the wrong content.
func badReply(message string) *GatewayError {
	return &GatewayError{StatusCode: http.StatusOK, Message: message}
}

var accountIDRule = regexp.MustCompile(`^[0-9]{12}$`)

// parseKeys takes all of a set of keys out of a reply, or none of it.
func parseKeys(reply pyliteral.Dict, account string) (grant, error) {
	g := grant{creds: AwsCreds{
		AccessKeyID:     remote.StringAt(reply, "accesskeyid"),
		SecretAccessKey: remote.StringAt(reply, "secretkey"),
		SessionToken:    remote.StringAt(reply, "sessiontoken"),
	}}
	if field := g.creds.malformed(); field != "" {
		return grant{}, badReply(field + " of the reply is missing or malformed")
	}
	value, _ := reply.Get("expires")
	unix, ok := remote.UnixSeconds(value)
	if !ok {
		return grant{}, badReply("expires of the reply is missing or is not a time in Unix seconds")
	}
	g.creds.Expires = time.Unix(unix, 0)

	// Keys for another account than the one asked for would send the work there.
	id, _ := reply.Get("accountid")
	if id != nil && accountIDRule.MatchString(account) && id != account {
		return grant{}, badReply("reply has keys for another account")
	}
	if text, _ := id.(string); accountIDRule.MatchString(text) {
		g.accountID = text
	}
	g.account = account
	if name := remote.StringAt(reply, "sectionname"); checkAccount(name) == nil {
		g.account = name
	}
	g.expiresStr = remote.StringAt(reply, "expiresstr")
	if link := remote.StringAt(reply, "url"); isConsoleURL(link) {
		g.url = link
	}
	return g, nil
}

func isConsoleURL(link string) bool {
	u, err := url.Parse(link)
	return err == nil && u.Scheme == "https" && u.Host != "" && !strings.ContainsFunc(link, func(r rune) bool { return r <= 0x20 || r > 0x7e })
}
