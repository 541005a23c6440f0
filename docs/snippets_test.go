package docs

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/chaim-go/chaim"

// packages are those that a snippet may use without an import clause.
var packages = map[string]string{
	"chaim": module, "chaimtest": module + "/chaimtest",
	"aws": "github.com/aws/aws-sdk-go-v2/aws", "config": "github.com/aws/aws-sdk-go-v2/config", "s3": "github.com/aws/aws-sdk-go-v2/service/s3",
	"context": "context", "errors": "errors", "exec": "os/exec", "fmt": "fmt", "os": "os", "testing": "testing",
}

var topLevel = regexp.MustCompile(`(?m)^(func|type|import|package) `)

// given are the names that a snippet of statements may use without declaring them.
const given = `ctx context.Context, fn func(profile string) error, work func(context.Context, *chaim.Client) error, ` +
	`askForCode func(context.Context) (string, error), askForCodeOf func(context.Context, chaim.MFADevice) (string, error)`

// complete makes a file of a snippet. Errors of the compiler then name the page and the line.
func complete(t *testing.T, p page, b block) string {
	t.Helper()
	line := fmt.Sprintf("//line %s:%d\n", filepath.ToSlash(filepath.Join("docs", p.path)), b.line)
	if strings.HasPrefix(b.text, "package ") {
		return line + b.text
	}
	code := line + b.text
	if !topLevel.MatchString(b.text) {
		code = "func _(" + given + ") error {\n" + line + b.text
		if !returns(t, code+"}\n") {
			code += "return err\n"
		}
		code += "}\n"
	}
	imports := ""
	for name, path := range packages {
		if regexp.MustCompile(`\b` + name + `\.`).MatchString(code) {
			imports += fmt.Sprintf("import %s %q\n", name, path)
		}
	}
	return "package snippet\n" + imports + code
}

// returns reports whether the last statement of a function is a return.
func returns(t *testing.T, function string) bool {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "", "package snippet\n"+function, 0)
	require.NoError(t, err)
	body := file.Decls[0].(*ast.FuncDecl).Body.List
	require.NotEmpty(t, body)
	_, isReturn := body[len(body)-1].(*ast.ReturnStmt)
	return isReturn
}

// TestSnippets compiles the blocks of Go in the pages. The go command sees them in folders that only an overlay has.
func TestSnippets(t *testing.T) {
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	scratch := t.TempDir()
	replace := map[string]string{}
	args := []string{"build", "-o", os.DevNull, "-overlay", filepath.Join(scratch, "overlay.json")}
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			if b.language != "go" {
				continue
			}
			name := fmt.Sprintf("snippet%d", len(replace))
			file := filepath.Join(scratch, name+".go")
			require.NoError(t, os.WriteFile(file, []byte(complete(t, p, b)), 0o600))
			replace[filepath.Join(root, "docs", name, "snippet.go")] = file
			args = append(args, "./docs/"+name)
		}
	}
	require.NotEmpty(t, replace)
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(scratch, "overlay.json"), overlay, 0o600))
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	assert.NoError(t, err, "%s", out)
}

// names has the exported names of a package, and those of the fields and methods of each type.
type names map[string]map[string]bool

func (n names) add(name string, members ...string) {
	if n[name] == nil {
		n[name] = map[string]bool{}
	}
	for _, member := range members {
		n[name][member] = true
	}
}

func (n names) has(name string) bool { return n[name] != nil }

// exported reads a package, in a folder of the module, and the packages of the types that it gives other names.
func exported(t *testing.T, dir string) names {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("..", dir, "*.go"))
	require.NoError(t, err)
	all := names{}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, decl := range file.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				all.addFunc(decl)
			case *ast.GenDecl:
				for _, spec := range decl.Specs {
					all.addSpec(t, file, spec)
				}
			}
		}
	}
	return all
}

func (n names) addFunc(decl *ast.FuncDecl) {
	if decl.Recv == nil {
		n.add(decl.Name.Name)
		return
	}
	receiver := decl.Recv.List[0].Type
	if pointer, ok := receiver.(*ast.StarExpr); ok {
		receiver = pointer.X
	}
	if name, ok := receiver.(*ast.Ident); ok {
		n.add(name.Name, decl.Name.Name)
	}
}

func (n names) addSpec(t *testing.T, file *ast.File, spec ast.Spec) {
	t.Helper()
	switch spec := spec.(type) {
	case *ast.ValueSpec:
		for _, name := range spec.Names {
			n.add(name.Name)
		}
	case *ast.TypeSpec:
		n.add(spec.Name.Name)
		members := new(ast.FieldList)
		switch typ := spec.Type.(type) {
		case *ast.StructType:
			members = typ.Fields
		case *ast.InterfaceType:
			members = typ.Methods
		case *ast.SelectorExpr:
			n.addAlias(t, file, spec.Name.Name, typ)
		}
		for _, field := range members.List {
			for _, name := range field.Names {
				n.add(spec.Name.Name, name.Name)
			}
		}
	}
}

// addAlias gives a type that is another package's that type's members.
func (n names) addAlias(t *testing.T, file *ast.File, name string, typ *ast.SelectorExpr) {
	t.Helper()
	for _, imported := range file.Imports {
		dir, isOurs := strings.CutPrefix(strings.Trim(imported.Path.Value, `"`), module+"/")
		if isOurs && filepath.Base(dir) == typ.X.(*ast.Ident).Name {
			for member := range exported(t, dir)[typ.Sel.Name] {
				n.add(name, member)
			}
		}
	}
}

var (
	qualified = regexp.MustCompile(`\b(chaim|chaimtest)\.([A-Z]\w*)`)
	member    = regexp.MustCompile(`(?:^|[^\w.])(?:chaim\.|chaimtest\.)?([A-Z]\w*)\.([A-Z]\w*)`)
	sentinel  = regexp.MustCompile(`^Err[A-Z]\w*$`)
)

// TestSymbols wants what the prose names of the packages to be there.
func TestSymbols(t *testing.T) {
	known := map[string]names{"chaim": exported(t, ""), "chaimtest": exported(t, "chaimtest")}
	for _, p := range pages(t) {
		for _, span := range p.spans {
			for _, found := range qualified.FindAllStringSubmatch(span, -1) {
				assert.True(t, known[found[1]].has(found[2]), "%s: there is no %s", p.path, found[0])
			}
			for _, found := range member.FindAllStringSubmatch(span, -1) {
				isThere := known["chaim"][found[1]][found[2]] || known["chaimtest"][found[1]][found[2]]
				assert.True(t, isThere, "%s: there is no %s.%s", p.path, found[1], found[2])
			}
			if sentinel.MatchString(span) {
				assert.True(t, known["chaim"].has(span), "%s: there is no %s", p.path, span)
			}
		}
	}
}
