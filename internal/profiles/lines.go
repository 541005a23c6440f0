package profiles

import (
	"slices"
	"strconv"

	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/keys"
)

// notSet stands for a missing value: for the console link of a profile, and in a definition for the token that the
// account is to have under aws_security_token.
const notSet = "notset"

// form is how a grant is written into a section.
type form struct {
	terrible bool   // with the token under its old name too
	noRegion bool   // the AWS config file has a region for the profile, which a line here would hide
	process  string // the command that prints the keys; empty for the keys themselves
	mark     string // of the scope; empty for a profile that is kept
	isConfig bool   // the account is a profile of the AWS config file
}

// linesOf returns the lines of a managed section, in the order of the originals.
func linesOf(g keys.Grant, f form) []inifile.Pair {
	var lines []inifile.Pair
	add := func(key, value string) { lines = append(lines, inifile.Pair{Key: key, Value: value}) }
	if f.process != "" {
		add(inifile.ProcessKey, f.process)
	} else {
		add("aws_access_key_id", g.AccessKeyID)
		add("aws_secret_access_key", g.SecretAccessKey)
		if g.SessionToken != "" {
			add("aws_session_token", g.SessionToken)
			if f.terrible {
				add("aws_security_token", g.SessionToken)
			}
		}
	}
	if g.CanExpire {
		text := g.Note
		if text == "" || inifile.CheckValue("expstr", text) != nil {
			text = "Expires at " + g.Expires.UTC().Format("15:04:05 MST") + "."
		}
		add("expires", strconv.FormatInt(g.Expires.Unix(), 10))
		add("expstr", text)
	}
	link := g.ConsoleURL
	if link == "" || inifile.CheckValue("gui_url", link) != nil {
		link = notSet
	}
	add("duration", keys.DurationText(g.Duration))
	add("gui_url", link)
	add("role", g.Role)
	add(inifile.MarkerKey, g.Account)
	if f.isConfig {
		add(inifile.KindKey, inifile.KindProfile)
	}
	if g.AccountID != "" {
		add(inifile.IDKey, g.AccountID)
		if f.process == "" { // a process prints it too
			add(inifile.AccountIDKey, g.AccountID)
		}
	}
	if !f.noRegion {
		add("region", g.Region)
	}
	if f.mark != "" {
		add(inifile.ScopeKey, f.mark)
	}
	return lines
}

// probe returns a grant with fake keys, to find out whether a section would be refused.
func probe() keys.Grant {
	g := keys.Grant{Account: "x", Role: "x", Region: "x"}
	g.AccessKeyID, g.SecretAccessKey, g.SessionToken = "x", "x", "x"
	return g
}

// definitionOf returns those managed keys of a section that say how to get new keys.
func definitionOf(pairs map[string]string) []inifile.Pair {
	var definition []inifile.Pair
	for _, key := range []string{"duration", "role", inifile.MarkerKey, inifile.KindKey, inifile.IDKey, "region"} {
		if pairs[key] != "" {
			definition = append(definition, inifile.Pair{Key: key, Value: pairs[key]})
		}
	}
	if pairs["aws_security_token"] != "" {
		definition = append(definition, inifile.Pair{Key: "aws_security_token", Value: notSet})
	}
	return definition
}

// isSameDefinition reports whether two sections say the same about how to get new keys. An account id that only one of them
// has is no difference: a profile of an older version gets its id when it is renewed.
func isSameDefinition(a, b map[string]string) bool {
	isKnown := a[inifile.IDKey] != "" && b[inifile.IDKey] != ""
	isIgnored := func(p inifile.Pair) bool { return p.Key == inifile.IDKey && !isKnown }
	return slices.Equal(slices.DeleteFunc(definitionOf(a), isIgnored), slices.DeleteFunc(definitionOf(b), isIgnored))
}
