package gatewayapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/gateway"
	"github.com/chaim-go/chaim/internal/httpx"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/partition"
)

// ask is a request for keys.
type ask struct {
	Account string `json:"account"`
	Role    string `json:"role"`
	Seconds int    `json:"durationSeconds"`
}

// lent are the keys in a reply. They must not be printed.
type lent struct {
	Issue      string    `json:"issue"`
	Account    account   `json:"account"`
	Role       string    `json:"role"`
	ID         string    `json:"accessKeyId"`
	Secret     string    `json:"secretAccessKey"`
	Token      string    `json:"sessionToken"`
	Expiration time.Time `json:"expiration"`
	Cap        string    `json:"cap"`
}

// Format prints the issue, whatever the verb.
func (l lent) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "keys of issue %q", l.Issue) }

// Keys asks for keys. It asks by the account's id if that is known. The grant has the gateway's own name for the account.
func (c *Client) Keys(ctx context.Context, r keys.Request) (keys.Grant, error) {
	if err := keys.Check(r); err != nil {
		return keys.Grant{}, err
	}
	asked := ask{Account: cmp.Or(r.ID(), r.Account), Role: r.Role, Seconds: int(r.Duration / time.Second)}
	if parsed, err := arn.Parse(r.Role); err == nil {
		if id := r.ID(); id != "" && parsed.AccountID != id {
			return keys.Grant{}, fmt.Errorf("chaim: role %s is not one of account %s", quoted(r.Role), id)
		}
		asked.Role = r.Role[strings.LastIndexByte(r.Role, '/')+1:] // the gateway knows no ARNs
	}
	var got lent
	names := []string{asked.Account, asked.Role, r.Account, r.Role}
	a, err := c.call(ctx, question{method: http.MethodPost, path: "credentials", body: asked, names: names}, &got)
	if err != nil {
		return keys.Grant{}, err
	}
	if err := c.check(ctx, r, asked, got); err != nil {
		return keys.Grant{}, err
	}
	expires, err := keys.ExpirationHere(got.Expiration, a.date, a.sent, r.Duration, c.Log)
	if err == nil {
		err = keys.CheckLifetime(time.Until(expires), r.Duration)
	}
	if err != nil {
		return keys.Grant{}, err
	}
	if got.Cap != "" {
		words := httpx.Redaction{Limit: httpx.MaxText, Secrets: []string{c.Token, got.Secret, got.Token}, Local: names}
		c.Log.Info("chaim: the gateway shortens the keys", "why", words.Of(got.Cap))
	}
	return keys.Grant{
		Credentials: aws.Credentials{
			AccessKeyID: got.ID, SecretAccessKey: got.Secret, SessionToken: got.Token, CanExpire: true, Expires: expires, AccountID: got.Account.ID,
		},
		Account: got.Account.Name, Role: r.Role, Region: r.Region, Duration: r.Duration, Received: time.Now(),
	}, nil
}

// check refuses keys that are not the requested ones: the user's work would reach another account, or run with other rights.
func (c *Client) check(ctx context.Context, r keys.Request, asked ask, got lent) error {
	if field := keys.Malformed(got.ID, got.Secret, got.Token); field != "" {
		return badReply(field + " of the reply is missing or malformed")
	}
	id := got.Account.ID
	switch {
	case got.Expiration.IsZero():
		return badReply("expiration of the reply is missing or is no time")
	case !keys.IsAccountID(id):
		return badReply("account of the reply has no 12-digit id")
	case r.ID() != "" && id != r.ID():
		return finalReply(fmt.Sprintf("reply has keys for another account, %s, not for %s", id, r.ID()))
	case r.ID() == "" && !strings.EqualFold(got.Account.Name, r.Account):
		return finalReply(fmt.Sprintf("reply has keys for account %s (%s), not for %s; ask by the id", quoted(got.Account.Name), id, quoted(r.Account)))
	}
	if parsed, err := arn.Parse(r.Role); err == nil && parsed.AccountID != id {
		return finalReply(fmt.Sprintf("reply has keys for account %s, but role %s is of another", id, quoted(r.Role)))
	}
	return c.checkRole(ctx, id, asked.Role, got.Role)
}

// checkRole refuses keys of another role. A reply names the role as the policy does, and a request may name it as AWS does.
// If the two differ, the gateway's list of roles must show that they are one.
func (c *Client) checkRole(ctx context.Context, id, asked, got string) error {
	common := func(role string) string { return partition.RoleName(strings.ToLower(role)) }
	if got == "" {
		return badReply("role of the reply is missing")
	}
	if strings.EqualFold(common(asked), common(got)) {
		return nil
	}
	roles, err := c.roles(ctx, id)
	if err != nil {
		return err
	}
	isOne := func(r role) bool {
		return strings.EqualFold(r.Alias, got) && strings.EqualFold(r.AWS, asked) || strings.EqualFold(r.AWS, got) && strings.EqualFold(r.Alias, asked)
	}
	if slices.ContainsFunc(roles, isOne) {
		return nil
	}
	return finalReply(fmt.Sprintf("reply has keys of role %s, not of %s", quoted(got), quoted(asked)))
}

// noLink are the refusals after which there can be no console link for these keys.
var noLink = []string{"not_ours", "not_allowed", "refused_by_sts"}

// ConsoleURL asks for a console link for keys that the gateway has issued.
func (c *Client) ConsoleURL(ctx context.Context, creds aws.Credentials, account string) (string, error) {
	body := struct {
		ID     string `json:"accessKeyId"`
		Secret string `json:"secretAccessKey"`
		Token  string `json:"sessionToken"`
	}{creds.AccessKeyID, creds.SecretAccessKey, creds.SessionToken}
	var reply struct {
		URL string `json:"url"`
	}
	q := question{
		method: http.MethodPost, path: "console-links", body: body, secrets: []string{creds.SecretAccessKey, creds.SessionToken}, names: []string{account},
	}
	_, err := c.call(ctx, q, &reply)
	refusal := (*httpx.Refusal)(nil)
	switch {
	case errors.As(err, &refusal) && slices.Contains(noLink, refusal.Kind):
		return "", errtext.Because(keys.ErrNoURL, err)
	case err != nil:
		return "", err
	case reply.URL == "":
		return "", fmt.Errorf("%w: gateway %s could not make one", keys.ErrNoURL, c.URL)
	case !gateway.IsConsoleURL(reply.URL):
		return "", badReply("reply has no https link")
	}
	return reply.URL, nil
}
