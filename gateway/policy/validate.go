package policy

import (
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Directory is what a document is checked against: the groups and users that exist, without "everyone".
type Directory struct {
	Groups []string
	Users  []string
	// Prefixes are those of groups that are known only once a member has signed in, such as "corp:".
	Prefixes []string
}

// Check returns all problems of a document, sorted. A group that the directory does not have is an error, or a
// warning if it has one of the prefixes. A user that it does not have is a warning.
// Without a directory neither is looked at.
func Check(doc *Document, directory *Directory) Problems {
	problems := append(validate(doc, zones{}), lint(doc)...)
	if directory != nil {
		problems = append(problems, checkPeople(doc, *directory)...)
	}
	return problems.Sort()
}

var (
	// rule ids and aliases stand in refusals, URLs and logs.
	idRule = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`) })
	// https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
	roleRule      = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[\w+=,.@-]{1,64}$`) })
	pathRule      = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^/([\w+=,.@/-]{0,510}/)?$`) })
	partitionRule = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^aws(-[a-z]+)*$`) })
	userRule      = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9][a-z0-9._@-]{1,63}$`) })
)

const (
	idForm     = "want 1 to 64 letters, digits, dots, dashes or underscores, with a letter or digit first"
	maxNameLen = 127
)

// validator collects the errors of a document.
type validator struct {
	doc      *Document
	zones    zones
	problems Problems
	aliases  map[string]bool // folded
	ids      map[string]bool // of rules, folded
}

// validate returns the errors that a document has by itself. It loads the time zones.
func validate(doc *Document, zones zones) Problems {
	v := &validator{doc: doc, zones: zones, aliases: map[string]bool{}, ids: map[string]bool{}}
	if len(doc.Roles) == 0 {
		v.error("roles", "the policy has no roles")
	}
	for i, role := range doc.Roles {
		v.role(rolePath(i, role), role)
	}
	v.accounts()
	if n := max(len(doc.Grants), len(doc.Deny)); n > MaxGrants {
		v.error("", "the policy has %d rules of one kind; %d are the limit", n, MaxGrants)
		return v.problems
	}
	for i, g := range doc.Grants {
		v.grant(fmt.Sprintf("grants[%d]", i), g)
	}
	for i, d := range doc.Deny {
		v.deny(fmt.Sprintf("deny[%d]", i), d)
	}
	return v.problems
}

func rolePath(i int, role Role) string {
	if role.Alias == "" {
		return fmt.Sprintf("roles[%d]", i)
	}
	return "roles." + role.Alias
}

func (v *validator) error(path, format string, args ...any) {
	v.problems = append(v.problems, v.doc.problem(Error, path, format, args...))
}

func (d *Document) problem(severity Severity, path, format string, args ...any) Problem {
	return Problem{Position: d.Position(path), Path: path, Severity: severity, Message: fmt.Sprintf(format, args...)}
}

func (v *validator) role(path string, r Role) {
	if !idRule().MatchString(r.Alias) {
		v.error(path, "role alias %q: %s", r.Alias, idForm)
	}
	if v.aliases[fold(r.Alias)] {
		v.error(path, "role %q is there twice; case makes no difference", r.Alias)
	}
	v.aliases[fold(r.Alias)] = true
	if r.AWS == "" {
		v.error(path+".aws", "role %q has no aws, the name of the IAM role", r.Alias)
	} else if !roleRule().MatchString(r.AWS) {
		v.error(path+".aws", "role %q: aws must be the name of the IAM role, not an ARN or a path; it is %q", r.Alias, r.AWS)
	}
	if r.Path != "" && !pathRule().MatchString(r.Path) {
		v.error(path+".path", "path %q of an IAM role must begin and end with a slash", r.Path)
	}
	if r.Max != 0 {
		v.lifetime(path+".max", r.Max)
	}
}

func (v *validator) lifetime(path string, d time.Duration) {
	switch {
	case d < MinLifetime || d > MaxLifetime:
		v.error(path, "max is %s; AWS gives keys of a role for 15m to 12h", d)
	case d%time.Second != 0:
		v.error(path, "max is %s; it must be whole seconds", d)
	}
}

func (v *validator) accounts() {
	seen := make(map[string]bool, len(v.doc.Accounts))
	for i, a := range v.doc.Accounts {
		path := fmt.Sprintf("accounts[%d]", i)
		v.accountID(path+".id", a.ID)
		if seen[a.ID] && a.ID != "" {
			v.error(path+".id", "account %s is there twice", a.ID)
		}
		seen[a.ID] = true
		switch {
		case strings.TrimSpace(a.Name) == "":
			v.error(path+".name", "account %s has no name", a.ID)
		case len(a.Name) > maxNameLen || strings.TrimSpace(a.Name) != a.Name || hasControls(a.Name):
			v.error(path+".name", "account name %q: want at most %d bytes, no control characters, and no spaces around it", a.Name, maxNameLen)
		case IsAccountID(a.Name) && a.Name != a.ID:
			v.error(path+".name", "account %s has the name %s, which would be taken for another account's id", a.ID, a.Name)
		}
		if a.Partition != "" && !partitionRule().MatchString(a.Partition) {
			v.error(path+".partition", "partition %q: want one such as aws, aws-cn or aws-us-gov", a.Partition)
		}
		if a.OU != "" && (slices.Contains(strings.Split(a.OU, "/"), "") || strings.Contains(a.OU, "*") || hasControls(a.OU)) {
			v.error(path+".ou", `OU %q: want the names of the OUs with slashes between them, such as "root/dev"`, a.OU)
		}
		for _, key := range slices.Sorted(maps.Keys(a.Tags)) {
			v.tag(path+".tags."+key, key, a.Tags[key])
		}
	}
}

func hasControls(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f })
}

func (v *validator) accountID(path, id string) {
	switch {
	case id == "":
		v.error(path, "the account has no id")
	case !IsAccountID(id):
		v.error(path, "account id %q: want 12 digits in quotes", id)
	}
}

func (v *validator) tag(path, key, value string) {
	switch {
	case key == "" || len(key) > 128 || strings.ContainsAny(key, "*=") || hasControls(key):
		v.error(path, `tag %q: want a name of 1 to 128 bytes without "*" and "="`, key)
	case strings.Contains(value, "*"):
		v.error(path, `tag %s: values of tags are compared as they are, "*" is no pattern here`, key)
	case len(value) > 256 || hasControls(value):
		v.error(path, "tag %s: want a value of at most 256 bytes without control characters", key)
	}
}

func (v *validator) ruleID(path, id string) {
	if id == "" {
		v.error(path+".id", "the rule has no id")
		return
	}
	if !idRule().MatchString(id) {
		v.error(path+".id", "id %q of the rule: %s", id, idForm)
		return
	}
	if v.ids[fold(id)] {
		v.error(path+".id", "rule id %q is there twice; grants and deny rules share their ids, and case makes no difference", id)
	}
	v.ids[fold(id)] = true
}

func (v *validator) grant(path string, g Grant) {
	v.ruleID(path, g.ID)
	if g.To.isEmpty() {
		v.error(path+".to", "grant %q names no groups and no users in to", g.ID)
	}
	v.people(path+".to", g.To)
	if g.On.isEmpty() {
		v.error(path+".on", `grant %q selects no accounts in on; for all accounts write on: {names: ["**"]}`, g.ID)
	}
	v.selector(path+".on", g.On)
	if len(g.Roles) == 0 {
		v.error(path+".roles", "grant %q names no roles", g.ID)
	}
	v.roles(path+".roles", g.Roles)
	v.when(path+".when", g.When)
	if g.Max != 0 {
		v.lifetime(path+".max", g.Max)
	}
	v.times(path, g.From, g.Until)
}

func (v *validator) deny(path string, d Deny) {
	v.ruleID(path, d.ID)
	v.people(path+".to", d.To)
	if len(d.IDs) == 0 {
		v.error(path+".on", "deny rule %q names no accounts in on.ids", d.ID)
	}
	for i, id := range d.IDs {
		v.accountID(fmt.Sprintf("%s.on.ids[%d]", path, i), id)
	}
	v.roles(path+".roles", d.Roles)
	v.times(path, d.From, d.Until)
}

func (v *validator) people(path string, p People) {
	for i, group := range p.Groups {
		if !isGroupName(group) {
			v.error(fmt.Sprintf("%s.groups[%d]", path, i), `group %q: want a name without "*", spaces around it and control characters`, group)
		}
	}
	for i, user := range p.Users {
		if !userRule().MatchString(fold(user)) {
			v.error(fmt.Sprintf("%s.users[%d]", path, i), "user %q: want 2 to 64 letters, digits, dots, dashes, underscores or @", user)
		}
	}
}

func isGroupName(name string) bool {
	return name != "" && len(name) <= 128 && strings.TrimSpace(name) == name && !strings.Contains(name, "*") && !hasControls(name)
}

func (v *validator) selector(path string, s Selector) {
	for i, id := range s.IDs {
		v.accountID(fmt.Sprintf("%s.ids[%d]", path, i), id)
	}
	v.patterns(path+".names", s.Names)
	v.tags(path+".tags", s.Tags)
	v.patterns(path+".ou", s.OU)
	for i, id := range s.Except.IDs {
		v.accountID(fmt.Sprintf("%s.except.ids[%d]", path, i), id)
	}
	v.tags(path+".except.tags", s.Except.Tags)
	v.patterns(path+".except.ou", s.Except.OU)
}

func (v *validator) patterns(path string, patterns []string) {
	for i, text := range patterns {
		if problem := checkPattern(text); problem != "" {
			v.error(fmt.Sprintf("%s[%d]", path, i), "%s", problem)
		}
	}
}

func (v *validator) tags(path string, tags map[string][]string) {
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		if len(tags[key]) == 0 {
			v.error(path+"."+key, "tag %q has no values", key)
		}
		for _, value := range tags[key] {
			v.tag(path+"."+key, key, value)
		}
	}
}

func (v *validator) roles(path string, aliases []string) {
	for i, alias := range aliases {
		if v.aliases[fold(alias)] {
			continue
		}
		known := make([]string, 0, len(v.doc.Roles))
		for _, role := range v.doc.Roles[:min(len(v.doc.Roles), 10)] {
			known = append(known, role.Alias)
		}
		v.error(fmt.Sprintf("%s[%d]", path, i), "the policy has no role %q; it has %s", alias, strings.Join(known, ", "))
	}
}

func (v *validator) when(path string, w When) {
	for i, prefix := range w.CIDR {
		switch path := fmt.Sprintf("%s.cidr[%d]", path, i); {
		case !prefix.IsValid() || prefix.Addr().Is4In6():
			v.error(path, "cidr %s: want a range of addresses such as 10.0.0.0/8 or 2001:db8::/32", prefix)
		case prefix != prefix.Masked():
			v.error(path, "cidr %s has bits behind its length; it could mean %s or %s", prefix, prefix.Masked(),
				netip.PrefixFrom(prefix.Addr(), prefix.Addr().BitLen()))
		}
	}
	if len(w.Hours) > MaxHours {
		v.error(path+".hours", "%d windows of hours; %d are the limit", len(w.Hours), MaxHours)
	}
	for i, h := range w.Hours {
		at := fmt.Sprintf("%s.hours[%d]", path, i)
		if h.Days&(1<<7-1) == 0 || h.From < 0 || h.From >= 24*60 || h.To <= 0 || h.To > 24*60 || h.From == h.To {
			v.error(at, "hours %s have no length", h)
		}
		if _, err := v.zones.load(h.Zone); err != nil {
			v.error(at, "hours: %s", err)
		}
	}
}

func (v *validator) times(path string, from, until time.Time) {
	if !until.IsZero() && !until.After(from) {
		v.error(path+".until", "until %s is not after from %s", until.Format(time.RFC3339), from.Format(time.RFC3339))
	}
}
