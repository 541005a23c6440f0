//go:build browser

package browser

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/chaimtest"
)

// patience is how long a step may take on a busy machine.
const patience = 30 * time.Second

// browserOf returns the path of the browser.
func browserOf() (string, error) {
	if path := os.Getenv("CHROMIUM"); path != "" {
		return path, nil
	}
	return exec.LookPath("chromium")
}

// command builds the command chaim once.
var command = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "chaim-browser-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "chaim")
	build := exec.Command("go", "build", "-o", path, "./cmd/chaim")
	build.Dir = "../../.."
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := command(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// openBrowser opens a tab of a new browser for the rest of a test.
func openBrowser(t *testing.T) (tab context.Context) {
	t.Helper()
	path, err := browserOf()
	require.NoError(t, err)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()))
	browser, end := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(end)
	tab, closeTab := chromedp.NewContext(browser)
	t.Cleanup(closeTab)
	require.NoError(t, chromedp.Do(tab, chromedp.Navigate("about:blank")), "starting %s", path)
	tab, stop := context.WithTimeout(tab, 10*patience)
	t.Cleanup(stop)
	return tab
}

// login is a running 'chaim login'.
type login struct {
	cmd        *exec.Cmd
	lines      chan string
	said       bytes.Buffer // complete once lines is closed
	page, code string
	file       string // of the sign-in
}

// begin runs 'chaim login', and reads the page that it shows.
func begin(t *testing.T, srv *chaimtest.Server, args ...string) *login {
	t.Helper()
	path, err := command()
	require.NoError(t, err)
	home := t.TempDir()
	l := &login{lines: make(chan string, 100), file: filepath.Join(home, ".aws", "sso", "cache", "ee0bfd2552fbd840c02cc48b6e823320543c450f.json")}
	config := "[sso-session corp]\nsso_start_url = " + srv.StartURL() + "\nsso_region = eu-central-1\n"
	require.NoError(t, os.WriteFile(filepath.Join(home, "config"), []byte(config), 0o600))
	l.cmd = exec.Command(path, append([]string{"login"}, args...)...)
	l.cmd.Env = append(srv.Environ(home), "HOME="+home, "PATH="+os.Getenv("PATH"), "CHAIM_URL=", "CHAIM_USER=", "CHAIM_TOKEN=")
	stderr, err := l.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, l.cmd.Start())
	t.Cleanup(func() {
		if l.cmd.ProcessState == nil {
			_ = l.cmd.Process.Kill()
			_ = l.cmd.Wait()
		}
	})
	go func() {
		defer close(l.lines)
		for s := bufio.NewScanner(stderr); s.Scan(); {
			l.lines <- s.Text()
		}
	}()
	return l
}

var (
	pageLine = regexp.MustCompile(`^  (https?://\S+)$`)
	codeLine = regexp.MustCompile(`type the code (\S+) there`)
)

// shows waits for the page, and with isDevice for the code.
func (l *login) shows(t *testing.T, isDevice bool) {
	t.Helper()
	late := time.After(patience)
	for l.page == "" || isDevice && l.code == "" {
		select {
		case line, isOpen := <-l.lines:
			require.True(t, isOpen, "chaim has ended: %s", &l.said)
			l.said.WriteString(line + "\n")
			if m := pageLine.FindStringSubmatch(line); m != nil {
				l.page = m[1]
			}
			if m := codeLine.FindStringSubmatch(line); m != nil {
				l.code = m[1]
			}
		case <-late:
			require.Fail(t, "no page", "%s", &l.said)
		}
	}
}

// ends waits for the end, and checks that nothing listens any more and that there is a sign-in only after success.
func (l *login) ends(t *testing.T, code int, text string) {
	t.Helper()
	late := time.AfterFunc(patience, func() { _ = l.cmd.Process.Kill() })
	defer late.Stop()
	for line := range l.lines {
		l.said.WriteString(line + "\n")
	}
	_ = l.cmd.Wait()
	assert.Equal(t, code, l.cmd.ProcessState.ExitCode(), "%s", &l.said)
	assert.Contains(t, l.said.String(), text)
	assert.NotContains(t, l.said.String(), "CANARY")
	if code == 0 {
		assert.FileExists(t, l.file)
	} else {
		assert.NoFileExists(t, l.file)
	}
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(l.file), "*"))
	for _, path := range left {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		if path != l.file { // a lock, or the registration of the client
			assert.NotContains(t, string(text), "accessToken", path)
			assert.NotContains(t, string(text), "refreshToken", path)
		}
	}
	if back := l.callback(); back != nil {
		_, err := net.DialTimeout("tcp", back.Host, time.Second)
		assert.ErrorIs(t, err, syscall.ECONNREFUSED)
	}
}

// callback returns the address to which the browser returns, or nil for a device.
func (l *login) callback() *url.URL {
	page, err := url.Parse(l.page)
	if err != nil || page.Query().Get("redirect_uri") == "" {
		return nil
	}
	back, err := url.Parse(page.Query().Get("redirect_uri"))
	if err != nil {
		return nil
	}
	return back
}

// visit opens a page, and returns its text.
func visit(t *testing.T, tab context.Context, address string) (text string) {
	t.Helper()
	require.NoError(t, chromedp.Do(tab, chromedp.Navigate(address)))
	return got(t, tab, chromedp.Text(chromedp.CSS("body")))
}

// got returns what an action tells.
func got(t *testing.T, tab context.Context, action chromedp.Action[string]) (text string) {
	t.Helper()
	text, err := chromedp.Run(tab, action)
	require.NoError(t, err)
	return text
}

// press presses a button, and returns the text of the page after that, which has this element.
func press(t *testing.T, tab context.Context, button, next chromedp.CSS) (text string) {
	t.Helper()
	require.NoError(t, chromedp.Do(tab, chromedp.Click(button), chromedp.WaitVisible(next)))
	return got(t, tab, chromedp.Text(chromedp.CSS("body")))
}

func TestBrowser(t *testing.T) {
	tab := openBrowser(t)
	t.Run("signs in", func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		l := begin(t, srv, "--no-browser")
		l.shows(t, false)
		assert.Contains(t, visit(t, tab, l.page), "Sign in to chaimtest")
		assert.Contains(t, press(t, tab, "#allow", "main"), "chaim has what it needs. You can close this page and go back to the terminal.")
		address, source := got(t, tab, chromedp.Location()), got(t, tab, chromedp.OuterHTML(chromedp.CSS("html")))
		assert.Equal(t, l.callback().Path, mustParse(t, address).Path)
		assert.NotContains(t, source, "http://", "nothing from elsewhere")
		l.ends(t, 0, "signed in to "+srv.StartURL()+", where you have 3 accounts")
		// The callback a second time: nothing listens.
		require.ErrorContains(t, chromedp.Do(tab, chromedp.Navigate(address)), "ERR_CONNECTION_REFUSED")
	})
	t.Run("wrong state, then the right one", func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		l := begin(t, srv, "--no-browser")
		l.shows(t, false)
		back := l.callback()
		back.RawQuery = url.Values{"state": {"wrong"}, "code": {"x"}}.Encode()
		assert.Contains(t, visit(t, tab, back.String()), "This is not the sign-in that chaim waits for.")
		visit(t, tab, l.page)
		press(t, tab, "#allow", "main")
		l.ends(t, 0, "signed in to")
	})
	t.Run("replayed code", func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		first := begin(t, srv, "--no-browser")
		first.shows(t, false)
		visit(t, tab, first.page)
		press(t, tab, "#allow", "main")
		used := got(t, tab, chromedp.Location())
		first.ends(t, 0, "signed in to")
		second := begin(t, srv, "--no-browser")
		second.shows(t, false)
		back := second.callback()
		back.RawQuery = url.Values{
			"state": {mustParse(t, second.page).Query().Get("state")}, "code": {mustParse(t, used).Query().Get("code")},
		}.Encode()
		visit(t, tab, back.String())
		second.ends(t, 1, "InvalidGrantException")
	})
	t.Run("refused", func(t *testing.T) {
		l := begin(t, chaimtest.NewServer(t), "--no-browser")
		l.shows(t, false)
		visit(t, tab, l.page)
		assert.Contains(t, press(t, tab, "#deny", "main"), "The sign-in has failed. The terminal says why.")
		l.ends(t, 3, `access_denied: "the user refused"`)
	})
	t.Run("browser closed, Ctrl-C", func(t *testing.T) {
		l := begin(t, chaimtest.NewServer(t), "--no-browser")
		l.shows(t, false)
		other, closeTab := chromedp.NewContext(tab)
		visit(t, other, l.page)
		closeTab()
		require.NoError(t, l.cmd.Process.Signal(syscall.SIGINT))
		l.ends(t, 130, "")
	})
	t.Run("device", func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		for button, want := range map[chromedp.CSS]string{"#allow": "signed in to " + srv.StartURL(), "#deny": "refused in the browser"} {
			l := begin(t, srv, "--device")
			l.shows(t, true)
			assert.NotContains(t, l.page, l.code, "a person types the code")
			visit(t, tab, l.page)
			require.NoError(t, chromedp.Do(tab, chromedp.SendKeys(chromedp.CSS("#code"), l.code)))
			assert.Contains(t, press(t, tab, button, "p"), "You can close this page.")
			l.ends(t, map[chromedp.CSS]int{"#allow": 0, "#deny": 3}[button], want)
		}
		l := begin(t, srv, "--device")
		l.shows(t, true)
		assert.Contains(t, visit(t, tab, l.page+"?user_code=AAAA-0000"), "This code is unknown.")
		require.NoError(t, l.cmd.Process.Signal(syscall.SIGINT))
		l.ends(t, 130, "")
	})
}

func mustParse(t *testing.T, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	return u
}

func TestPortTaken(t *testing.T) {
	other, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer other.Close()
	_, port, err := net.SplitHostPort(other.Addr().String())
	require.NoError(t, err)
	l := begin(t, chaimtest.NewServer(t), "--port", port)
	l.ends(t, 1, "address already in use")
}
