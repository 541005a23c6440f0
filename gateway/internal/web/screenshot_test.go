package web

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// authorizeQuery is a right request of the command.
func authorizeQuery() url.Values {
	return url.Values{
		"response_type": {"code"}, "client_id": {"chaim-cli"}, "redirect_uri": {"http://127.0.0.1:4321/callback"}, "code_challenge": {challenge},
		"code_challenge_method": {"S256"}, "state": {"STATE1"}, "program": {"chaim/1.4.0"}, "host": {"laptop-42"},
	}
}

// shots are the pages that are worth a look. A form is sent by POST.
var shots = []struct {
	name, path string
	form       url.Values
	signedOut  bool
}{
	{name: "accounts", path: "/accounts"},
	{name: "found", path: "/accounts?q=payments&ou=root%2Fprod"},
	{name: "nothing", path: "/accounts?q=zzzz"},
	{name: "keys", path: "/keys"},
	{name: "profile", path: "/profile?account=payments-prod-00&role=rpu"},
	{name: "login", path: "/login?next=/keys", signedOut: true},
	{name: "link", path: "/auth/link?code=CANARYlinkcode", signedOut: true},
	{name: "consent", path: "/oauth/authorize?" + authorizeQuery().Encode()},
	{name: "device", path: "/device"},
	{name: "asker", path: "/device", form: url.Values{"code": {"BCDF-GHJK"}}},
	{name: "wrongcode", path: "/device", form: url.Values{"code": {"BBBB-BBBB"}}},
	{name: "token", path: "/profile/tokens", form: url.Values{"label": {"nightly report"}, "lifetime": {"24h0m0s"}}},
	{name: "access", path: "/access?account=payments-prod-00"},
	{name: "audit", path: "/audit"},
	{name: "issue", path: "/issues/" + issueID},
	{name: "problem", path: "/issues/other"},
}

// TestScreenshots writes a picture of every page, light and dark, narrow and wide, into the folder that CHAIM_SCREENSHOTS names.
// Without it nothing is to be done. Browsers come from CHROMIUM, or from the path.
func TestScreenshots(t *testing.T) {
	folder := os.Getenv("CHAIM_SCREENSHOTS")
	if folder == "" {
		return
	}
	chromium := "chromium"
	if named := os.Getenv("CHROMIUM"); named != "" {
		chromium = named
	}
	only := os.Getenv("CHAIM_SCREENSHOT")
	for _, shot := range shots {
		if only != "" && !strings.Contains(","+only+",", ","+shot.name+",") {
			continue
		}
		w := newWorld()
		w.signedOut = shot.signedOut
		server := devServer(t, w, shot.form)
		for _, width := range []int{360, 1280} {
			for scheme, setting := range map[string]string{"light": "1", "dark": "0"} {
				file := filepath.Join(folder, fmt.Sprintf("%s-%s-%d.png", shot.name, scheme, width))
				command := exec.CommandContext(t.Context(), chromium, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
					"--user-data-dir="+t.TempDir(), "--blink-settings=preferredColorScheme="+setting, "--enable-logging=stderr",
					fmt.Sprintf("--window-size=%d,900", width), "--screenshot="+file, server.URL+shot.path)
				command.WaitDelay = 20 * time.Second
				said, err := command.CombinedOutput()
				require.NoError(t, err, "%s", said)
				require.NotContains(t, string(said), "Content Security Policy")
			}
		}
	}
}
