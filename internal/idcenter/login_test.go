package idcenter_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/internal/gate"
	"github.com/chaim-go/chaim/internal/idcenter"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/profiles"
	"github.com/chaim-go/chaim/internal/ssotoken"
)

// memory keeps a sign-in in memory.
type memory struct {
	mu     sync.Mutex
	token  *ssotoken.Token
	beside map[string][]byte
}

func (m *memory) ReadBeside(name string) ([]byte, error) { return m.beside[name], nil }

func (m *memory) WriteBeside(name string, text []byte) error {
	m.beside[name] = text
	return nil
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

func (m *memory) CheckWrite(context.Context) error { return nil }

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
		StartURL: srv.StartURL(), Region: "eu-central-1", SignIn: &memory{beside: map[string][]byte{}}, Route: idcenter.Route{HTTP: srv.HTTPClient()}, Files: profiles.AWSFiles{}, Log: slog.New(slog.DiscardHandler),
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

// TestLoginBesideSilentClients has another user of the machine hold more connections than there is room for.
func TestLoginBesideSilentClients(t *testing.T) {
	srv := chaimtest.NewServer(t)
	c := newCenter(t, srv)
	isForeign := false
	_, err := c.Login(t.Context(), idcenter.Login{
		IsForeign: func(netip.AddrPort, netip.AddrPort) bool { return isForeign },
		Show: func(page, _ string) {
			back := press(t, srv, page, "allow")
			u, err := url.Parse(back)
			require.NoError(t, err)
			var silent []net.Conn
			for range gate.MaxConns + 10 {
				conn, err := net.Dial("tcp", u.Host)
				require.NoError(t, err)
				defer conn.Close()
				silent = append(silent, conn)
			}
			isForeign = true
			status, text := visit(t, back)
			assert.Equal(t, 403, status)
			assert.Contains(t, text, "another user's sign-in")
			_, err = silent[0].Read(make([]byte, 1))
			require.Error(t, err, "the oldest made room")
			isForeign = false
			resp, err := http.Get(back)
			require.NoError(t, err)
			defer resp.Body.Close()
			assert.Equal(t, 200, resp.StatusCode)
			assert.True(t, resp.Close, "no connection stays open")
		},
	})
	require.NoError(t, err)
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
				StartURL: srv.StartURL(), Region: "eu-central-1", SignIn: &memory{beside: map[string][]byte{}}, Route: idcenter.Route{HTTP: srv.HTTPClient()}, Files: profiles.AWSFiles{}, Log: slog.New(slog.DiscardHandler),
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

// actions returns what the double was asked, in order.
func actions(srv *chaimtest.Server) (names []string) {
	for _, r := range srv.Requests() {
		names = append(names, r.Action)
	}
	return names
}

// allow is a person who allows each sign-in.
func allow(t *testing.T, srv *chaimtest.Server) idcenter.Login {
	t.Helper()
	return idcenter.Login{Show: func(page, code string) {
		if code != "" {
			press(t, srv, page+"?user_code="+code, "allow")
			return
		}
		visit(t, press(t, srv, page, "allow"))
	}}
}

// TestRegistrationIsKept signs in several times in each of the two ways.
func TestRegistrationIsKept(t *testing.T) {
	srv := chaimtest.NewServer(t)
	c := newCenter(t, srv)
	signIn := func(isDevice bool) (hasRegistered bool) {
		t.Helper()
		srv.Reset()
		l := allow(t, srv)
		l.Device = isDevice
		_, err := c.Login(t.Context(), l)
		require.NoError(t, err)
		return slices.Contains(actions(srv), "RegisterClient")
	}
	assert.True(t, signIn(false))
	assert.False(t, signIn(false))
	assert.True(t, signIn(true), "a registration for browsers is not for devices")
	assert.False(t, signIn(true))
	srv.Advance(90*24*time.Hour - 10*time.Minute) // the double forgets it in ten minutes
	assert.False(t, signIn(true))
	srv.Advance(time.Hour)
	assert.True(t, signIn(true), "the center has forgotten it")
	assert.False(t, signIn(true))

	kept := c.SignIn.(*memory).beside
	require.Len(t, kept, 1)
	for name, text := range kept {
		kept[name] = regexp.MustCompile(`20[0-9-]+T`).ReplaceAll(text, []byte("2020-01-01T"))
	}
	assert.True(t, signIn(true), "it has ended")

	l := idcenter.Login{Show: func(page, _ string) { visit(t, press(t, srv, page, "deny")) }}
	assert.True(t, signIn(false))
	_, err := c.Login(t.Context(), l)
	require.ErrorIs(t, err, keys.ErrDenied)
	assert.False(t, signIn(false), "it may be that of another program")
	ctx, cancel := context.WithCancel(t.Context())
	_, err = c.Login(ctx, idcenter.Login{Show: func(string, string) { cancel() }})
	require.ErrorIs(t, err, context.Canceled)
	assert.False(t, signIn(false))
}

// TestSignInThatCannotBeKept has files that another user could have made or can read.
func TestSignInThatCannotBeKept(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("ACLs decide there")
	}
	public := t.TempDir()
	require.NoError(t, os.Chmod(public, 0o777))
	for want, spoil := range map[string]func(path string) error{
		"all users may write to":             func(path string) error { return os.Chmod(filepath.Dir(path), 0o777) },
		"can be written to by other users":   func(path string) error { return errors.Join(os.WriteFile(path, nil, 0o600), os.Chmod(path, 0o666)) },
		"has a second name":                  func(path string) error { return errors.Join(os.WriteFile(path, nil, 0o600), os.Link(path, path+".2")) },
		"all users may write to " + public:   func(path string) error { return os.Symlink(filepath.Join(public, "token"), path) },
		"is a folder and not a regular file": func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		t.Run(want, func(t *testing.T) {
			srv := chaimtest.NewServer(t)
			c := newCenter(t, srv)
			t.Setenv("HOME", t.TempDir())
			file, err := profiles.OpenSignIn("corp", "")
			require.NoError(t, err)
			require.NoError(t, os.MkdirAll(filepath.Dir(file.Path()), 0o700))
			require.NoError(t, spoil(file.Path()))
			c.SignIn = file
			_, err = c.Login(t.Context(), idcenter.Login{Show: func(string, string) { t.Error("a person was asked") }})
			require.ErrorContains(t, err, "the sign-in to https://chaimtest.awsapps.com/start cannot be kept: ")
			require.ErrorContains(t, err, want)
			assert.Empty(t, srv.Requests())
		})
	}
}

// TestLostSignIn has a file that can no longer be written when the person has signed in.
func TestLostSignIn(t *testing.T) {
	srv := chaimtest.NewServer(t)
	c := newCenter(t, srv)
	c.SignIn = stubborn{c.SignIn, nil}
	_, err := c.Login(t.Context(), allow(t, srv))
	require.ErrorIs(t, err, fs.ErrPermission)
	require.ErrorContains(t, err, "cannot be kept: permission denied; so the new session was ended again")
	assert.Equal(t, "Logout", actions(srv)[len(srv.Requests())-1])
	l := allow(t, srv)
	show := l.Show
	l.Show = func(page, code string) {
		srv.Inject(2, nil) // the page and the token
		srv.Inject(1, chaimtest.Status(500))
		show(page, code)
	}
	_, err = c.Login(t.Context(), l)
	require.ErrorContains(t, err, "; the new session lives on, because ending it failed: ")
}

// TestCompanyStartURL has a host of the company that leads to the access portal.
func TestCompanyStartURL(t *testing.T) {
	srv := chaimtest.NewServer(t)
	to, status, refused := srv.StartURL()+"/?from=company#top", http.StatusFound, ""
	var methods []string
	company := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		methods = append(methods, r.Method)
		if r.Method == refused {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		w.Header().Set("Location", to)
		w.WriteHeader(status)
	}))
	defer company.Close()
	c := newCenter(t, srv)
	c.StartURL = company.URL
	c.HTTP = &http.Client{Transport: split{company.Listener.Addr().String(), srv.HTTPClient().Transport}}
	signIn := func(l idcenter.Login) error {
		token, err := c.Login(t.Context(), l)
		if err == nil {
			assert.Equal(t, company.URL, token.StartURL, "as it is configured")
		}
		return err
	}
	device := allow(t, srv)
	device.Device = true // the double compares its start URL there
	require.NoError(t, signIn(device))
	assert.Equal(t, []string{"HEAD"}, methods)
	refused, methods = "HEAD", nil
	require.NoError(t, signIn(device))
	assert.Equal(t, []string{"HEAD", "GET"}, methods)
	require.NoError(t, signIn(allow(t, srv)))

	for bad, want := range map[string]string{
		"https://portal.example.com/start":    "leads to \"https://portal.example.com/start\", which chaim does not know as an address of AWS",
		"https://awsapps.com.example/start":   "does not know as an address of AWS",
		"http://corp.awsapps.com/start":       "does not know as an address of AWS",
		"https://a:CANARYb@corp.awsapps.com/": "does not know as an address of AWS",
	} {
		to = bad
		err := signIn(device)
		require.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "CANARY")
	}
	given := device
	given.PortalURL = srv.StartURL()
	require.NoError(t, signIn(given), "a person knows better")
	given = allow(t, srv)
	given.IsGiven = true
	require.NoError(t, signIn(given))
	status = http.StatusNotFound
	require.ErrorContains(t, signIn(device), "it answered 404")
	to, status = "/start/", http.StatusFound
	require.ErrorContains(t, signIn(device), "is "+company.URL+" the start URL", "it leads nowhere else")
}

// split sends requests to one host there, and all others to next.
type split struct {
	host string
	next http.RoundTripper
}

func (s split) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host == s.host {
		return http.DefaultTransport.RoundTrip(r)
	}
	return s.next.RoundTrip(r)
}

// counting is a server that counts its requests, and answers none.
func counting(t *testing.T) (srv *httptest.Server, n *atomic.Int32) {
	t.Helper()
	n = new(atomic.Int32)
	srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n.Add(1)
		w.WriteHeader(http.StatusNotFound)
	}))
	t.Cleanup(srv.Close)
	return srv, n
}

// TestEndpointsOfOthers has profiles and an environment that send all requests of other services elsewhere.
func TestEndpointsOfOthers(t *testing.T) {
	srv := chaimtest.NewServer(t)
	foreign, asked := counting(t)
	own, ownAsked := counting(t)
	c := newCenter(t, srv)
	c.HTTP = &http.Client{Transport: split{foreign.Listener.Addr().String(), split{own.Listener.Addr().String(), srv.HTTPClient().Transport}}}
	elsewhere := "endpoint_url = " + foreign.URL + "\nservices = all\nca_bundle = /nowhere/ca.pem\n"
	config := filepath.Join(t.TempDir(), "config")
	require.NoError(t, os.WriteFile(config, []byte("[default]\n"+elsewhere+"[profile other]\n"+elsewhere+
		"[services all]\nsso =\n  endpoint_url = "+foreign.URL+"\nsso_oidc =\n  endpoint_url = "+foreign.URL+"\n"+
		"[profile own]\nendpoint_url = "+foreign.URL+"\nservices = own\n"+
		"[services own]\nsso =\n  endpoint_url = "+own.URL+"\nsso_oidc =\n  endpoint_url = "+own.URL+"\n"+
		"[profile trusting]\nca_bundle = /nowhere/own.pem\n"), 0o600))
	t.Setenv("AWS_CONFIG_FILE", config)
	t.Setenv("AWS_PROFILE", "other")
	t.Setenv("AWS_CA_BUNDLE", "")
	for range 2 {
		for _, isDevice := range []bool{true, false} {
			l := allow(t, srv)
			l.Device = isDevice
			_, err := c.Login(t.Context(), l)
			require.NoError(t, err)
		}
		c.SignIn.(*memory).token.Expires = time.Now()
		_, err := c.Accounts(t.Context())
		require.NoError(t, err)
		_, err = c.Keys(t.Context(), "111111111111", "rro")
		require.ErrorContains(t, err, "your roles in that account are")
		_, err = c.Logout(t.Context())
		require.NoError(t, err)
		assert.Zero(t, asked.Load())
		t.Setenv("AWS_ENDPOINT_URL", foreign.URL)
	}
	require.NoError(t, os.Unsetenv("AWS_ENDPOINT_URL"))

	_, err := c.Login(t.Context(), allow(t, srv))
	require.NoError(t, err)
	c.Profile = "own"
	_, err = c.Accounts(t.Context())
	require.Error(t, err)
	assert.EqualValues(t, 1, ownAsked.Load())
	c.SignIn.(*memory).token.Expires = time.Now()
	_, err = c.Accounts(t.Context())
	require.ErrorContains(t, err, "renewing the sign-in")
	assert.Greater(t, ownAsked.Load(), int32(1))
	assert.Zero(t, asked.Load())
	c.Profile = "trusting"
	_, err = c.Accounts(t.Context())
	require.ErrorContains(t, err, "ca_bundle of profile trusting")
	t.Setenv("AWS_ENDPOINT_URL_SSO", own.URL)
	t.Setenv("AWS_ENDPOINT_URL_SSO_OIDC", own.URL)
	c.Profile, c.SignIn.(*memory).token.Expires = "", time.Now().Add(time.Hour)
	before := ownAsked.Load()
	_, err = c.Accounts(t.Context())
	require.Error(t, err)
	assert.Equal(t, before+1, ownAsked.Load())
}

func TestFindStartURL(t *testing.T) {
	t.Setenv("AWS_CONFIG_FILE", "/nowhere")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
	find := func(startURL, region string) (*idcenter.Center, error) {
		return idcenter.Find(idcenter.Center{StartURL: startURL, Region: region, Files: profiles.AWSFiles{}, Route: idcenter.Route{Insecure: true}},
			func(string, string) (idcenter.SignIn, error) { return &memory{}, nil })
	}
	for startURL, want := range map[string]string{
		"http://corp.awsapps.com/start": "plain http", "corp.awsapps.com/start": "no https URL", "https://": "no https URL", "ftp://corp.awsapps.com": "no https URL",
		"https://user:CANARY@corp.awsapps.com/start": "no https URL", "https://corp.awsapps.com/start": "region of the Identity Center is missing",
		"https://ssoins-1.portal.eu-west-1.app.aws.example.com": "region of the Identity Center is missing",
	} {
		_, err := find(startURL, "")
		require.ErrorContains(t, err, want, startURL)
	}
	for startURL, want := range map[string]string{
		"https://ssoins-1.portal.eu-west-1.app.aws": "eu-west-1", "https://ssoins-1.cn-north-1.portal.amazonaws.com.cn/": "cn-north-1",
		"https://ssoins-1.eusc-de-east-1.portal.amazonaws.eu": "eusc-de-east-1",
	} {
		c, err := find(startURL, "")
		require.NoError(t, err)
		assert.Equal(t, want, c.Region)
	}
	c, err := find("http://127.0.0.1:8080/start", "eu-west-2")
	require.NoError(t, err)
	assert.Equal(t, "eu-west-2", c.Region)
	for host, want := range map[string]bool{
		"corp.awsapps.com": true, "start.home.awsapps.cn": true, "identitycenter.us-gov.amazonaws.com": true, "SSOINS-1.portal.eu-west-1.app.aws.": true,
		"identitycenter.amazonaws.eu": true, "start.us-gov-west-1.us-gov-home.awsapps.com": true,
		"notawsapps.com": false, "awsapps.com.example": false, "aws.example.com": false, "": false,
	} {
		assert.Equal(t, want, idcenter.IsAWS(host), host)
	}
}
