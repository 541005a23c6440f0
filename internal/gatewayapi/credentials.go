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

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/gateway"
	"github.com/chaim-go/chaim/internal/httpx"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/signin"
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
	role, err := gateway.RoleOf(r)
	if err != nil {
		return keys.Grant{}, err
	}
	asked := ask{Account: cmp.Or(r.ID(), r.Account), Seconds: int(r.Duration / time.Second)}
	if asked.Role, err = c.nameFor(ctx, role); err != nil {
		return keys.Grant{}, err
	}
	var got lent
	names := []string{asked.Account, asked.Role, r.Account, r.Role}
	a, err := c.call(ctx, question{method: http.MethodPost, path: "credentials", body: asked, names: names}, &got)
	if err != nil {
		return keys.Grant{}, err
	}
	if err := cmp.Or(check(got), c.checkAccount(r, role, got)); err != nil {
		return keys.Grant{}, err
	}
	if err := c.checkRole(ctx, role, asked.Role, got); err != nil {
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

// nameFor returns the name to ask for a role by. The gateway takes a name for an alias first, so for an ARN it is the alias
// that the gateway's list has for that IAM role.
func (c *Client) nameFor(ctx context.Context, asked gateway.Role) (string, error) {
	if !asked.HasARN() {
		return asked.Name, nil
	}
	roles, err := c.roles(ctx, asked.ARN.AccountID)
	if err != nil {
		return "", err
	}
	found := aliasesOf(roles, asked.Name)
	isNear := func(r role) bool {
		return strings.EqualFold(r.Alias, asked.Name) || strings.EqualFold(r.AWS, asked.Name)
	}
	switch arn := keys.QuoteShort(asked.ARN.String()); {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return "", finalReply(fmt.Sprintf("role %s has the aliases %s there; ask for one of them", arn, c.quoted(strings.Join(found, ", "))))
	case slices.ContainsFunc(roles, isNear):
		return "", finalReply(fmt.Sprintf("it lends you no role %s: what could mean that there is an alias of another role; ask by an alias", arn))
	}
	return asked.Name, nil // which the gateway refuses, and says why
}

// aliasesOf returns the aliases in a list that stand for that IAM role, and for no other.
func aliasesOf(roles []role, name string) (found []string) {
	done := map[string]bool{} // in lower case
	for _, r := range roles {
		if !strings.EqualFold(r.AWS, name) {
			done[strings.ToLower(r.Alias)] = true
		}
	}
	for _, r := range roles {
		if alias := strings.ToLower(r.Alias); !done[alias] {
			done[alias] = true
			found = append(found, r.Alias)
		}
	}
	return found
}

// check refuses keys that are incomplete, or that come with a name which repeats them: names are shown and stored.
func check(got lent) error {
	if field := keys.Malformed(got.ID, got.Secret, got.Token); field != "" {
		return badReply(field + " of the reply is missing or malformed")
	}
	secrets := httpx.Redaction{Secrets: []string{got.Secret, got.Token}}
	switch {
	case slices.ContainsFunc([]string{got.ID, got.Issue, got.Account.Name, got.Role}, secrets.Holds):
		return finalReply("reply repeats its secrets as a name")
	case got.Expiration.IsZero():
		return badReply("expiration of the reply is missing or is no time")
	case !keys.IsAccountID(got.Account.ID):
		return badReply("account of the reply has no 12-digit id")
	case got.Role == "":
		return badReply("role of the reply is missing")
	}
	return nil
}

// checkAccount refuses keys of another account: the user's work would reach that one.
func (c *Client) checkAccount(r keys.Request, role gateway.Role, got lent) error {
	id, asked := got.Account.ID, r.ID()
	switch {
	case asked != "" && id != asked:
		return finalReply(fmt.Sprintf("reply has keys for another account, %s, not for %s", id, asked))
	case asked == "" && !strings.EqualFold(got.Account.Name, r.Account):
		return finalReply(fmt.Sprintf("reply has keys for account %s (%s), not for %s; ask by the id", c.quoted(got.Account.Name), id, keys.QuoteShort(r.Account)))
	case role.HasARN() && role.ARN.AccountID != id:
		return finalReply(fmt.Sprintf("reply has keys for account %s, but role %s is of another", id, keys.QuoteShort(r.Role)))
	}
	return nil
}

// checkRole refuses keys of another role: the user's work would run with other rights. A reply has the alias, and a request
// may have the name of the IAM role. If the two differ, the gateway's list of roles must show that they are one, and also if
// an ARN was asked for that was not in the list.
func (c *Client) checkRole(ctx context.Context, role gateway.Role, asked string, got lent) error {
	isKnown := !role.HasARN() || asked != role.Name
	if isKnown && strings.EqualFold(asked, got.Role) {
		return nil
	}
	roles, err := c.roles(ctx, got.Account.ID)
	switch {
	case err != nil:
		return err
	case slices.ContainsFunc(aliasesOf(roles, role.Name), func(alias string) bool { return strings.EqualFold(alias, got.Role) }):
		return nil
	}
	return finalReply(fmt.Sprintf("reply has keys of role %s, not of %s", c.quoted(got.Role, asked), keys.QuoteShort(asked)))
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
		URL string `json:"consoleUrl"`
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
	case !signin.IsLink(reply.URL): // a browser would open any page
		return "", finalReply("link of the reply does not lead to the sign-in page of AWS")
	}
	return reply.URL, nil
}
