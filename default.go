package chaim

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/lease"
)

// Section is a section of the credentials file as it was when it was read. It may hold keys and tokens, and prints
// without any value. The zero value has no keys. It never changes, so any number of goroutines may use it.
type Section struct {
	Name string // what stands in the brackets

	values func() map[string]string // a function, as fmt would print a map
}

// Keys returns the names of the keys in lower case, sorted.
func (s Section) Keys() []string {
	if s.values == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(s.values()))
}

// Value returns what stands under a key in lower case, or "" without one.
func (s Section) Value(key string) string {
	if s.values == nil {
		return ""
	}
	return s.values()[key]
}

// DefaultSection reads the section [default] of the credentials file, which holds the settings of the gateway and the keys
// of the default account. Without a file or a section the error wraps [ErrNotConfigured]; after Close it is [ErrClosed].
func (c *Client) DefaultSection(ctx context.Context) (Section, error) {
	doc, err := c.read(ctx)
	if err != nil {
		return Section{}, err
	}
	pairs, exists, err := inifile.ReadAll(doc, inifile.DefaultSection)
	switch {
	case err != nil:
		return Section{}, errtext.Wrap(err, "%s", c.file.Path)
	case !exists:
		return Section{}, fmt.Errorf("%w: there is no section [default] in %s: store the settings of a gateway there", ErrNotConfigured, c.file.Path)
	}
	return Section{inifile.DefaultSection, func() map[string]string { return pairs }}, nil
}

// DefaultAccount returns the name of the profile that is the default account: what [default] has under alias, or without
// that under section. The errors are those of [Client.DefaultSection], with [ErrNotConfigured] also where there is neither.
func (c *Client) DefaultAccount(ctx context.Context) (string, error) {
	section, err := c.DefaultSection(ctx)
	if err != nil {
		return "", err
	}
	name := inifile.DefaultName(section.values())
	if name == "" {
		return "", fmt.Errorf("%w: section [default] in %s names no default account: keep one with Options.Default and Options.Keep", ErrNotConfigured, c.file.Path)
	}
	return name, nil
}

// Endpoint returns the URL of the gateway that the client asks. Without one the error wraps [ErrNotConfigured]; after
// Close it is [ErrClosed].
func (c *Client) Endpoint(ctx context.Context) (string, error) {
	ctx, stop := c.bound(ctx)
	defer stop()
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case c.gateway == nil:
		return "", c.noGateway
	}
	return c.gateway.URL, nil
}

// Settings returns the settings of the gateway that the client asks, token included, as they were when it was made. The
// errors are those of [Client.Endpoint].
func (c *Client) Settings(ctx context.Context) (Settings, error) {
	if _, err := c.Endpoint(ctx); err != nil {
		return Settings{}, err
	}
	s := *c.gateway.settings
	s.Extra = maps.Clone(s.Extra)
	return s, nil
}

// read returns the text of the credentials file, for calls that only look.
func (c *Client) read(ctx context.Context) ([]byte, error) {
	if c == nil || c.opts == nil {
		return nil, errZeroClient
	}
	ctx, stop := c.bound(ctx)
	defer stop()
	if ctx.Err() != nil {
		return nil, errtext.Wrap(context.Cause(ctx), "reading %s", c.file.Path)
	}
	return c.file.Read()
}

// setDefault copies what stands in a kept section into [default].
func (c *Client) setDefault(doc []byte, name string, pairs []inifile.Pair) ([]byte, error) {
	doc, err := c.freeDefault(doc)
	if err == nil {
		doc, err = dropModules(doc)
	}
	if err != nil {
		return nil, err
	}
	if doc, err = inifile.Set(doc, inifile.DefaultSection, copyOf(name, pairs)); err != nil {
		return nil, errtext.Because(ErrInUse, err)
	}
	return doc, nil
}

// copyOf returns what [default] gets of those pairs of a section.
func copyOf(name string, pairs []inifile.Pair) (copied []inifile.Pair) {
	values := map[string]string{}
	for _, p := range pairs {
		values[p.Key] = p.Value
		switch p.Key {
		case "expstr", "duration", "gui_url", "role", inifile.IDKey, "region": // of which the last is the gateway's there
		case inifile.MarkerKey:
			copied = append(copied, inifile.Pair{Key: inifile.SectionKey, Value: p.Value}, inifile.Pair{Key: inifile.AliasKey, Value: name})
		default:
			copied = append(copied, p)
		}
	}
	return append(copied, inifile.Pair{Key: inifile.CopyKey, Value: lease.CopyOf(values)})
}

// probe is a section with keys that are none, to try what a section would be refused for.
func (c *Client) probe() []inifile.Pair {
	creds := AwsCreds{Region: c.opts.Region, AccessKeyID: "x", SecretAccessKey: "x", SessionToken: "x"}
	return sectionPairs(grant{account: "x", creds: creds}, c.opts, "", "")
}

// tryDefault refuses what setDefault would, with keys that are none. The caller has c.mu.
func (c *Client) tryDefault(doc []byte) error {
	_, err := c.setDefault(doc, c.Profile(), c.probe())
	return err
}

// freeDefault returns doc as it is when keys may be written to [default], without those of a dead scope of an earlier version.
func (c *Client) freeDefault(doc []byte) ([]byte, error) {
	pairs, _, err := inifile.ReadManaged(doc, inifile.DefaultSection)
	if err != nil {
		return nil, err
	}
	_, isIntact := lease.Of(pairs)
	all, _, err := inifile.ReadAll(doc, inifile.DefaultSection)
	if err != nil {
		return nil, err
	}
	isUsers := lease.IsLongLived(pairs["aws_access_key_id"]) || all[inifile.ProcessKey] != pairs[inifile.ProcessKey] ||
		inifile.HasAccess(pairs) && !lease.HasCopy(doc) && !lease.HasExpired(pairs) // which would be overwritten for good
	switch {
	case c.defaultRival != "":
		return nil, fmt.Errorf("%w: %s", ErrInUse, c.defaultRival)
	case isUsers:
		return nil, errtext.Because(ErrInUse, fmt.Errorf("%w: [default] holds keys of yours, or a process that gives them: move them to a name of their own", ErrUnmanagedAccount))
	case pairs[inifile.ScopeKey] == "":
		return doc, nil
	case !isIntact:
		return nil, fmt.Errorf("%w: [default] was changed by another program while it was lent to a scope: remove its lines that begin with chaim_", ErrInUse)
	case c.scopes.IsLive(pairs):
		return nil, fmt.Errorf("%w: [default] is lent to a scope that may still run", ErrInUse)
	}
	if doc, err = inifile.Delete(doc, inifile.DefaultSection); err != nil {
		return nil, err
	}
	return c.freeDefault(doc) // what comes back may be the user's
}

// isCopy reports whether [default] has the keys of the kept section of a name and its pairs, or where there is none any
// more, of one that was kept under that name.
func isCopy(copied map[string]string, name string, pairs map[string]string) bool {
	if copied[inifile.ScopeKey]+pairs[inifile.ScopeKey] != "" || !lease.IsCopy(copied, pairs) {
		return false
	}
	id := pairs["aws_access_key_id"]
	return inifile.DefaultName(copied) == name || id != "" && id == copied["aws_access_key_id"]
}

// followDefault does to the copy of a section in [default] what becomes of the section of those pairs: it is written anew,
// or without written removed.
func (c *Client) followDefault(doc []byte, name string, pairs map[string]string, written []inifile.Pair) ([]byte, error) {
	copied, unreadable := inifile.ReadDefault(doc) // such as two of them
	hasCopy := unreadable == nil && isCopy(copied, name, pairs)
	for _, s := range inifile.Scan(doc) {
		hasCopy = hasCopy || s.Name() == inifile.DefaultSection && isCopy(s.Managed(doc), name, pairs)
	}
	switch {
	case !hasCopy:
		return doc, nil
	case unreadable != nil:
		return nil, unreadable
	case written != nil:
		return c.setDefault(doc, name, written)
	}
	doc, err := dropModules(doc)
	if err != nil {
		return nil, err
	}
	return inifile.Delete(doc, inifile.DefaultSection)
}

// dropModules removes from [default] what the Python module writes beside keys into any section. They are the user's where
// there is no accountname, which tells that they are the module's.
func dropModules(doc []byte) ([]byte, error) {
	pairs, err := inifile.ReadDefault(doc)
	if err != nil || pairs[inifile.MarkerKey] == "" {
		return doc, err
	}
	return inifile.SetKeys(doc, inifile.DefaultSection, nil, func(key string) bool {
		return slices.Contains([]string{inifile.MarkerKey, "role", "duration", "expstr", "gui_url"}, key)
	})
}

// deleteSection removes a section, and the copy of it in [default].
func (c *Client) deleteSection(doc []byte, name string, pairs map[string]string) ([]byte, error) {
	doc, err := c.followDefault(doc, name, pairs, nil)
	if err != nil {
		return nil, err
	}
	return inifile.Delete(doc, name)
}
