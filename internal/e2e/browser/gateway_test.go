//go:build browser

package browser

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const body = chromedp.CSS("body")

// opens opens a page, waits for its heading and returns its text.
func (v *visitor) opens(t *testing.T, address string) string {
	t.Helper()
	v.do(t, chromedp.Navigate(address), chromedp.WaitVisible(chromedp.CSS("h1")))
	return v.text(t)
}

func (v *visitor) text(t *testing.T) string {
	t.Helper()
	return got(t, v.tab, chromedp.Text(body))
}

// becomes waits until the page has a text.
func (v *visitor) becomes(t *testing.T, text string) string {
	t.Helper()
	var now string
	require.Eventually(t, func() bool {
		var err error
		now, err = chromedp.Run(v.tab, chromedp.Text(body))
		return err == nil && strings.Contains(now, text)
	}, patience, 50*time.Millisecond, "no %q in %s", text, now)
	return now
}

// signsIn signs in at the provider, in two clicks.
func (v *visitor) signsIn(t *testing.T, s *site, name string) {
	t.Helper()
	assert.Contains(t, v.opens(t, s.url), "Sign in to")
	v.do(t, chromedp.Click(chromedp.CSS("a.primary")), chromedp.WaitVisible(chromedp.CSS("input[name=login]")),
		chromedp.SendKeys(chromedp.CSS("input[name=login]"), name), chromedp.SendKeys(chromedp.CSS("input[name=password]"), "any"),
		chromedp.Click(chromedp.CSS("button[type=submit]")), chromedp.WaitVisible(chromedp.CSS("#q")))
}

// shows checks a page with axe-core, and keeps what it looks like in both schemes and two widths.
func (v *visitor) shows(t *testing.T, name string) {
	t.Helper()
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{1280, 360} {
			v.look(t, width, scheme)
			v.isAccessible(t, fmt.Sprintf("%s, %s, %d", name, scheme, width))
			isWide := got(t, v.tab, chromedp.Evaluate[string](`String(document.documentElement.scrollWidth > innerWidth)`))
			assert.Equal(t, "false", isWide, "%s can be scrolled to the side at %d px", name, width)
			v.screenshot(t, fmt.Sprintf("%s-%s-%d", name, scheme, width))
		}
	}
	v.look(t, 1280, "light")
}

// home is a person at a terminal.
type home struct{ dir, program string }

func newHome(t *testing.T) *home {
	t.Helper()
	path, err := command()
	require.NoError(t, err)
	return &home{t.TempDir(), path}
}

func (h *home) command(args ...string) *exec.Cmd {
	cmd := exec.Command(h.program, args...)
	cmd.Env = []string{"HOME=" + h.dir, "PATH=" + os.Getenv("PATH"), "CHAIM_LOG="}
	return cmd
}

func (h *home) run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := h.command(args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

// talk is a command that runs, and what it has said.
type talk struct {
	cmd  *exec.Cmd
	file string
}

func (h *home) begin(t *testing.T, args ...string) *talk {
	t.Helper()
	k := &talk{h.command(args...), filepath.Join(t.TempDir(), "said")}
	f, err := os.Create(k.file)
	require.NoError(t, err)
	k.cmd.Stdout, k.cmd.Stderr = f, f
	require.NoError(t, k.cmd.Start())
	require.NoError(t, f.Close())
	t.Cleanup(func() {
		if k.cmd.ProcessState == nil {
			_ = k.cmd.Process.Kill()
			_ = k.cmd.Wait()
		}
	})
	return k
}

// says waits until the command has said something, and returns the first group.
func (k *talk) says(t *testing.T, pattern string) string {
	t.Helper()
	rule := regexp.MustCompile(pattern)
	var said []byte
	require.Eventually(t, func() bool {
		said, _ = os.ReadFile(k.file)
		return rule.Match(said)
	}, patience, 20*time.Millisecond, "no %s", pattern)
	return string(rule.FindSubmatch(said)[1])
}

func (k *talk) ends(t *testing.T, text string) {
	t.Helper()
	err := k.cmd.Wait()
	said, _ := os.ReadFile(k.file)
	require.NoError(t, err, "%s", said)
	assert.Contains(t, string(said), text)
	assert.NotRegexp(t, `chm1_[0-9a-v]{26}_`, string(said))
}

func TestGatewayInABrowser(t *testing.T) {
	s := startSite(t)
	v := newVisitor(t)
	v.opens(t, s.url+"/login")
	v.shows(t, "login")
	v.signsIn(t, s, "ada")
	me := newHome(t)
	for _, part := range []struct {
		name string
		test func(t *testing.T)
	}{
		{"accounts are searched", func(t *testing.T) { searchAccounts(t, s, v) }},
		{"a console link is followed", func(t *testing.T) { followConsole(t, s, v) }},
		{"chaim login by the browser of this machine", func(t *testing.T) { logIn(t, s, v, me) }},
		{"chaim login by a code", func(t *testing.T) { logInByCode(t, s, v) }},
		{"keys and sign-ins", func(t *testing.T) { endSignIn(t, s, v, me) }},
		{"profile and a token", func(t *testing.T) { makeToken(t, s, v) }},
		{"access", func(t *testing.T) { seeAccess(t, s, v) }},
		{"audit", func(t *testing.T) { seeAudit(t, s, v) }},
		{"a user without rights", func(t *testing.T) { seeNothing(t, s) }},
		{"without JavaScript", func(t *testing.T) { withoutScript(t, s) }},
	} {
		require.True(t, t.Run(part.name, part.test))
	}
	v.opens(t, s.url+"/keys")
	v.do(t, chromedp.Click(chromedp.CSS("form.me button")), chromedp.WaitVisible(chromedp.CSS("a.primary")))
	assert.Contains(t, v.opens(t, s.url+"/keys"), "Sign in to", "the session has ended")
}

func searchAccounts(t *testing.T, s *site, v *visitor) {
	text := v.opens(t, s.url+"/accounts")
	assert.Contains(t, text, "34 accounts")
	assert.Contains(t, text, "O'Brien")
	v.shows(t, "accounts")
	v.do(t, chromedp.SendKeys(chromedp.CSS("#q"), "billing prod"))
	text = v.becomes(t, "1 account")
	assert.Contains(t, text, "billing-prod")
	assert.NotContains(t, text, "O'Brien")
	v.shows(t, "accounts-found")
	v.opens(t, s.url+"/accounts?tag=env%3Dstaging")
	assert.Contains(t, v.text(t), "10 accounts found")
	assert.Contains(t, v.opens(t, s.url+"/accounts?q=none-such"), "No account matches")
}

func followConsole(t *testing.T, s *site, v *visitor) {
	v.opens(t, s.url+"/accounts?q=sredev")
	// The form opens a new tab: here it stays in this one.
	got(t, v.tab, chromedp.Evaluate[string](`document.querySelectorAll("form[target]").forEach(f => f.removeAttribute("target")); "done"`))
	v.do(t, chromedp.Click(chromedp.CSS("form[action='/console'] button")))
	assert.Contains(t, v.becomes(t, "the console of"), "signin.aws.amazon.com")
}

func logIn(t *testing.T, s *site, v *visitor, me *home) {
	login := me.begin(t, "login", s.url, "--no-browser")
	code := login.says(t, `must show the code ([A-Z]{4}-[A-Z]{4})`)
	text := v.opens(t, login.says(t, `(http://\S+/oauth/authorize\S+)`))
	assert.Contains(t, text, code, "the page shows the code of the terminal")
	assert.Contains(t, text, "ada")
	v.shows(t, "consent")
	v.do(t, chromedp.Click(chromedp.CSS("button.primary")))
	login.ends(t, "ada")
	v.becomes(t, "go back to the terminal")
	assert.Contains(t, me.run(t, "listall"), "billing-prod")
	assert.Contains(t, me.run(t, "exec", "O'Brien", "apu", "--", "sh", "-c", "echo as $AWS_PROFILE"), "as ")

	refused := newHome(t).begin(t, "login", s.url, "--no-browser")
	v.opens(t, refused.says(t, `(http://\S+/oauth/authorize\S+)`))
	v.do(t, chromedp.Click(chromedp.CSS("button[value=deny]")))
	require.Error(t, refused.cmd.Wait())
}

func logInByCode(t *testing.T, s *site, v *visitor) {
	other := newHome(t)
	login := other.begin(t, "login", s.url, "--device")
	code := login.says(t, `type the code (\S+) there`)
	v.opens(t, s.url+"/device")
	v.shows(t, "device")
	v.do(t, chromedp.SendKeys(chromedp.CSS("#code"), "BBBB-BBBB"), chromedp.Click(chromedp.CSS("button.primary")))
	v.becomes(t, "No program waits with this code")
	v.do(t, chromedp.SetValue(chromedp.CSS("#code"), strings.ToLower(code)), chromedp.Click(chromedp.CSS("button.primary")))
	text := v.becomes(t, "Let this program sign in?")
	assert.Contains(t, text, "127.0.0.1")
	v.shows(t, "device-asked")
	v.do(t, chromedp.Click(chromedp.CSS("button[value=allow]")))
	v.becomes(t, "The program is signed in")
	login.ends(t, "ada")
	assert.Contains(t, other.run(t, "logout", s.url), "signed out")
	out, err := other.command("listall").CombinedOutput()
	require.Error(t, err, "%s", out)
}

func endSignIn(t *testing.T, s *site, v *visitor, me *home) {
	text := v.opens(t, s.url+"/keys")
	assert.Contains(t, text, "O'Brien")
	assert.Contains(t, text, "this browser")
	v.shows(t, "keys")
	ofChaim := chromedp.CSS(`button[aria-label^="End chaim"]`)
	v.do(t, chromedp.Click(ofChaim), chromedp.WaitNotPresent(ofChaim), chromedp.WaitVisible(chromedp.CSS("h1")))
	var said bytes.Buffer
	require.Eventually(t, func() bool { // each replica refuses it
		said.Reset()
		cmd := me.command("listall")
		cmd.Stdout, cmd.Stderr = &said, &said
		return cmd.Run() != nil
	}, patience, 100*time.Millisecond)
	assert.Contains(t, said.String(), "chaim login")
}

func makeToken(t *testing.T, s *site, v *visitor) {
	text := v.opens(t, s.url+"/profile")
	assert.Contains(t, text, "corp:sre")
	assert.Contains(t, text, "everyone-reads")
	v.shows(t, "profile")
	v.do(t, chromedp.SendKeys(chromedp.CSS("input[name=label]"), "build server"), chromedp.Click(chromedp.CSS(`form[action="/profile/tokens"] button`)))
	v.becomes(t, "chm1_")
}

func seeAccess(t *testing.T, s *site, v *visitor) {
	text := v.opens(t, s.url+"/access?account=sreprod")
	assert.Contains(t, text, "ada")
	assert.Contains(t, text, "sre")
	v.shows(t, "access")
	assert.Contains(t, v.opens(t, s.url+"/access?user=ada&account=sreprod&role=apu"), "sre")
}

func seeAudit(t *testing.T, s *site, v *visitor) {
	text := v.opens(t, s.url+"/audit")
	assert.Contains(t, text, "Chain whole")
	v.shows(t, "audit")
	text = v.opens(t, s.url+"/audit?type=issue.issued")
	assert.Contains(t, text, "issue.issued")
	assert.NotContains(t, text, "auth.signed_in")
	v.do(t, chromedp.Click(chromedp.CSS(`a[href^="/issues/"]`)))
	text = v.becomes(t, "issue.allowed")
	assert.Contains(t, text, "ASIA", "the id of the key")
	v.shows(t, "issue")
}

func seeNothing(t *testing.T, s *site) {
	v := newVisitor(t)
	v.signsIn(t, s, "zoe")
	text := v.opens(t, s.url+"/accounts")
	assert.NotContains(t, text, "sreprod")
	assert.NotContains(t, text, "Audit")
	assert.Contains(t, v.opens(t, s.url+"/audit"), "admins")
	assert.NotContains(t, v.opens(t, s.url+"/accounts?q=sreprod"), "444444444444")
}

func withoutScript(t *testing.T, s *site) {
	v := newVisitor(t)
	v.do(t, call(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}))
	v.signsIn(t, s, "bob")
	v.do(t, chromedp.SendKeys(chromedp.CSS("#q"), "billing"), chromedp.Click(chromedp.CSS("form.search button")))
	v.becomes(t, "2 accounts found")
	assert.Contains(t, v.opens(t, s.url+"/keys"), "this browser")
	v.do(t, chromedp.Click(chromedp.CSS("form.me button")), chromedp.WaitVisible(chromedp.CSS("a.primary")))
}
