package yaml

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/chaim-go/chaim/gateway/policy"
)

// The form of the documents here needs less. The parser is recursive, and its time grows with the square of a width.
const (
	maxDepth = 16
	maxKeys  = 1000   // of a mapping
	maxList  = 20_000 // values of a list in block style
)

// kind is what a node is.
type kind int

const (
	isText kind = iota
	isQuoted
	isNumber
	isBool
	isNull
	isList
	isMapping
	isOther
)

var kindNames = map[kind]string{
	isText: "a text", isQuoted: "a text", isNumber: "a number", isBool: "true or false", isNull: "nothing", isList: "a list",
	isMapping: "a mapping", isOther: "something else",
}

// node is a part of a document: a scalar, a list or a mapping.
type node struct {
	at      policy.Position
	kind    kind
	text    string // of a scalar
	entries []entry
}

// entry is a value of a list, or of a mapping with its key.
type entry struct {
	at    policy.Position // of the key, or of the value in a list
	key   string
	value *node
}

// tree reads the text of a document as nodes. It refuses everything of YAML that a policy does not need: anchors, aliases,
// merge keys, tags, directives and further documents.
func tree(text []byte) (root *node, problems policy.Problems) {
	one := func(at policy.Position, format string, args ...any) policy.Problems {
		return policy.Problems{{Position: at, Message: fmt.Sprintf(format, args...)}}
	}
	// The parser is made for documents of friends.
	defer func() {
		if p := recover(); p != nil {
			root, problems = nil, one(policy.Position{Line: 1, Column: 1}, "the document is no YAML that can be read")
		}
	}()
	if len(text) > policy.MaxDocument {
		return nil, one(policy.Position{Line: 1, Column: 1}, "the document has %d bytes; %d are the limit", len(text), policy.MaxDocument)
	}
	if at, isText := textPosition(text); !isText {
		return nil, one(at, "the document must be text in UTF-8 without control characters")
	}
	tokens := lexer.Tokenize(string(text))
	if problems := refuse(tokens); len(problems) > 0 {
		return nil, problems
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey()) // the reader names all duplicates
	if err != nil {
		var syntax yaml.Error
		if errors.As(err, &syntax) {
			return nil, one(position(syntax.GetToken()), "no valid YAML: %s", syntax.GetMessage())
		}
		return nil, one(policy.Position{Line: 1, Column: 1}, "no valid YAML")
	}
	if len(file.Docs) == 0 || file.Docs[0].Body == nil {
		return nil, one(policy.Position{Line: 1, Column: 1}, "the document is empty")
	}
	return convert(file.Docs[0].Body), nil
}

// textPosition returns where the text has something that is no text.
func textPosition(text []byte) (at policy.Position, isText bool) {
	at = policy.Position{Line: 1, Column: 1}
	for rest := text; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		switch {
		case r == utf8.RuneError && size == 1, r < ' ' && r != '\n' && r != '\r' && r != '\t', r == 0x7f, r == '\ufeff':
			return at, false
		case r == '\n':
			at = policy.Position{Line: at.Line + 1, Column: 1}
		default:
			at.Column++
		}
		rest = rest[size:]
	}
	return at, true
}

func position(t *token.Token) policy.Position {
	if t == nil || t.Position == nil {
		return policy.Position{Line: 1, Column: 1}
	}
	return policy.Position{Line: max(1, t.Position.Line), Column: max(1, t.Position.Column)}
}

var refused = map[token.Type]string{
	token.AnchorType: "anchors (&) are", token.AliasType: "aliases (*) are", token.MergeKeyType: "merge keys (<<) are",
	token.TagType: "tags (!) are", token.DirectiveType: "directives (%) are", token.MappingKeyType: "keys that are no texts (?) are",
	token.LiteralType: "texts of several lines (|) are", token.FoldedType: "texts of several lines (>) are",
}

// refuse names the tokens that no document here may have, and what is too deep or too wide for the parser.
func refuse(tokens token.Tokens) (problems policy.Problems) {
	add := func(t *token.Token, format string, args ...any) {
		problems = append(problems, policy.Problem{Position: position(t), Message: fmt.Sprintf(format, args...)})
	}
	var shape shape
	isFirst, hasEnded := true, false
	for _, t := range tokens {
		if t.Type == token.CommentType {
			continue
		}
		if what, isRefused := refused[t.Type]; isRefused {
			add(t, "%s not allowed here: write the value itself, in one line", what)
		}
		if hasEnded || t.Type == token.DocumentHeaderType && !isFirst {
			add(t, "there is more than one document; a policy is one")
			return problems
		}
		isFirst, hasEnded = false, t.Type == token.DocumentEndType
		if problem := shape.add(t); problem != "" {
			add(t, "%s", problem)
			return problems
		}
	}
	return problems
}

// shape follows how deep and wide the document is, without recursion.
type shape struct{ levels []level }

// level is an open list or mapping.
type level struct {
	isFlow     bool // between brackets or braces
	column     int  // of its keys or dashes, in block style
	keys, list int
}

// add returns what is wrong with a document that goes on with the token, or "".
func (s *shape) add(t *token.Token) string {
	switch t.Type {
	case token.SequenceStartType, token.MappingStartType:
		s.levels = append(s.levels, level{isFlow: true})
	case token.SequenceEndType, token.MappingEndType:
		for i := len(s.levels) - 1; i >= 0; i-- {
			if s.levels[i].isFlow {
				s.levels = s.levels[:i]
				break
			}
		}
	case token.SequenceEntryType:
		if top := s.at(t); top != nil {
			top.list++
		}
	case token.MappingValueType:
		if top := s.at(t.Prev); top != nil {
			top.keys++
		}
	}
	if len(s.levels) > maxDepth {
		return fmt.Sprintf("nested too deep; %d levels are the limit", maxDepth)
	}
	if n := len(s.levels); n > 0 && s.levels[n-1].keys > maxKeys {
		return fmt.Sprintf("too many keys in one mapping; %d are the limit", maxKeys)
	}
	if n := len(s.levels); n > 0 && s.levels[n-1].list > maxList {
		return fmt.Sprintf("too many values in one list; %d are the limit", maxList)
	}
	return ""
}

// at returns the level to which a key or dash belongs.
func (s *shape) at(t *token.Token) *level {
	if t == nil {
		return nil
	}
	column := position(t).Column
	for n := len(s.levels); n > 0 && !s.levels[n-1].isFlow && s.levels[n-1].column > column; n = len(s.levels) {
		s.levels = s.levels[:n-1]
	}
	if n := len(s.levels); n == 0 || !s.levels[n-1].isFlow && s.levels[n-1].column < column {
		s.levels = append(s.levels, level{column: column})
	}
	return &s.levels[len(s.levels)-1]
}

// convert makes a node of what the parser read.
func convert(from ast.Node) *node {
	n := &node{at: position(from.GetToken()), kind: isOther}
	switch from := from.(type) {
	case *ast.StringNode:
		n.kind, n.text = isText, from.Value
		if t := from.GetToken().Type; t == token.SingleQuoteType || t == token.DoubleQuoteType {
			n.kind = isQuoted
		}
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		n.kind, n.text = isNumber, strings.TrimSpace(from.GetToken().Value)
	case *ast.BoolNode:
		n.kind, n.text = isBool, strings.ToLower(from.GetToken().Value)
	case *ast.NullNode:
		n.kind = isNull
	case *ast.SequenceNode:
		n.kind = isList
		for _, value := range from.Values {
			v := convert(value)
			n.entries = append(n.entries, entry{at: v.at, value: v})
		}
	case *ast.MappingNode:
		n.kind = isMapping
		for _, pair := range from.Values {
			n.entries = append(n.entries, entryOf(pair))
		}
	case *ast.MappingValueNode:
		n.kind, n.entries = isMapping, []entry{entryOf(from)}
		n.at = n.entries[0].at
	}
	if n.kind == isMapping && len(n.entries) > 0 {
		n.at = n.entries[0].at
	}
	return n
}

func entryOf(pair *ast.MappingValueNode) entry {
	key := pair.Key.GetToken()
	return entry{at: position(key), key: key.Value, value: convert(pair.Value)}
}
