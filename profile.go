package chaim

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/lazyregexp"
	"github.com/chaim-go/chaim/internal/lease"
	"github.com/chaim-go/chaim/internal/remote"
)

const defaultProfile = "tempname"

// profileRule is the set of names that every SDK reads alike. Names outside it hand keys to the profile above
// (# and ;), or make a reader refuse the whole file ([ and ]).
var profileRule = lazyregexp.New(`^[A-Za-z0-9_./%@:+-]+$`)

// reservedProfiles mean something else to a reader: inherited by all sections (botocore), the prototype of an object
// (JavaScript), or everybody's profile.
var reservedProfiles = map[string]bool{
	"DEFAULT": true, "default": true, "__proto__": true, "constructor": true, "toString": true, "toLocaleString": true,
	"valueOf": true, "hasOwnProperty": true, "isPrototypeOf": true, "propertyIsEnumerable": true,
	"__defineGetter__": true, "__defineSetter__": true, "__lookupGetter__": true, "__lookupSetter__": true,
}

func checkProfile(name string) error {
	switch {
	case len(name) > 128 || !profileRule().MatchString(name):
		return fmt.Errorf("chaim: profile name %s has characters that some SDK misreads: use 1 to 128 letters, digits and _ . / %% @ : + -", quoteShort(name))
	case reservedProfiles[name]:
		return fmt.Errorf("chaim: profile name %q has a meaning of its own to some SDK: choose another", name)
	}
	return nil
}

// checkSection refuses what is not a section of its own.
func checkSection(name string) error {
	switch name {
	case "":
		return errors.New("chaim: the profile name is empty")
	case "default", "DEFAULT":
		return fmt.Errorf("chaim: [%s] is no profile of its own: name the profile that its keys come from", name)
	}
	if before, _, isPast := strings.Cut(name, "]"); isPast {
		return fmt.Errorf("chaim: a profile name ends at the first ], so %s is no profile: where a section begins with that, its profile is %s", quoteShort(name), quoteShort(before))
	}
	return nil
}

// checkHeld refuses the name of a section that is there already, where new keys would not stay under it for all readers:
// they would go to the profile above. Other tools use names that chaim does not, such as those with a space.
func checkHeld(name string) error {
	if err := checkSection(name); err != nil {
		return err
	}
	if len(name) > 256 || strings.ContainsAny(name, "[]#;") || !utf8.ValidString(name) || strings.ContainsFunc(name, isUnprintable) {
		return fmt.Errorf("chaim: profile name %s has characters that some SDK takes for a comment or for its end: delete the profile, and keep the account under another name", quoteShort(name))
	}
	return nil
}

func isUnprintable(r rune) bool { return !unicode.IsPrint(r) }

var roleRule = lazyregexp.New(`^[A-Za-z0-9_+=.@/:-]+$`)

// checkAccount accepts what could be the name of an account, of which a gateway may know more than AWS allows.
//
// https://docs.aws.amazon.com/organizations/latest/APIReference/API_Account.html
func checkAccount(account string) error {
	switch {
	case account == "":
		return fmt.Errorf("chaim: no account given")
	case len(account) > 128:
		return fmt.Errorf("chaim: account %s is longer than 128 characters", quoteShort(account))
	case !utf8.ValidString(account) || strings.ContainsFunc(account, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fmt.Errorf("chaim: account %s has characters that are not printable", quoteShort(account))
	}
	return nil
}

// checkMarker accepts what can stand in the credentials file as the account of a profile.
func checkMarker(account string) error {
	if err := checkAccount(account); err != nil {
		return err
	}
	if err := inifile.CheckValue(inifile.MarkerKey, account); err != nil {
		return fmt.Errorf("chaim: account %s cannot be named in a credentials file: that takes printable ASCII without quotes at its start, comments or spaces around it; give its 12-digit id", quoteShort(account))
	}
	return nil
}

func checkRole(role string) error {
	if len(role) > 512 || !roleRule().MatchString(role) {
		return fmt.Errorf("chaim: role %s is neither an alias, a role name nor a role ARN", quoteShort(role))
	}
	return nil
}

func quoteShort(s string) string {
	if len(s) > 64 {
		s = s[:64] + "..."
	}
	return strconv.QuoteToASCII(s)
}

// grant is what a source gave: keys, and what is known of them.
type grant struct {
	creds      AwsCreds
	account    string // full name
	expiresStr string // the gateway's words for the expiration, may be empty
	url        string // signed-in console link, may be empty
	received   time.Time
}

// lifetime is for how long the keys were good when they came.
func (g *grant) lifetime() time.Duration { return g.creds.Expires.Sub(g.received.Round(0)) }

// sectionPairs are the lines of a managed section, in the order in which the originals wrote them: with the keys, or with
// the process that prints them. mark is empty for a profile that is kept.
func sectionPairs(g grant, opts *Options, process, mark string) []inifile.Pair {
	var pairs []inifile.Pair
	add := func(key, value string) { pairs = append(pairs, inifile.Pair{Key: key, Value: value}) }
	if process != "" {
		add(inifile.ProcessKey, process)
	} else {
		add("aws_access_key_id", g.creds.AccessKeyID)
		add("aws_secret_access_key", g.creds.SecretAccessKey)
		if token := g.creds.SessionToken; token != "" {
			add("aws_session_token", token)
			if opts.Terrible {
				add("aws_security_token", token)
			}
		}
	}
	if end := g.creds.Expires; !end.IsZero() {
		text := g.expiresStr
		if text == "" || inifile.CheckValue("expstr", text) != nil {
			text = "Expires at " + end.UTC().Format("15:04:05 MST") + "."
		}
		add("expires", strconv.FormatInt(end.Unix(), 10))
		add("expstr", text)
	}
	link := g.url
	if link == "" || inifile.CheckValue("gui_url", link) != nil {
		link = "notset"
	}
	add("duration", durationText(opts.Duration))
	add("gui_url", link)
	add("role", opts.Role)
	add(inifile.MarkerKey, g.account)
	if id := g.creds.AccountID; id != "" {
		add(inifile.IDKey, id)
		if process == "" { // or it is in what that prints
			add(inifile.AccountIDKey, id)
		}
	}
	if opts.Region != "" { // see profileOptions
		add("region", g.creds.Region)
	}
	if mark != "" {
		add(inifile.ScopeKey, mark)
	}
	return pairs
}

// durationText is a duration as the gateway takes it: 1 to 12 means hours, anything else seconds.
func durationText(d time.Duration) string {
	if d%time.Hour == 0 {
		return strconv.Itoa(int(d / time.Hour))
	}
	return strconv.Itoa(int(d / time.Second))
}

// claim tells which section of doc a client may write its keys to: those of g, or nil while they are not asked for yet. The
// caller has c.mu.
func (c *Client) claim(doc []byte, g *grant) (string, error) {
	if c.opts.Default && c.latest.Load() == nil {
		if err := c.tryDefault(doc); err != nil {
			return "", err
		}
	}
	if c.written.section != "" {
		pairs, exists, err := inifile.ReadManaged(doc, c.written.section)
		switch {
		case err != nil:
			return "", err
		case !exists || c.owns(pairs):
			return c.written.section, nil
		case c.latest.Load() != nil:
			return "", fmt.Errorf("%w: [%s] was changed by another program and is not written again", ErrInUse, c.written.section)
		}
	}
	name := cmp.Or(c.opts.TempName, defaultProfile)
	explicit := c.opts.TempName != ""
	pairs, exists, err := inifile.ReadManaged(doc, name)
	marker := pairs[inifile.MarkerKey]
	switch {
	case err != nil:
		return "", err
	case c.rival == "" && (!exists || c.isFree(doc, name, pairs, g)):
		return name, nil
	case !explicit:
		// 12 characters of base32 are 60 random bits.
		return name + "-" + strings.ToLower(rand.Text()[:12]), nil
	case c.rival != "":
		return "", fmt.Errorf("%w: %s: choose another profile name", ErrInUse, c.rival)
	case marker == "":
		return "", errtext.Because(ErrInUse, fmt.Errorf("%w: [%s] is yours: choose another profile name", ErrUnmanagedAccount, name))
	}
	return "", c.heldError(name, pairs)
}

// heldError refuses the profile of a name and its managed keys, which are not the client's to replace.
func (c *Client) heldError(name string, pairs map[string]string) error {
	whose := holderOf(pairs).apartFrom(c.opts.Account)
	switch {
	case pairs[inifile.ScopeKey] != "":
		return fmt.Errorf("%w: [%s] holds keys for %s: choose another profile name", ErrInUse, name, whose)
	case lease.IsLongLived(pairs["aws_access_key_id"]):
		return fmt.Errorf("%w: [%s] holds long-lived keys, which chaim did not get: choose another profile name", ErrInUse, name)
	}
	return fmt.Errorf("%w: profile %q is held for account %s: delete it, or choose another profile name", ErrInUse, name, whose)
}

// isFree reports whether the profile of a name and its managed keys may be replaced: one that is kept by another that is
// kept, see mayReplace, and by a scope one whose keys have expired, as a killed program of the originals leaves.
func (c *Client) isFree(doc []byte, name string, pairs map[string]string, g *grant) bool {
	switch {
	case pairs[inifile.MarkerKey] == "", pairs[inifile.ScopeKey]+pairs[inifile.ProcessKey] != "", lease.IsLongLived(pairs["aws_access_key_id"]):
		return false
	case c.opts.Keep:
		return c.mayReplace(pairs, g)
	}
	_, err := inifile.Set(doc, name, c.probe()) // for what else stands there
	return err == nil && lease.HasExpired(pairs)
}

// mayReplace reports whether keys of g may take the place of a kept profile: of one for the same account, and of one without
// keys that are valid. One of another account must have stood there when the keys were asked for, or a profile that two
// programs make at once would be told to both of them. The caller has c.mu.
func (c *Client) mayReplace(pairs map[string]string, g *grant) bool {
	if !inifile.HasAccess(pairs) || lease.HasExpired(pairs) || !c.isOther(pairs, g) {
		return true
	}
	return !c.opts.NoReplace && (g == nil || c.replaces == holderOf(pairs))
}

// isOther reports whether a profile is for another account than the keys of g or, while they are not asked for yet, surely
// for another than the client.
func (c *Client) isOther(pairs map[string]string, g *grant) bool {
	held, name, id := holderOf(pairs), c.opts.Account, c.opts.AccountID
	if g != nil {
		name, id = g.account, g.creds.AccountID
	}
	for _, text := range []string{c.opts.Account, name} {
		if id == "" && remote.IsAccountID(text) {
			id = text
		}
	}
	switch {
	case id != "" && held.id != "":
		return id != held.id
	case held.name == c.opts.Account || held.name == name:
		return false
	}
	return g != nil || id == "" && held.id == "" // or the gateway may know the one under the other
}

// holder is the account that a profile is held for.
type holder struct{ name, id string } // of which the id may be unknown

func holderOf(pairs map[string]string) holder {
	h := holder{name: pairs[inifile.MarkerKey]}
	for _, text := range []string{pairs[inifile.IDKey], h.name} {
		if h.id == "" && remote.IsAccountID(text) {
			h.id = text
		}
	}
	return h
}

// isSame reports whether two are one account: by their ids where both are known, as several accounts may have one name, and
// else by name. Without a name there is none.
func (h holder) isSame(other holder) bool {
	switch {
	case h.name == "" || other.name == "":
		return false
	case h.id != "" && other.id != "":
		return h.id == other.id
	}
	return h.name == other.name
}

// apartFrom names the account for a text that is about one of the other name.
func (h holder) apartFrom(other string) string {
	if h.id != "" && h.name == other && h.id != h.name { // perhaps another of that name
		return strconv.Quote(h.name) + " with the id " + h.id
	}
	return strconv.Quote(h.name)
}

// findRivals finds what would be used in place of the profile, whatever is written to it.
func (c *Client) findRivals() {
	config := readConfig()
	rival, defaultRival := config.rival(cmp.Or(c.opts.TempName, defaultProfile)), ""
	if c.opts.Default {
		defaultRival = config.rival(inifile.DefaultSection)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rival, c.defaultRival = rival, defaultRival
}

// owns reports whether a section is still this client's: as it wrote it, or with other keys of its account, as another tool
// that renews profiles leaves them. That may have dropped the mark of a scope or kept it. The caller has c.mu.
func (c *Client) owns(pairs map[string]string) bool {
	if pairs[inifile.MarkerKey] == "" {
		return false
	}
	scope, isIntact := lease.Of(pairs)
	isOwnScope := !c.opts.Keep && c.written.scope != "" && scope.ID == c.written.scope
	if isIntact && isOwnScope {
		return true
	}
	id := pairs["aws_access_key_id"]
	last := c.latest.Load() // what is written may be newer than what stands there
	isUsers := lease.IsLongLived(id) && id != c.written.grant.creds.AccessKeyID && (last == nil || id != last.creds.AccessKeyID)
	return (isOwnScope || pairs[inifile.ScopeKey] == "") && c.written.grant.isFor(holderOf(pairs)) && !isUsers
}

// isFor reports whether the keys of g are for the account that a profile is held for. With the same id its name may be spelt
// otherwise, as other programs do, but not be another name: they leave the id there when they write keys of another account.
func (g *grant) isFor(held holder) bool {
	id := g.creds.AccountID
	if id == "" && remote.IsAccountID(g.account) {
		id = g.account
	}
	if id == "" || held.id == "" {
		return held.name == g.account
	}
	return held.id == id && (held.name == id || strings.EqualFold(held.name, g.account))
}
