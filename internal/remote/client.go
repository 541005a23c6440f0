package remote

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
	"github.com/chaim-go/chaim/internal/humantime"
	"github.com/chaim-go/chaim/internal/lazyregexp"
	"github.com/chaim-go/chaim/internal/pyrepr"
)

const userAgent = "chaim-go/0.1.0"

// Gateway asks one chaim gateway. Its errors are a [*Refusal], or tell why no reply came.
type Gateway struct {
	URL                  string // ends in a slash
	Username, Token      string
	SlackID, WorkspaceID string // optional
	HTTP                 *http.Client
	Log                  *slog.Logger
}

// GatewayKeys are keys of a gateway, and what it says of them.
type GatewayKeys struct {
	Creds       aws.Credentials // end by the clock of this machine; with the id of the account, where the gateway tells
	Account     string          // the gateway's name for it, which may be anything
	Role        string          // by its name, alias or ARN, as the gateway tells it; may be empty
	ExpiresText string          // its words for the expiration, may be empty
	ConsoleURL  string          // signed-in console link, may be empty
}

// GatewayAccount is an AWS account that a gateway knows.
type GatewayAccount struct{ ID, Name string }

// KeyRequest is what keys are asked for.
type KeyRequest struct {
	Account   string        // full name or 12-digit id
	AccountID string        // the id, where it is known of a name; else empty
	Role      string        // name or alias
	Duration  string        // in the form that gateways take
	Lifetime  time.Duration // the same
	Region    string        // in which the keys are to be used
}

// Keys asks for credentials, by the id of the account where that is known, or where its name could be misread.
func (g *Gateway) Keys(ctx context.Context, r KeyRequest) (keys GatewayKeys, err error) {
	account := cmp.Or(r.AccountID, r.Account)
	if r.AccountID == "" && !IsAccountID(account) && !canAskByName(account) {
		if account, err = g.findAccount(ctx, account); err != nil {
			return GatewayKeys{}, err
		}
		r.AccountID = account
	}
	role := r.Role
	if arn.IsARN(role) { // which gateways do not take
		role = roleName(role)
	}
	reply, err := g.call(ctx, "", g.form(strings.Join([]string{account, role, r.Duration}, ",")))
	if err != nil {
		return GatewayKeys{}, err
	}
	if keys, err = parseKeys(reply.Dict); err != nil {
		return GatewayKeys{}, err
	}
	keys.Creds.Expires, err = ExpirationHere(keys.Creds.Expires, reply.date, reply.sent, r.Lifetime, g.Log)
	if err == nil {
		err = r.check(keys)
	}
	if err == nil && !r.isFor(keys) {
		err = g.checkName(ctx, r, keys)
	}
	if err != nil {
		return GatewayKeys{}, err
	}
	keys.Creds.AccountID = cmp.Or(keys.Creds.AccountID, r.id())
	return keys, nil
}

// ReadKeys takes keys out of a gateway's reply to such a request, or out of the text in one, for which another program has
// asked. The error does not hold the secret.
func ReadKeys(text []byte, r KeyRequest, secret string, log *slog.Logger) (GatewayKeys, error) {
	if len(text) > maxReplySize {
		return GatewayKeys{}, badReply(fmt.Sprintf("reply is larger than %d bytes", maxReplySize))
	}
	dict, err := parseText(string(text))
	if key, _ := dict.Get("accesskeyid"); err != nil || key == nil {
		if dict, err = parseReply(&http.Response{StatusCode: http.StatusOK}, text, redaction{limit: maxText, secrets: []string{secret}, local: []string{r.Account, r.Role}}); err != nil {
			return GatewayKeys{}, err
		}
	}
	keys, err := parseKeys(dict)
	if err != nil {
		return GatewayKeys{}, err
	}
	keys.Creds.Expires, err = ExpirationHere(keys.Creds.Expires, time.Time{}, time.Now(), 0, log)
	if err == nil {
		err = r.check(keys)
	}
	switch {
	case err != nil:
		return GatewayKeys{}, err
	case !r.isFor(keys):
		return GatewayKeys{}, finalReply("reply has keys for another account, or does not say for which")
	}
	keys.Creds.AccountID = cmp.Or(keys.Creds.AccountID, r.id())
	return keys, nil
}

// Accounts asks for the accounts that the gateway knows. Rows may have further columns, in any order: 12 digits are the id, and
// the text after them, or else the one before, is the name. A row without an id is passed over; one without a name has an empty
// one, as its account can be asked for by id.
func (g *Gateway) Accounts(ctx context.Context) ([]GatewayAccount, error) {
	reply, err := g.call(ctx, "", g.form("--list"))
	if err != nil {
		return nil, err
	}
	list, _ := reply.Get("accountlist")
	items, ok := sequence(list)
	if !ok {
		return nil, badReply("reply has no account list")
	}
	accounts := make([]GatewayAccount, 0, len(items))
	for i, item := range items {
		account, isAccount := accountOf(item)
		if !isAccount {
			g.Log.Warn("chaim: the gateway's list of accounts has a row without an id, which is passed over", "row", i+1)
			continue
		}
		accounts = append(accounts, account)
	}
	if len(accounts) == 0 && len(items) > 0 {
		return nil, badReply("account list has no row with an id")
	}
	return accounts, nil
}

// accountOf reads a row of the account list.
func accountOf(row any) (a GatewayAccount, isAccount bool) {
	fields, _ := sequence(row)
	at := idIn(fields)
	if at < 0 && len(fields) == 2 { // whatever the gateway takes for ids
		id, isID := fields[0].(string)
		name, isName := plainText(fields[1])
		return GatewayAccount{id, name}, isID && isName && name != ""
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

// idIn returns where in a row of the account list the id stands: as a text of 12 digits or else as the largest number that
// can be one. Small numbers are others, such as those of rows. It is -1 where there is none.
func idIn(fields []any) int {
	at, largest := -1, int64(1e8)
	for i, field := range fields {
		text, isText := plainText(field)
		if isText && IsAccountID(text) {
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
		"useragent": {strings.Replace(userAgent, "/", " ", 1)},
	}
	reply, err := g.call(ctx, "gui", form, creds.SecretAccessKey, creds.SessionToken)
	if err != nil {
		return "", err
	}
	value, _ := reply.Get("url") // missing, or something else than a link, where there is none
	link, isText := plainText(value)
	if !isText || slices.Contains([]string{"", "notset", "None", "False", "null", "false"}, link) {
		return "", fmt.Errorf("%w: gateway %s could not make one", ErrNoURL, g.URL)
	}
	if !isConsoleURL(link) {
		return "", badReply("reply has no https link")
	}
	return link, nil
}

func (g *Gateway) form(text string) url.Values {
	form := url.Values{
		"text":         {text},
		"user_name":    {g.Username},
		"token":        {g.Token},
		"response_url": {"ignoreme"},
		"useragent":    {strings.Replace(userAgent, "/", " ", 1)},
	}
	if g.SlackID != "" {
		form.Set("user_id", g.SlackID)
	}
	if g.WorkspaceID != "" {
		form.Set("team_id", g.WorkspaceID)
	}
	return form
}

// gatewayReply is what a gateway answers with.
type gatewayReply struct {
	pyrepr.Dict
	sent time.Time // when it was asked
	date time.Time // what the gateway's clock said then; zero if it did not
}

// call posts a form and returns the gateway's reply. What may pass is tried again, unless ctx asks for a single attempt;
// refusals are not. secrets are never in the error.
func (g *Gateway) call(ctx context.Context, path string, form url.Values, secrets ...string) (r gatewayReply, err error) {
	secrets = append(secrets, g.Token)
	err = persist(ctx, g.Log, g.URL, func(ctx context.Context) error {
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
	req.Header.Set("User-Agent", userAgent)

	r.sent = time.Now()
	resp, body, err := exchange(ctx, g.HTTP, req, g.Token)
	if err != nil {
		return r, errtext.Wrap(err, "asking gateway %s", g.URL)
	}
	r.date, _ = http.ParseTime(resp.Header.Get("Date"))
	asked := append(strings.Split(form.Get("text"), ","), form.Get("account"), g.Username)
	r.Dict, err = parseReply(resp, body, redaction{limit: maxText, secrets: secrets, local: asked})
	return r, err
}

var accountIDRule = lazyregexp.New(`^[0-9]{12}$`)

// IsAccountID reports whether a text is the id of an AWS account.
func IsAccountID(text string) bool { return accountIDRule().MatchString(text) }

// parseKeys takes all of a set of keys out of a reply, or none of it.
func parseKeys(reply pyrepr.Dict) (GatewayKeys, error) {
	keys := GatewayKeys{
		Creds: aws.Credentials{
			AccessKeyID:     stringAt(reply, "accesskeyid"),
			SecretAccessKey: stringAt(reply, "secretkey"),
			SessionToken:    stringAt(reply, "sessiontoken"),
			CanExpire:       true,
		},
		Account:     stringAt(reply, "sectionname"),
		ExpiresText: stringAt(reply, "expiresstr"),
	}
	if field := MalformedKeys(keys.Creds.AccessKeyID, keys.Creds.SecretAccessKey, keys.Creds.SessionToken); field != "" {
		return GatewayKeys{}, badReply(field + " of the reply is missing or malformed")
	}
	value, _ := reply.Get("expires")
	unix, ok := humantime.UnixSeconds(value)
	if !ok {
		return GatewayKeys{}, badReply("expires of the reply is missing or is not a time in Unix seconds")
	}
	keys.Creds.Expires = time.Unix(unix, 0)

	var isText, isID bool
	value, _ = reply.Get("role")
	if keys.Role, isText = plainText(value); !isText {
		return GatewayKeys{}, badReply("role of the reply is no text")
	}
	value, _ = reply.Get("accountid")
	if keys.Creds.AccountID, isID = accountIDOf(value); !isID {
		return GatewayKeys{}, badReply("accountid of the reply is no account id")
	}
	if role, err := arn.Parse(keys.Role); err == nil && keys.Creds.AccountID == "" && IsAccountID(role.AccountID) {
		keys.Creds.AccountID = role.AccountID
	}
	value, _ = reply.Get("url")
	if link, _ := plainText(value); isConsoleURL(link) {
		keys.ConsoleURL = link
	}
	return keys, nil
}

func isConsoleURL(link string) bool {
	u, err := url.Parse(link)
	return err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil && !strings.ContainsFunc(link, func(r rune) bool { return r <= 0x20 || r > 0x7e })
}
