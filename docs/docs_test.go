// Package docs has the tests of the README and of the pages beside this file.
package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// page is a file in Markdown.
type page struct {
	path   string   // from this folder
	prose  string   // all but the blocks of code, with as many lines as the file
	spans  []string // pieces of code in the prose
	blocks []block
}

// block is a fenced block of code.
type block struct {
	language, text string
	line           int // of its first line in the page
}

var inlineCode = regexp.MustCompile("`([^`]+)`")

// pages returns the README and the pages in this folder.
func pages(t *testing.T) []page {
	t.Helper()
	paths, err := filepath.Glob("*.md")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	all := []page{readPage(t, filepath.Join("..", "README.md"))}
	for _, path := range paths {
		all = append(all, readPage(t, path))
	}
	return all
}

func readPage(t *testing.T, path string) page {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	p := page{path: path}
	var open *block
	for i, line := range strings.Split(string(text), "\n") {
		language, isFence := strings.CutPrefix(line, "```")
		switch {
		case isFence && open == nil:
			open = &block{language: language, line: i + 2}
		case isFence:
			p.blocks = append(p.blocks, *open)
			open = nil
		case open != nil:
			open.text += line + "\n"
		default:
			p.prose += line
		}
		p.prose += "\n"
	}
	require.Nil(t, open, "%s: a block of code has no end", path)
	for _, found := range inlineCode.FindAllStringSubmatch(p.prose, -1) {
		p.spans = append(p.spans, found[1])
	}
	return p
}

var (
	link     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading  = regexp.MustCompile(`(?m)^#+ +(.+)$`)
	notInURL = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
	repoPath = regexp.MustCompile(`^(docs|examples|internal|cmd|bench|chaimtest|gateway|\.ci)(/[\w./-]*)?$`)
)

// anchors returns the anchors of a page's headings, as GitHub makes them.
func anchors(p page) []string {
	var all []string
	for _, found := range heading.FindAllStringSubmatch(p.prose, -1) {
		all = append(all, strings.ReplaceAll(notInURL.ReplaceAllString(strings.ToLower(found[1]), ""), " ", "-"))
	}
	return all
}

func TestLinks(t *testing.T) {
	linked := map[string]bool{}
	for _, p := range pages(t) {
		for _, found := range link.FindAllStringSubmatch(p.prose, -1) {
			target := found[1]
			if strings.HasPrefix(target, "https://") {
				continue
			}
			path, anchor, hasAnchor := strings.Cut(target, "#")
			file := p.path
			if path != "" {
				file = filepath.Join(filepath.Dir(p.path), path)
				linked[strings.TrimPrefix(file, filepath.Join("..", "docs")+string(filepath.Separator))] = true
			}
			if _, err := os.Stat(file); !assert.NoError(t, err, "%s: link to %s", p.path, target) || !hasAnchor {
				continue
			}
			assert.Contains(t, anchors(readPage(t, file)), anchor, "%s: link to %s", p.path, target)
		}
		for _, span := range p.spans {
			if repoPath.MatchString(span) {
				_, err := os.Stat(filepath.Join("..", span))
				assert.NoError(t, err, "%s names %s", p.path, span)
			}
		}
	}
	for _, p := range pages(t)[1:] {
		assert.True(t, linked[p.path], "no page has a link to %s", p.path)
	}
}

// TestReadme keeps the README short and its two commands where .ci/run looks for them.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "README.md"))
	require.NoError(t, err)
	lines := strings.Split(string(text), "\n")
	assert.LessOrEqual(t, len(lines), 170)
	for _, command := range []string{"go run ./examples/quickstart", "go test ./... && go -C gateway test ./..."} {
		assert.True(t, slices.Contains(lines, command), "README.md has no line %q", command)
	}
}

var unclear = regexp.MustCompile(`(?i)\b(whoever|somebody|nobody)\b`)

func TestWords(t *testing.T) {
	for _, p := range pages(t) {
		assert.Empty(t, unclear.FindAllString(inlineCode.ReplaceAllString(p.prose, ""), -1), p.path)
	}
}

var figure = regexp.MustCompile(`\d[\d.,]* ?(ns|µs|us|ms|MB/s|GB/s|KB/s|ops/s)\b|\d[\d.,]*( times|x|×| ?%) (faster|slower|less|fewer|smaller)`)

// TestFigures wants each measured figure to be one of the table that bench/run prints.
func TestFigures(t *testing.T) {
	results, err := os.ReadFile(filepath.Join("..", "bench", "README.md"))
	require.NoError(t, err)
	for _, p := range pages(t) {
		for _, found := range figure.FindAllString(p.prose, -1) {
			assert.Contains(t, string(results), found, "%s has a figure that bench/README.md has not", p.path)
		}
	}
}

var (
	variable = regexp.MustCompile(`\bCHAIM_[A-Z][A-Z_]*[A-Z]\b`)
	sources  = []string{"*.go", "run"}
)

// TestVariables wants each variable of the pages to be in the source.
func TestVariables(t *testing.T) {
	known := map[string]bool{}
	require.NoError(t, filepath.WalkDir("..", func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == ".git" || path == filepath.Join("..", "docs")) {
			return filepath.SkipDir
		}
		isSource := slices.ContainsFunc(sources, func(pattern string) bool {
			ok, _ := filepath.Match(pattern, entry.Name())
			return ok
		})
		if entry.IsDir() || !isSource {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, name := range variable.FindAllString(string(text), -1) {
			known[name] = true
		}
		return err
	}))
	for _, p := range pages(t) {
		text := p.prose
		for _, b := range p.blocks {
			text += b.text
		}
		for _, name := range variable.FindAllString(text, -1) {
			assert.True(t, known[name], "%s names %s, which no source has", p.path, name)
		}
	}
}
