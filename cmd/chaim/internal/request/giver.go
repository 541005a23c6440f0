package request

import (
	"cmp"
	"context"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/names"
	"github.com/chaim-go/chaim/internal/gateway"
	"github.com/chaim-go/chaim/internal/idcenter"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/profiles"
)

// giver is the broker of accounts if no flag chooses another. The zero value is AWS STS.
type giver struct {
	says     string // "the environment (CHAIM_URL) names a gateway"; empty for AWS STS
	isCenter bool
	isChosen bool // by a setting of chaim's own
}

// listsAccounts reports whether the broker knows the names of accounts. If not, a name can only be that of a profile.
func (g giver) listsAccounts() bool { return g.says != "" }

// giver finds the broker. It touches no network. A broker counts even if its configuration cannot be used.
func (r *Request) giver(ctx context.Context) (g giver) {
	if set := cli.GatewayVariables(); len(set) > 0 { // without a look at the file, which may be a pipe for the program
		return giver{says: "the environment (" + strings.Join(set, ", ") + ") names a gateway", isChosen: true}
	}
	opts := chaim.Options{Role: r.Role, NoProfile: true, ReadOnly: true, AllowInsecure: r.Insecure}
	_ = r.App.Quiet().Client(opts, func(c *chaim.Client) error {
		center := r.App.CenterOf(c)
		switch source := cli.GatewaySource(ctx, c); {
		case source != "":
			g = giver{says: source + " names a gateway", isChosen: true}
		case arn.IsARN(r.Role): // which no Identity Center has
		case os.Getenv(idcenter.SessionVariable) != "":
			g = giver{says: idcenter.SessionVariable + " names an IAM Identity Center", isCenter: true, isChosen: true}
		case center != nil:
			g = giver{says: cli.TellCenter(center) + " gives the keys", isCenter: true}
		}
		return nil
	})
	return g
}

// refuseFlag refuses a flag for AWS STS if another broker gives the keys.
func (g giver) refuseFlag(flag string) error {
	switch {
	case g.says == "":
		return nil
	case g.isCenter && !g.isChosen:
		return cli.Usagef("%s is for AWS STS, but %s; AWS_PROFILE and keys in the environment choose AWS STS", flag, g.says)
	}
	return cli.Usagef("%s is for AWS STS, but %s", flag, g.says)
}

// refuseDuration refuses a lifetime for keys of IAM Identity Center.
func (g giver) refuseDuration(d Duration) error {
	if g.isCenter && d != 0 {
		return cli.Usage("the permission set decides how long keys of IAM Identity Center are valid: leave -d out")
	}
	return nil
}

// isAccount reports whether the broker has an account of that name or id. It trusts the names that chaim remembers: if the
// account is gone, the request for its keys fails.
func (r *Request) isAccount(ctx context.Context, name string) (isAccount bool, err error) {
	err = r.App.Quiet().Client(chaim.Options{NoProfile: true, AllowInsecure: r.Insecure}, func(c *chaim.Client) error {
		if source, isLister := names.Of(ctx, c); isLister {
			if isAccount = source.Read().Has(name); isAccount {
				return nil
			}
		}
		accounts, err := r.listBy(ctx, c)
		isAccount = slices.ContainsFunc(accounts, func(a chaim.Account) bool { return a.ID == name || a.Name == name })
		return err
	})
	return isAccount, err
}

// listBy lists the accounts of a client's broker, and remembers their names.
func (r *Request) listBy(ctx context.Context, c *chaim.Client) ([]chaim.Account, error) {
	known, err := c.RequestList(ctx)
	if err == nil {
		r.App.Remember(ctx, c, known)
	}
	return known, err
}

// otherCenter returns a session of the AWS config file whose Identity Center had an account of that name when it was last
// asked. It is for names that no broker lists now. It is empty without one.
func (r *Request) otherCenter(ctx context.Context, name string) string {
	files, err := profiles.AWSFiles{}.Profiles()
	if err != nil {
		return ""
	}
	for _, session := range slices.Sorted(maps.Keys(files.Sessions)) {
		has := false
		opts := chaim.Options{NoProfile: true, ReadOnly: true, Broker: chaim.IdentityCenter{Session: session, AllowInsecure: true}}
		_ = r.App.Quiet().Client(opts, func(c *chaim.Client) error {
			source, isLister := names.Of(ctx, c)
			has = isLister && source.Read().Has(name)
			return nil
		})
		if has {
			return session
		}
	}
	return ""
}

// lister is a broker that lists the roles of the user in an account.
type lister interface {
	Roles(ctx context.Context, account string) ([]string, error)
}

// rolesOf returns the broker of a client if it lists roles, or nil.
func rolesOf(c *chaim.Client) lister {
	switch broker := c.Broker().(type) {
	case chaim.IdentityCenter:
		return broker
	case *chaim.Gateway:
		if broker.Settings.Protocol == gateway.V1 {
			return broker
		}
	}
	return nil
}

// pickRole completes the role for an account of a broker that lists roles. It takes the default if the user has that role there, or
// else the only role. Among several roles the person picks one.
func (r *Request) pickRole(ctx context.Context, account chaim.Account) (err error) {
	var roles []string
	isListed := false
	err = r.App.Client(chaim.Options{NoProfile: true, ReadOnly: true, AllowInsecure: r.Insecure}, func(c *chaim.Client) error {
		if broker := rolesOf(c); broker != nil {
			isListed = true
			roles, err = broker.Roles(ctx, cmp.Or(account.ID, account.Name))
		}
		return err
	})
	switch {
	case err != nil, !isListed, len(roles) == 0: // without a role the broker says what is missing
		return err
	case slices.Contains(roles, defaultRole()):
		return nil
	case len(roles) == 1:
		r.Role = roles[0]
		return nil
	}
	slices.Sort(roles)
	var rows []string
	for _, role := range roles {
		rows = append(rows, shown(role))
	}
	name := cmp.Or(account.Name, account.ID)
	if !r.App.CanPick() {
		return cli.Usagef("which role in %s? You have: %s", keys.QuoteShort(name), strings.Join(rows, ", "))
	}
	i, err := r.pick(ctx, "Which role in "+shown(name)+"?", rows)
	if err == nil {
		r.Role = roles[i]
	}
	return err
}

// RequireRole refuses a request without a role if an Identity Center gives the keys: the default is no permission set.
func (r *Request) RequireRole(ctx context.Context) error {
	if r.Role == "" && !hasDefaultRole() && !r.Among.inConfig && !r.Among.inOrganization && r.giver(ctx).isCenter {
		return cli.Usage("which role? Give -r ROLE: the name of a permission set")
	}
	return nil
}
