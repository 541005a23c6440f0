// Package gateway asks a chaim gateway for keys, and checks everything in its replies.
package gateway

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/httpx"
	"github.com/chaim-go/chaim/internal/humantime"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/pyrepr"
)

// Gateway asks one chaim gateway. Its errors are an [*httpx.Refusal], or say why no reply came.
type Gateway struct {
	URL                  string // ends in a slash
	Username, Token      string
	SlackID, WorkspaceID string // optional
	HTTP                 *http.Client
	Log                  *slog.Logger
}

// Keys asks for keys. It asks by the account's id if that is known, or if the gateway could misread the name. The grant has
// the gateway's own name for the account, which may be any text.
func (g *Gateway) Keys(ctx context.Context, r keys.Request) (keys.Grant, error) {
	if err := keys.Check(r); err != nil {
		return keys.Grant{}, err
	}
	return g.ask(ctx, r, r.Duration)
}

// ask gets keys that are valid for lifetime at most; zero allows any lifetime.
func (g *Gateway) ask(ctx context.Context, r keys.Request, lifetime time.Duration) (keys.Grant, error) {
	role, err := formsRole(r)
	if err != nil {
		return keys.Grant{}, err
	}
	asked := r
	account := cmp.Or(r.AccountID, r.Account)
	if r.AccountID == "" && !keys.IsAccountID(account) && !canAskByName(account) {
		id, err := g.findAccount(ctx, account)
		if err != nil {
			return keys.Grant{}, err
		}
		account, r.AccountID = id, id
	}
	reply, err := g.call(ctx, "", g.form(strings.Join([]string{account, role.Name, keys.DurationText(r.Duration)}, ",")))
	if err != nil {
		return keys.Grant{}, err
	}
	got, err := parseKeys(reply.Dict, g.Token)
	if err != nil {
		return keys.Grant{}, err
	}
	got.Expires, err = keys.ExpirationHere(got.Expires, reply.date, reply.sent, lifetime, g.Log)
	if err == nil {
		err = check(r, got, lifetime)
	}
	if err == nil && !isFor(r, got) {
		err = g.checkName(ctx, r, got)
	}
	if err != nil {
		return keys.Grant{}, err
	}
	return granted(asked, got, r.ID()), nil
}

// granted completes a grant from the request. id is the account's id if it is known.
func granted(asked keys.Request, got keys.Grant, id string) keys.Grant {
	got.AccountID = cmp.Or(got.AccountID, id)
	got.Role, got.Region, got.Duration, got.Received = asked.Role, asked.Region, asked.Duration, time.Now()
	return got
}

// ReadKeys returns the keys in a gateway's reply to r, or in the text of such a reply, that another program has received.
// The error does not hold secret.
func ReadKeys(text []byte, r keys.Request, secret string, log *slog.Logger) (keys.Grant, error) {
	if len(text) > httpx.MaxReplySize {
		return keys.Grant{}, badReply(fmt.Sprintf("reply is larger than %d bytes", httpx.MaxReplySize))
	}
	dict, err := parseText(string(text))
	if key, _ := dict.Get("accesskeyid"); err != nil || key == nil {
		words := httpx.Redaction{Limit: httpx.MaxText, Secrets: []string{secret}, Local: []string{r.Account, r.Role}}
		if dict, err = parseReply(&http.Response{StatusCode: http.StatusOK}, text, words); err != nil {
			return keys.Grant{}, err
		}
	}
	got, err := parseKeys(dict, secret)
	if err != nil {
		return keys.Grant{}, err
	}
	got.Expires, err = keys.ExpirationHere(got.Expires, time.Time{}, time.Now(), 0, log)
	if err == nil {
		err = check(r, got, r.Duration)
	}
	switch {
	case err != nil:
		return keys.Grant{}, err
	case !isFor(r, got):
		return keys.Grant{}, finalReply("reply has keys for another account, or does not say for which")
	}
	return granted(r, got, r.ID()), nil
}

// Accounts asks for the accounts that the gateway knows. Rows may have more columns, in any order: 12 digits are the id, and
// the text after them, or else before them, is the name. A row without an id is left out with a warning. A row may lack a
// name, because its account can be requested by id.
func (g *Gateway) Accounts(ctx context.Context) ([]keys.Account, error) {
	reply, err := g.call(ctx, "", g.form("--list"))
	if err != nil {
		return nil, err
	}
	list, _ := reply.Get("accountlist")
	items, ok := sequence(list)
	if !ok {
		return nil, badReply("reply has no account list")
	}
	token := httpx.Redaction{Secrets: []string{g.Token}}
	accounts := make([]keys.Account, 0, len(items))
	for i, item := range items {
		account, isAccount := accountOf(item)
		if !isAccount {
			g.Log.Warn("chaim: the gateway's list of accounts has a row without an id, which is left out", "row", i+1)
			continue
		}
		if token.Holds(account.ID) || token.Holds(account.Name) { // names are shown and stored
			return nil, finalReply("account list repeats the user token")
		}
		accounts = append(accounts, account)
	}
	if len(accounts) == 0 && len(items) > 0 {
		return nil, badReply("account list has no row with an id")
	}
	return accounts, nil
}

// accountOf reads a row of the account list.
func accountOf(row any) (a keys.Account, isAccount bool) {
	fields, _ := sequence(row)
	at := idIn(fields)
	if at < 0 && len(fields) == 2 { // the gateway may have ids of another form
		id, isID := fields[0].(string)
		name, isName := plainText(fields[1])
		return keys.Account{ID: id, Name: name}, isID && isName && name != ""
	}
	if at < 0 {
		return a, false
	}
	a.ID, _ = accountIDOf(fields[at])
	for _, field := range slices.Concat(fields[at+1:], fields[:at]) {
		if name, isText := plainText(field); isText && field != nil {
			a.Name = name
			break
		}
	}
	return a, true
}

// idIn returns the index of the id in a row of the account list: a text of 12 digits, or else the largest number that can be
// an id. Small numbers are no ids but, for instance, row numbers. Without an id it returns -1.
func idIn(fields []any) int {
	at, largest := -1, int64(1e8)
	for i, field := range fields {
		text, isText := plainText(field)
		if isText && keys.IsAccountID(text) {
			return i
		}
		if number, isNumber := field.(int64); isNumber && number >= largest && number < 1e12 {
			at, largest = i, number
		}
	}
	return at
}

// ConsoleURL asks for a signed-in console link.
func (g *Gateway) ConsoleURL(ctx context.Context, creds aws.Credentials, account string) (string, error) {
	form := url.Values{
		"accesskey": {creds.AccessKeyID},
		"secret":    {creds.SecretAccessKey},
		"session":   {creds.SessionToken},
		"duration":  {strconv.Itoa(int(time.Until(creds.Expires).Seconds()))},
		"username":  {g.Username},
		"account":   {account},
		"useragent": {strings.Replace(httpx.UserAgent, "/", " ", 1)},
	}
	reply, err := g.call(ctx, "gui", form, creds.SecretAccessKey, creds.SessionToken)
	if err != nil {
		return "", err
	}
	value, _ := reply.Get("url")
	link, isText := plainText(value)
	if !isText || slices.Contains([]string{"", "notset", "None", "False", "null", "false"}, link) {
		return "", fmt.Errorf("%w: gateway %s could not make one", keys.ErrNoURL, g.URL)
	}
	if !IsConsoleURL(link) {
		return "", badReply("reply has no https link")
	}
	if (httpx.Redaction{Secrets: []string{g.Token, creds.SecretAccessKey, creds.SessionToken}}).Holds(link) {
		return "", finalReply("link of the reply repeats the keys or the user token")
	}
	return link, nil
}

func (g *Gateway) form(text string) url.Values {
	form := url.Values{
		"text":         {text},
		"user_name":    {g.Username},
		"token":        {g.Token},
		"response_url": {"ignoreme"},
		"useragent":    {strings.Replace(httpx.UserAgent, "/", " ", 1)},
	}
	if g.SlackID != "" {
		form.Set("user_id", g.SlackID)
	}
	if g.WorkspaceID != "" {
		form.Set("team_id", g.WorkspaceID)
	}
	return form
}

// gatewayReply is a gateway's reply.
type gatewayReply struct {
	pyrepr.Dict
	sent time.Time // when the request was sent
	date time.Time // the Date header; zero without one
}

// call posts a form and returns the gateway's reply. It repeats failures that may pass, unless ctx asks for a single
// attempt, but no refusals. The error never holds secrets.
func (g *Gateway) call(ctx context.Context, path string, form url.Values, secrets ...string) (r gatewayReply, err error) {
	secrets = append(secrets, g.Token)
	err = httpx.Persist(ctx, g.Log, g.URL, func(ctx context.Context) error {
		r, err = g.attempt(ctx, path, form, secrets)
		return err
	})
	if ctx.Err() != nil && err != nil {
		err = errtext.Wrap(err, "asking gateway %s", g.URL)
	}
	return r, err
}

func (g *Gateway) attempt(ctx context.Context, path string, form url.Values, secrets []string) (r gatewayReply, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		return r, errtext.Wrap(err, "asking gateway %s", g.URL)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", httpx.UserAgent)

	r.sent = time.Now()
	resp, body, err := httpx.Exchange(ctx, g.HTTP, req, g.Token)
	if err != nil {
		return r, errtext.Wrap(err, "asking gateway %s", g.URL)
	}
	r.date, _ = http.ParseTime(resp.Header.Get("Date"))
	asked := append(strings.Split(form.Get("text"), ","), form.Get("account"), g.Username)
	r.Dict, err = parseReply(resp, body, httpx.Redaction{Limit: httpx.MaxText, Secrets: secrets, Local: asked})
	return r, err
}

// parseKeys returns the keys in a reply, complete or not at all. Account and role are the gateway's words, without the keys and
// the user token: names are shown and stored.
func parseKeys(reply pyrepr.Dict, userToken string) (keys.Grant, error) {
	got := keys.Grant{
		Credentials: aws.Credentials{
			AccessKeyID:     stringAt(reply, "accesskeyid"),
			SecretAccessKey: stringAt(reply, "secretkey"),
			SessionToken:    stringAt(reply, "sessiontoken"),
			CanExpire:       true,
		},
		Account: stringAt(reply, "sectionname"),
		Note:    stringAt(reply, "expiresstr"),
	}
	if field := keys.Malformed(got.AccessKeyID, got.SecretAccessKey, got.SessionToken); field != "" {
		return keys.Grant{}, badReply(field + " of the reply is missing or malformed")
	}
	value, _ := reply.Get("expires")
	unix, ok := humantime.UnixSeconds(value)
	if !ok {
		return keys.Grant{}, badReply("expires of the reply is missing or is not a time in Unix seconds")
	}
	got.Expires = time.Unix(unix, 0)

	var isText, isID bool
	value, _ = reply.Get("role")
	if got.Role, isText = plainText(value); !isText {
		return keys.Grant{}, badReply("role of the reply is no text")
	}
	value, _ = reply.Get("accountid")
	if got.AccountID, isID = accountIDOf(value); !isID {
		return keys.Grant{}, badReply("accountid of the reply is no account id")
	}
	if role, err := arn.Parse(got.Role); err == nil && got.AccountID == "" && keys.IsAccountID(role.AccountID) {
		got.AccountID = role.AccountID
	}
	value, _ = reply.Get("url")
	if link, _ := plainText(value); IsConsoleURL(link) {
		got.ConsoleURL = link
	}
	secrets := httpx.Redaction{Secrets: []string{userToken, got.SecretAccessKey, got.SessionToken}}
	if slices.ContainsFunc([]string{got.AccessKeyID, got.Account, got.Role, got.Note, got.ConsoleURL}, secrets.Holds) {
		return keys.Grant{}, finalReply("reply repeats its secrets or the user token as a name")
	}
	return got, nil
}

// IsConsoleURL reports whether a link is an https URL that a browser can open safely.
func IsConsoleURL(link string) bool {
	u, err := url.Parse(link)
	return err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil && !strings.ContainsFunc(link, func(r rune) bool { return r <= 0x20 || r > 0x7e })
}
