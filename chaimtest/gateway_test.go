package chaimtest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/internal/pyrepr"
)

func TestGatewayKeys(t *testing.T) {
	srv := chaimtest.NewServer(t)
	e, err := ask(t.Context(), srv, "Connected Homes,mpu,2")
	require.NoError(t, err)
	require.Equal(t, envelope{"ephemeral", "200", e.Text, map[string]string{"Content-Type": "application/json"}}, e)

	require.Regexp(t, `^\{'accountid': '222222222222', 'sectionname': 'Connected Homes', `+
		`'accesskeyid': 'ASIA[A-Z0-9]{16}', 'secretkey': '[A-Za-z0-9+/]{40}', 'sessiontoken': '[A-Za-z0-9+/]{320}', `+
		`'expiresstr': 'Expires in 2 hours at \d\d:\d\d:\d\d\.', 'expires': \d+, `+
		`'url': 'https://signin\.aws\.amazon\.com/federation\?[^']+'\}$`, e.Text)
	_, err = pyrepr.Parse(e.Text)
	require.NoError(t, err)

	user, _ := defaults(srv)
	r := last(t, srv)
	require.WithinDuration(t, time.Now(), r.Time, time.Minute)
	require.Equal(t, chaimtest.Request{
		Time: r.Time, Action: "Keys", Account: "Connected Homes", Role: "mpu", Duration: 2 * time.Hour,
		User: user, Host: "127.0.0.1", UserAgent: "chaimtest 1.0", StatusCode: 200,
	}, r)
}

func TestGatewayAsk(t *testing.T) {
	srv := chaimtest.NewServer(t)
	for _, tt := range []struct {
		text, role string
		want       time.Duration
	}{
		{"sredev", "rro", 900 * time.Second},
		{"sredev,", "rro", 900 * time.Second},
		{"sredev,apu", "apu", 900 * time.Second},
		{"111111111111,CrossAccountSysAdmin,12", "CrossAccountSysAdmin", 12 * time.Hour},
		{"sredev,rro,1", "rro", time.Hour},
		{"sredev,rro,13", "rro", 900 * time.Second},
		{"sredev,rro,899", "rro", 900 * time.Second},
		{"sredev,rro,0", "rro", 900 * time.Second},
		{"sredev,rro,-1", "rro", 900 * time.Second},
		{"sredev,rro,901", "rro", 901 * time.Second},
		{"sredev,rro,43201", "rro", 12 * time.Hour},
		{"sredev,rro,", "rro", 900 * time.Second},
		{"sredev,rro,soon", "rro", 900 * time.Second},
	} {
		t.Run(tt.text, func(t *testing.T) {
			_, f := keys(t, srv, tt.text)
			r := last(t, srv)
			require.Equal(t, tt.role, r.Role)
			require.Equal(t, tt.want, r.Duration)
			require.Equal(t, "sredev", f["sectionname"])
			requireUnix(t, time.Now().Add(tt.want), f["expires"])
		})
	}
}

func requireUnix(t *testing.T, want time.Time, got string) {
	t.Helper()
	d, err := time.ParseDuration(got + "s")
	require.NoError(t, err)
	require.WithinDuration(t, want, time.Unix(int64(d/time.Second), 0), 10*time.Second)
}

func TestGatewayRefusals(t *testing.T) {
	srv := chaimtest.NewServer(t)
	srv.AddAccount("444444444444", "narrow", "OnlyThis")
	srv.AddUser("late", "token-late")
	srv.ExpireUser("late")
	srv.AddUser("gone", "token-gone")
	srv.DisableUser("gone")
	srv.AddUser("back", "token-back")
	srv.ExpireUser("back")
	srv.AddUser("back", "token-new")
	srv.AddUser("kept.out", "token-out")
	srv.Deny("kept.out", "sredev", "apu")
	srv.Deny("kept.out", "", "CrossAccountPowerUser")
	user, token := defaults(srv)

	for _, tt := range []struct{ user, token, text, want string }{
		{user, "wrong", "sredev,rro,1", "IncorrectCredentials: Invalid token"},
		{"nobody", token, "sredev,rro,1", "IncorrectCredentials: Invalid token"},
		{"", "", "sredev,rro,1", "IncorrectCredentials: Invalid token"},
		{"late", "token-late", "--list", "IncorrectCredentials: usertoken has expired"},
		{"gone", "token-gone", "sredev,rro,1", "IncorrectCredentials: gone is not an active user."},
		{"back", "token-back", "sredev,rro,1", "IncorrectCredentials: Invalid token"},
		{"back", "token-new", "sredev,rro,1", ""},
		{user, token, "nowhere,rro,1", "DataNotFound: Account not found: nowhere"},
		{user, token, "", "DataNotFound: Account not found: "},
		{user, token, "sredev,king,1", "DataNotFound: Role not recognised: king"},
		{user, token, "sredev,OnlyThis,1", "IncorrectCredentials: user test.user is not allowed to access sredev at role OnlyThis"},
		{user, token, "narrow,OnlyThis,1", ""},
		{"kept.out", "token-out", "111111111111,apu,1", "DataNotFound: Permission not granted to kept.out for CrossAccountAdminUser in sredev"},
		{"kept.out", "token-out", "O'Brien,mpu,1", "DataNotFound: Permission not granted to kept.out for CrossAccountPowerUser in O'Brien"},
		{"kept.out", "token-out", "O'Brien,apu,1", ""},
	} {
		t.Run(tt.user+" "+tt.text, func(t *testing.T) {
			form := url.Values{"user_name": {tt.user}, "token": {tt.token}, "text": {tt.text}}
			status, body, _, err := post(t.Context(), srv, "/prod/", form)
			require.NoError(t, err)
			require.Equal(t, 200, status)
			if tt.want == "" {
				require.Contains(t, body, `"statusCode":"200"`)
				require.Empty(t, last(t, srv).Error)
				return
			}
			want := "doStart: Error CredentialsGenerationFail: buildCredentials error: " + tt.want
			require.Contains(t, body, `"statusCode":"400","text":"`+want+`"`)
			require.Equal(t, want, last(t, srv).Error)
			require.Equal(t, 200, last(t, srv).StatusCode)
		})
	}
	require.Panics(t, func() { srv.ExpireUser("nobody") })
}

func TestGatewayList(t *testing.T) {
	srv := chaimtest.NewServer(t)
	e, err := ask(t.Context(), srv, "--list")
	require.NoError(t, err)
	require.Equal(t, `{'accountlist': (('111111111111', 'sredev'), ('222222222222', 'Connected Homes'), ('333333333333', "O'Brien"))}`, e.Text)
	require.Equal(t, "List", last(t, srv).Action)

	srv.RemoveAccount("111111111111")
	srv.RemoveAccount("O'Brien")
	e, err = ask(t.Context(), srv, "--list")
	require.NoError(t, err)
	require.Equal(t, `{'accountlist': (('222222222222', 'Connected Homes'),)}`, e.Text)

	srv.AddAccount("222222222222", "new name")
	e, err = ask(t.Context(), srv, "--list")
	require.NoError(t, err)
	require.Equal(t, `{'accountlist': (('222222222222', 'new name'),)}`, e.Text)

	srv.RemoveAccount("new name")
	e, err = ask(t.Context(), srv, "--list")
	require.NoError(t, err)
	require.Equal(t, `{'accountlist': ()}`, e.Text)
	require.Panics(t, func() { srv.AddAccount("12", "short") })
}

func TestGatewayConsoleLink(t *testing.T) {
	srv := chaimtest.NewServer(t)
	c, _ := keys(t, srv, "sredev,rro,1")
	form := url.Values{
		"accesskey": {c.AccessKeyID}, "secret": {c.SecretAccessKey}, "session": {c.SessionToken},
		"duration": {"3000"}, "username": {"me"}, "account": {"sredev"}, "useragent": {"cca 1"},
	}
	_, body, _, err := post(t.Context(), srv, "/prod/gui", form)
	require.NoError(t, err)
	require.Regexp(t, `"text":"\{'url': 'https://signin\.aws\.amazon\.com/[^' ]+'\}"`, body)
	r := last(t, srv)
	require.Equal(t, chaimtest.Request{
		Time: r.Time, Action: "ConsoleLink", Account: "sredev", User: "me", Host: "127.0.0.1", UserAgent: "cca 1",
		Duration: 50 * time.Minute, StatusCode: 200,
	}, r)

	for _, name := range []string{"accesskey", "secret", "session"} {
		bad := url.Values{}
		for k, v := range form {
			bad[k] = v
		}
		bad.Set(name, "x"+form.Get(name))
		_, body, _, err = post(t.Context(), srv, "/prod/gui", bad)
		require.NoError(t, err)
		require.Contains(t, body, "UrlGenerationFail: the security token is not valid", name)
	}
	srv.Advance(time.Hour)
	_, body, _, err = post(t.Context(), srv, "/prod/gui", form)
	require.NoError(t, err)
	require.Contains(t, body, "UrlGenerationFail: the security token has expired")
}

func TestGatewayElsewhere(t *testing.T) {
	srv := chaimtest.NewServer(t)
	for _, path := range []string{"/", "/prod/x", "/prod//", "/PROD/", "/prod/gui/", "/stsx"} {
		status, body, _, err := post(t.Context(), srv, path, askForm(srv, "sredev"))
		require.NoError(t, err)
		require.Equal(t, 403, status, path)
		require.JSONEq(t, `{"message":"Missing Authentication Token"}`, body)
		require.Empty(t, last(t, srv).Action)
		require.Equal(t, 403, last(t, srv).StatusCode)
	}
	res, err := srv.HTTPClient().Get("http://127.0.0.1/prod/")
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, 403, res.StatusCode)

	form := askForm(srv, strings.Repeat("x", 1<<20))
	status, _, _, err := post(t.Context(), srv, "/prod/", form)
	require.NoError(t, err)
	require.Equal(t, http.StatusRequestEntityTooLarge, status)
}

func TestSetLifetimeAndRoles(t *testing.T) {
	srv := chaimtest.NewServer(t)
	srv.SetLifetime(20 * time.Minute)
	srv.AddRole("dba", "DatabaseAdmin")
	_, f := keys(t, srv, "sredev,dba,8")
	requireUnix(t, time.Now().Add(20*time.Minute), f["expires"])
	require.Contains(t, f["expiresstr"], "Expires in 20 minutes at ")

	srv.SetLifetime(90 * time.Second)
	_, f = keys(t, srv, "sredev,DatabaseAdmin,8")
	require.Contains(t, f["expiresstr"], "Expires in 90 seconds at ")

	srv.SetLifetime(-time.Minute)
	c, _ := keys(t, srv, "sredev,dba,8")
	_, err := whoami(t, srv, c)
	requireAPIError(t, err, "ExpiredToken", "expired")
}
