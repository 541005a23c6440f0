package idcenter_test

import (
	"context"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/internal/idcenter"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/profiles"
	"github.com/chaim-go/chaim/internal/ssotoken"
)

// memory keeps a sign-in in memory.
type memory struct {
	mu    sync.Mutex
	token *ssotoken.Token
}

func (m *memory) Path() string { return "memory" }

func (m *memory) Read(context.Context) (ssotoken.Token, error) {
	if m.token == nil {
		return ssotoken.Token{}, fs.ErrNotExist
	}
	return *m.token, nil
}

func (m *memory) Write(_ context.Context, token ssotoken.Token) error {
	m.token = &token
	return nil
}

func (m *memory) Remove() error {
	m.token = nil
	return nil
}

func (m *memory) Lock(context.Context) (func(), error) {
	m.mu.Lock()
	return m.mu.Unlock, nil
}

func newCenter(t *testing.T, srv *chaimtest.Server) *idcenter.Center {
	t.Helper()
	t.Setenv("AWS_CONFIG_FILE", "/nowhere")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
	return &idcenter.Center{
		StartURL: srv.StartURL(), Region: "eu-central-1", SignIn: &memory{}, HTTP: srv.HTTPClient(), Files: profiles.AWSFiles{}, Log: slog.New(slog.DiscardHandler),
	}
}

// press presses a button of the page, and returns where the browser goes then.
func press(t *testing.T, srv *chaimtest.Server, page, button string) (location string) {
	t.Helper()
	u, err := url.Parse(page)
	require.NoError(t, err)
	form := u.Query()
	form.Set("answer", button)
	client := *srv.HTTPClient()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.PostForm(page, form)
	require.NoError(t, err)
	defer resp.Body.Close()
	return resp.Header.Get("Location")
}

// visit returns the page at an address on this machine.
func visit(t *testing.T, address string) (status int, text string) {
	t.Helper()
	resp, err := http.Get(address)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	if resp.StatusCode != http.StatusNotFound {
		assert.Equal(t, "no-referrer", resp.Header.Get("Referrer-Policy"))
	}
	return resp.StatusCode, string(body)
}

func TestLoginByBrowser(t *testing.T) {
	srv := chaimtest.NewServer(t)
	c := newCenter(t, srv)
	token, err := c.Login(t.Context(), idcenter.Login{Show: func(page, code string) {
		assert.Empty(t, code)
		back := press(t, srv, page, "allow")
		assert.True(t, strings.HasPrefix(back, "http://127.0.0.1:"), back)
		other, _ := url.Parse(back)
		query := other.Query()
		query.Set("state", "wrong")
		other.RawQuery = query.Encode()
		status, text := visit(t, other.String())
		assert.Equal(t, 400, status)
		assert.Contains(t, text, "not the sign-in that chaim waits for")
		status, _ = visit(t, strings.Replace(back, "/oauth/callback", "/", 1))
		assert.Equal(t, 404, status)
		status, text = visit(t, back)
		assert.Equal(t, 200, status)
		assert.Contains(t, text, "go back to the terminal")
		status, _ = visit(t, back)
		assert.Equal(t, 410, status)
	}})
	require.NoError(t, err)
	assert.WithinDuration(t, time.Now().Add(time.Hour), token.Expires, time.Minute)
	assert.True(t, token.CanRefresh(time.Now()))
	accounts, err := c.Accounts(t.Context())
	require.NoError(t, err)
	assert.Len(t, accounts, 3)
	roles, err := c.Roles(t.Context(), "111111111111")
	require.NoError(t, err)
	assert.Contains(t, roles, "CrossAccountReadOnly")
	creds, err := c.Keys(t.Context(), "111111111111", "CrossAccountReadOnly")
	require.NoError(t, err)
	assert.Equal(t, "111111111111", creds.AccountID)

	wasSignedIn, err := c.Logout(t.Context())
	require.NoError(t, err)
	assert.True(t, wasSignedIn)
	_, err = c.Accounts(t.Context())
	require.ErrorIs(t, err, idcenter.ErrSignedOut)
	wasSignedIn, err = c.Logout(t.Context())
	require.NoError(t, err)
	assert.False(t, wasSignedIn)
}

func TestRefusedLogin(t *testing.T) {
	srv := chaimtest.NewServer(t)
	c := newCenter(t, srv)
	_, err := c.Login(t.Context(), idcenter.Login{Show: func(page, _ string) { visit(t, press(t, srv, page, "deny")) }})
	require.ErrorIs(t, err, keys.ErrDenied)
	require.ErrorContains(t, err, `signing in to https://chaimtest.awsapps.com/start: denied: the sign-in page answered access_denied: "the user refused"`)
	ctx, end := context.WithCancel(t.Context())
	_, err = c.Login(ctx, idcenter.Login{Show: func(string, string) { end() }})
	require.ErrorIs(t, err, context.Canceled)
	c.StartURL = "https://other.awsapps.com/start"
	_, err = c.Login(t.Context(), idcenter.Login{Device: true})
	require.ErrorContains(t, err, "is https://other.awsapps.com/start the start URL, and eu-central-1 the region of the Identity Center?")
}

func TestLoginByDevice(t *testing.T) {
	t.Setenv("AWS_CONFIG_FILE", "/nowhere")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
	for button, want := range map[string]string{"allow": "", "deny": "refused in the browser", "": "no sign-in within 10m0s"} {
		synctest.Test(t, func(t *testing.T) {
			srv := chaimtest.NewServer(t)
			c := &idcenter.Center{
				StartURL: srv.StartURL(), Region: "eu-central-1", SignIn: &memory{}, HTTP: srv.HTTPClient(), Files: profiles.AWSFiles{}, Log: slog.New(slog.DiscardHandler),
			}
			_, err := c.Login(t.Context(), idcenter.Login{Device: true, Show: func(page, code string) {
				if button != "" {
					time.AfterFunc(10*time.Second, func() { press(t, srv, page+"?user_code="+code, button) })
				}
			}})
			if want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, want)
		})
	}
}
