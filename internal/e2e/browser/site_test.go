//go:build browser

package browser

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// site is the installation of examples/gateway: PostgreSQL, an OpenID provider, three replicas.
type site struct {
	url, config string
	program     string // chaim-gateway
	replicas    []string
}

var (
	gatewayLine = regexp.MustCompile(`^gateway +(\S+)`)
	configLine  = regexp.MustCompile(`CHAIM_GATEWAY_CONFIG=(\S+)`)
)

// startSite starts an installation for the rest of the test.
func startSite(t *testing.T) *site {
	t.Helper()
	dir := t.TempDir()
	s := &site{program: filepath.Join(dir, "chaim-gateway")}
	build := func(args ...string) {
		cmd := exec.Command("go", args...)
		cmd.Dir = "../../.."
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	build("-C", "gateway", "build", "-o", s.program, "./cmd/chaim-gateway")
	build("build", "-o", filepath.Join(dir, "site"), "./examples/gateway")
	cmd := exec.Command(filepath.Join(dir, "site"), "-program", s.program)
	cmd.Dir = "../../.."
	var said bytes.Buffer
	cmd.Stderr = &said
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		assert.NoError(t, cmd.Wait(), "%s", &said)
	})
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		line := lines.Text()
		if m := gatewayLine.FindStringSubmatch(line); m != nil {
			s.url = m[1]
		}
		if m := configLine.FindStringSubmatch(line); m != nil {
			s.config = m[1]
		}
		if rest, isReplicas := strings.CutPrefix(line, "replicas"); isReplicas {
			s.replicas = strings.Split(strings.TrimSpace(rest), ", ")
		}
		if strings.HasPrefix(line, "Ctrl-C") {
			return s
		}
	}
	require.Fail(t, "the example has ended", "%s", &said)
	return nil
}

// visitor is a browser of its own, whose violations of the Content-Security-Policy are failures.
type visitor struct {
	tab context.Context

	mu         sync.Mutex
	violations []string
}

// newVisitor opens a browser in which the pages of AWS are those of a server of the test.
func newVisitor(t *testing.T, options ...chromedp.ExecAllocatorOption) *visitor {
	t.Helper()
	path, err := browserOf()
	require.NoError(t, err)
	aws := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "<title>AWS</title>the console of %s", r.Host)
	}))
	t.Cleanup(aws.Close)
	all := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("host-resolver-rules", "MAP *.amazon.com "+strings.TrimPrefix(aws.URL, "https://")),
		chromedp.Flag("ignore-certificate-errors", true))
	browser, end := chromedp.NewExecAllocator(context.Background(), append(all, options...)...)
	t.Cleanup(end)
	tab, closeTab := chromedp.NewContext(browser)
	t.Cleanup(closeTab)
	v := &visitor{}
	require.NoError(t, chromedp.Do(tab, chromedp.Navigate("about:blank")))
	require.NoError(t, chromedp.Listen(tab, func(event any) {
		switch e := event.(type) {
		case *log.EventEntryAdded:
			if e.Entry.Source == log.EntrySourceSecurity || strings.Contains(e.Entry.Text, "Content Security Policy") {
				v.violated(e.Entry.Text)
			}
		case *audits.EventIssueAdded:
			if d := e.Issue.Details.ContentSecurityPolicyIssueDetails; d != nil {
				v.violated(d.ViolatedDirective)
			}
		}
	}))
	require.NoError(t, chromedp.Do(tab, call(log.Enable, cdp.Empty{}), call(audits.Enable, cdp.Empty{})))
	var stop context.CancelFunc
	v.tab, stop = context.WithTimeout(tab, 10*patience)
	t.Cleanup(stop)
	t.Cleanup(func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		assert.Empty(t, v.violations, "violations of the Content-Security-Policy")
	})
	return v
}

// call is a command of the protocol as an action.
func call[P, R any](c cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, c, params)
		return err
	})
}

func (v *visitor) violated(text string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.violations = append(v.violations, text)
}

// do runs actions, which must succeed.
func (v *visitor) do(t *testing.T, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	require.NoError(t, chromedp.Do(v.tab, actions...))
}

// look sets the width of the window and the colour scheme.
func (v *visitor) look(t *testing.T, width int64, scheme string) {
	t.Helper()
	v.do(t, call(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: width, Height: 800, DeviceScaleFactor: 1, Mobile: width < 600,
	}), call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	}))
}

// axeSource is the script of axe-core, which npm installs once.
var axeSource = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "chaim-axe-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	if err := os.CopyFS(dir, os.DirFS("testdata/node")); err != nil {
		return "", err
	}
	if out, err := exec.Command("npm", "ci", "--prefix", dir, "--ignore-scripts", "--no-audit", "--no-fund", "--silent").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	text, err := os.ReadFile(filepath.Join(dir, "node_modules", "axe-core", "axe.min.js"))
	return string(text), err
})

func awaited(p *runtime.EvaluateParams) {
	isTrue := true
	p.AwaitPromise = &isTrue
}

// isAccessible checks the page with axe-core.
func (v *visitor) isAccessible(t *testing.T, name string) {
	t.Helper()
	source, err := axeSource()
	require.NoError(t, err)
	found, err := chromedp.Run(v.tab, chromedp.Evaluate[string](source+`
		;axe.run(document, {resultTypes: ['violations']}).then(r => JSON.stringify(r.violations.filter(v => v.impact === 'serious' || v.impact === 'critical')
			.map(v => ({id: v.id, help: v.help, nodes: v.nodes.map(n => n.html.slice(0, 200) + ' ' + n.failureSummary)}))))`, awaited))
	require.NoError(t, err)
	var violations []any
	require.NoError(t, json.Unmarshal([]byte(found), &violations))
	assert.Empty(t, violations, "axe-core on %s", name)
}

// screenshot writes what the page looks like into the folder of CHAIM_SCREENSHOTS, if it is set.
func (v *visitor) screenshot(t *testing.T, name string) {
	t.Helper()
	picture, err := chromedp.Run(v.tab, chromedp.CaptureScreenshot())
	require.NoError(t, err)
	if dir := os.Getenv("CHAIM_SCREENSHOTS"); dir != "" {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o644))
	}
}
