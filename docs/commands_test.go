package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	manOption = regexp.MustCompile(`(?m)^\\fB\\-.*$`)
	manFlag   = regexp.MustCompile(`--?[A-Za-z][A-Za-z-]*`)
	manMarks  = strings.NewReplacer(`\-`, "-", `\fB`, "", `\fI`, "", `\fP`, "")
)

// commands returns the flags of each command, as the man pages have them; "" stands for chaim itself.
func commands(t *testing.T) map[string]map[string]bool {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("man", "*.1"))
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	all := map[string]map[string]bool{"help": {}}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		flags := map[string]bool{}
		for _, option := range manOption.FindAllString(string(text), -1) {
			for _, name := range manFlag.FindAllString(manMarks.Replace(option), -1) {
				flags[name] = true
			}
		}
		require.Contains(t, flags, "--help", path)
		name := strings.TrimPrefix(strings.TrimSuffix(filepath.Base(path), ".1"), "chaim")
		all[strings.TrimPrefix(name, "-")] = flags
	}
	return all
}

var (
	// A call of chaim in a piece of code, up to the end of that command.
	call = regexp.MustCompile("(?m)(?:^|[\\s(\"'])chaim +([^;|&)\\n]*)")
	// A flag that stands alone.
	lone = regexp.MustCompile(`^(-[A-Za-z]{1,2}|--[a-z][a-z-]*)$`)
)

// foreign are the flags of other programs that stand alone in a page.
var foreign = map[string]bool{"--skip-default-credentials": true}

// wrong returns what is wrong with the calls of chaim in a piece of code.
func wrong(code string, known map[string]map[string]bool) []string {
	var found []string
	for _, at := range call.FindAllStringSubmatchIndex(code, -1) {
		words := strings.Fields(code[at[2]:at[3]])
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		command := ""
		if !strings.HasPrefix(words[0], "-") {
			command = strings.Trim(words[0], `"',.[]`)
		}
		flags, isKnown := known[command]
		if !isKnown {
			found = append(found, "there is no command "+command)
			continue
		}
		for _, word := range words {
			if word == "--" || word == "[--" || strings.HasPrefix(word, "#") {
				break
			}
			name, _, _ := strings.Cut(strings.Trim(word, `"',.[]`), "=")
			if strings.HasPrefix(name, "-") && name != "-" && !flags[name] {
				found = append(found, "chaim "+command+" has no flag "+name)
			}
		}
	}
	return found
}

func TestCommands(t *testing.T) {
	known := commands(t)
	isFlag := map[string]bool{"-vv": true} // twice -v
	for _, flags := range known {
		for name := range flags {
			isFlag[name] = true
		}
	}
	for _, p := range pages(t) {
		for _, span := range p.spans {
			assert.Empty(t, wrong(span, known), "%s: `%s`", p.path, span)
			assert.False(t, lone.MatchString(span) && !isFlag[span] && !foreign[span], "%s: no command has %s", p.path, span)
		}
		for _, b := range p.blocks {
			if b.language != "go" {
				assert.Empty(t, wrong(b.text, known), "%s:%d", p.path, b.line)
			}
		}
	}
}

// TestReadmeHasEveryCommand reads the table of commands in the README.
func TestReadmeHasEveryCommand(t *testing.T) {
	readme := readPage(t, filepath.Join("..", "README.md"))
	for name := range commands(t) {
		if name == "" || name == "help" || strings.HasPrefix(name, "completion-") {
			continue
		}
		assert.Regexp(t, "(?m)^\\| `chaim "+name+"[ `]", readme.prose)
	}
}
