package profiles

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/humantime"
	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/keys"
)

// Definition says how to get new keys for a profile.
type Definition struct {
	keys.Request      // a field that the profile does not tell is zero
	FromConfig   bool // the account is a profile of the AWS config file
	pairs        map[string]string
}

func define(pairs map[string]string) (Definition, error) {
	d := Definition{FromConfig: HolderOf(pairs).FromConfig, pairs: pairs}
	d.Account, d.Role, d.Region = pairs[inifile.MarkerKey], pairs["role"], pairs["region"]
	d.Duration, _ = humantime.Lifetime(pairs["duration"])
	if id := pairs[inifile.IDKey]; keys.IsAccountID(id) {
		if keys.IsAccountID(d.Account) && d.Account != id {
			return d, fmt.Errorf("%w: it names two accounts, %s and %s: delete it, and keep the right one", keys.ErrInUse, d.Account, id)
		}
		d.AccountID = id
	}
	return d, nil
}

// Definition returns the definition of a kept profile. Only kept profiles may get new keys.
func (b *Book) Definition(name string) (Definition, error) {
	doc, err := b.Read()
	if err != nil {
		return Definition{}, err
	}
	l, err := leasesBeside(b.file.Path)
	if err != nil {
		return Definition{}, err
	}
	pairs, err := renewable(l, doc, name)
	if err != nil {
		return Definition{}, errtext.Wrap(err, "%s", b.file.Path)
	}
	return define(pairs)
}

// ErrEndless refuses keys that never end for a kept profile. chaim could not tell them from keys that the user has put
// there, so it would never remove them.
var ErrEndless error = endless{}

type endless struct{}

func (endless) Error() string { return "chaim: these keys never end, so chaim keeps no copy of them" }

// IsFinal reports that another attempt cannot help.
func (endless) IsFinal() bool { return true }

// checkKept refuses long-term keys for a profile that is kept. Temporary keys have a session token.
func checkKept(g keys.Grant) error {
	if keys.IsLongLived(g.AccessKeyID) || g.SessionToken == "" && !g.CanExpire {
		return ErrEndless
	}
	return nil
}

// Renew writes new keys into the profile of a definition, and into its copy in [default]. It refuses keys that never end,
// and a profile whose definition has changed since.
func (b *Book) Renew(ctx context.Context, name string, d Definition, g keys.Grant) error {
	if err := checkKept(g); err != nil {
		return err
	}
	return b.edit(ctx, func(l leases, doc *inifile.Document) error {
		pairs, err := renewable(l, doc, name)
		switch {
		case err != nil:
			return err
		case pairs["aws_access_key_id"] != g.AccessKeyID && !isSameDefinition(pairs, d.pairs):
			return fmt.Errorf("%w: the definition of [%s] has changed meanwhile", keys.ErrInUse, name)
		}
		return d.rewrite(doc, name, pairs, g)
	})
}

// rewrite writes new keys into a section, whose pairs these are, and into its copy in [default].
func (d Definition) rewrite(doc *inifile.Document, name string, pairs map[string]string, g keys.Grant) error {
	g.Account = d.Account // whatever the reply calls it
	lines := linesOf(g, form{
		terrible: d.pairs["aws_security_token"] != "",
		noRegion: d.pairs["region"] == "" && ReadConfig().Region(name) != "",
		isConfig: d.FromConfig,
	})
	if err := followDefault(doc, name, pairs, lines); err != nil {
		return err
	}
	return doc.Set(name, lines)
}

// renewable returns the managed keys of a section that may get new keys.
func renewable(l leases, doc *inifile.Document, name string) (map[string]string, error) {
	pairs, exists, err := doc.Managed(name)
	switch {
	case err != nil:
		return nil, err
	case !exists:
		return nil, notThere(name)
	case pairs[inifile.ScopeKey]+pairs[inifile.ProcessKey] == "":
		return pairs, checkOurs(name, pairs)
	case l.isLive(pairs):
		return nil, fmt.Errorf("%w: [%s] belongs to a scope that may still run, and is renewed by that alone", keys.ErrInUse, name)
	}
	return nil, fmt.Errorf("%w: [%s] belonged to a scope that has ended", keys.ErrInUse, name)
}

func notThere(name string) error {
	return errtext.Chain(fmt.Sprintf("chaim: there is no profile %q", name), fs.ErrNotExist)
}

// checkOurs refuses a section that chaim did not write, or that has long-lived keys.
func checkOurs(name string, pairs map[string]string) error {
	switch {
	case pairs[inifile.MarkerKey] == "":
		return fmt.Errorf("%w: [%s] is yours and stays", ErrUnmanaged, name)
	case keys.IsLongLived(pairs["aws_access_key_id"]):
		return fmt.Errorf("%w: [%s] holds long-lived keys, which chaim did not get, and stays", ErrUnmanaged, name)
	}
	return nil
}

func errChanged(name string) error {
	return fmt.Errorf("%w: [%s] was changed by another program and stays", ErrUnmanaged, name)
}
