package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// value is one setting as it was written.
type value struct {
	from   string // for errors and for people: FILE:LINE:COLUMN, or the name of a variable
	texts  []string
	isList bool
}

// one returns the text of a value that is not a list.
func (v value) one() (string, error) {
	if v.isList {
		return "", errors.New("it takes one value, not a list")
	}
	return v.texts[0], nil
}

// problem is what is wrong with one setting.
type problem struct {
	from, path string
	why        error
}

func (p *problem) Error() string {
	if p.path == "" {
		return fmt.Sprintf("%s: %v", p.from, p.why)
	}
	return fmt.Sprintf("%s: %s: %v", p.from, p.path, p.why)
}

func (p *problem) Unwrap() error { return p.why }

// parseFile returns the settings of a YAML document by their paths, such as "tls.cert". name stands for the document in
// errors, which hold no part of it but the names of settings.
func parseFile(name string, text []byte) (map[string]value, []error) {
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, []error{syntaxError(name, err)}
	}
	f := &flattening{name: name, found: map[string]value{}}
	for i, doc := range file.Docs {
		switch {
		case doc.Body == nil:
		case i > 0:
			f.fail(doc.Body, "", errors.New("a second document: the configuration is one"))
		default:
			f.mapping("", doc.Body)
		}
	}
	return f.found, f.problems
}

// syntaxError is an error of the parser without its copy of the text, which may hold a secret.
func syntaxError(name string, err error) error {
	var at yaml.Error
	if errors.As(err, &at) {
		p := at.GetToken().Position
		return &problem{from: fmt.Sprintf("%s:%d:%d", name, p.Line, p.Column), why: errors.New(at.GetMessage())}
	}
	return &problem{from: name, why: errors.New("it is not YAML")}
}

// flattening collects the settings of a document.
type flattening struct {
	name     string
	found    map[string]value
	problems []error
}

func (f *flattening) at(t *token.Token) string {
	return fmt.Sprintf("%s:%d:%d", f.name, t.Position.Line, t.Position.Column)
}

func (f *flattening) fail(n ast.Node, path string, why error) {
	f.problems = append(f.problems, &problem{f.at(n.GetToken()), path, why})
}

// mapping takes the settings of a mapping, or of null, which has none.
func (f *flattening) mapping(path string, node ast.Node) {
	var pairs []*ast.MappingValueNode
	switch n := node.(type) {
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	case *ast.NullNode, *ast.CommentGroupNode:
		return
	default:
		f.fail(node, path, errors.New("it takes settings of the form NAME: VALUE"))
		return
	}
	for _, pair := range pairs {
		f.pair(path, pair)
	}
}

func (f *flattening) pair(path string, pair *ast.MappingValueNode) {
	name := pair.Key.GetToken().Value
	if path != "" {
		name = path + "." + name
	}
	switch {
	case isLater(name):
		f.fail(pair.Key, name, errLater)
		return
	case isSection(name):
		f.mapping(name, pair.Value)
		return
	case byPath(name) == nil:
		f.fail(pair.Key, name, unknown(name))
		return
	}
	if _, isTwice := f.found[name]; isTwice {
		f.fail(pair.Key, name, errors.New("it is there twice"))
		return
	}
	v := value{from: f.at(pair.Value.GetToken())}
	var err error
	switch n := pair.Value.(type) {
	case *ast.NullNode:
		return
	case *ast.SequenceNode:
		v.isList = true
		for _, item := range n.Values {
			text, itemErr := scalar(item)
			v.texts, err = append(v.texts, text), errors.Join(err, itemErr)
		}
	default:
		var text string
		text, err = scalar(n)
		v.texts = []string{text}
	}
	if err != nil {
		f.fail(pair.Value, name, err)
		return
	}
	f.found[name] = v
}

// scalar returns the text of a node that is one value.
func scalar(node ast.Node) (string, error) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, nil
	case *ast.LiteralNode:
		return strings.TrimSpace(n.Value.Value), nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, nil
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode:
		return "", errors.New("anchors, aliases and tags of YAML are not supported")
	}
	return "", errors.New("it takes a value, and not settings or nothing")
}
