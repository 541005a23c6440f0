package chaimtest_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
)

var _ chaimtest.TB = testing.TB(nil)

func TestURLs(t *testing.T) {
	srv := chaimtest.NewServer(t)
	require.Equal(t, "https://chaimtest.invalid/prod/", srv.Settings().Endpoint)
	base := srv.URL()
	require.Regexp(t, `^http://127\.0\.0\.1:\d+$`, base)
	require.Equal(t, base, srv.URL())
	require.Equal(t, base+"/prod/", srv.GatewayURL())
	require.Equal(t, base+"/sts", srv.STSURL())
	require.Equal(t, base+"/prod/", srv.Settings().Endpoint)

	srv.Close()
	require.Equal(t, base, srv.URL())
	_, err := http.PostForm(srv.GatewayURL(), nil)
	require.Error(t, err)
	_, err = srv.HTTPClient().PostForm(srv.GatewayURL(), nil)
	require.ErrorIs(t, err, net.ErrClosed)

	other := chaimtest.NewServer(nil)
	other.Close()
	require.Panics(t, func() { other.URL() })
	require.Equal(t, "https://chaimtest.invalid/prod/", other.Settings().Endpoint)
}

func TestDateHeaderAndClock(t *testing.T) {
	srv := chaimtest.NewServer(t)
	srv.Advance(48 * time.Hour)
	srv.Advance(-time.Hour)
	want := time.Now().Add(47 * time.Hour)
	require.WithinDuration(t, want, srv.Now(), time.Minute)
	_, _, header, err := post(t.Context(), srv, "/prod/", askForm(srv, "sredev"))
	require.NoError(t, err)
	date, err := http.ParseTime(header.Get("Date"))
	require.NoError(t, err)
	require.WithinDuration(t, want, date, time.Minute)
}

func TestSetenv(t *testing.T) {
	t.Setenv("AWS_PROFILE", "mine")
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAMINE")
	t.Setenv("https_proxy", "http://127.0.0.1:1")
	srv := chaimtest.NewServer(t)

	t.Run("set", func(t *testing.T) {
		home := srv.Setenv(t)
		require.DirExists(t, home)
		require.True(t, unset(t, "AWS_PROFILE"))
		require.True(t, unset(t, "AWS_ACCESS_KEY_ID"))
		require.True(t, unset(t, "https_proxy"))
		require.Equal(t, srv.GatewayURL(), os.Getenv("CHAIM_URL"))
		require.Equal(t, srv.Settings().Username, os.Getenv("CHAIM_USER"))
		require.Equal(t, srv.Settings().UserToken, os.Getenv("CHAIM_TOKEN"))
		require.Equal(t, filepath.Join(home, "credentials"), os.Getenv("AWS_SHARED_CREDENTIALS_FILE"))
		require.Equal(t, filepath.Join(home, "config"), os.Getenv("AWS_CONFIG_FILE"))
		require.Equal(t, "eu-west-1", os.Getenv("AWS_REGION"))

		// A client that has only the environment, over the socket.
		res, err := http.PostForm(os.Getenv("CHAIM_URL"), url.Values{
			"user_name": {os.Getenv("CHAIM_USER")}, "token": {os.Getenv("CHAIM_TOKEN")}, "text": {"sredev,rro,1"},
		})
		require.NoError(t, err)
		var e envelope
		require.NoError(t, json.NewDecoder(res.Body).Decode(&e))
		require.NoError(t, res.Body.Close())
		f := fields(e.Text)
		ini := fmt.Sprintf("[default]\naws_access_key_id=%s\naws_secret_access_key=%s\naws_session_token=%s\n",
			f["accesskeyid"], f["secretkey"], f["sessiontoken"])
		require.NoError(t, os.WriteFile(os.Getenv("AWS_SHARED_CREDENTIALS_FILE"), []byte(ini), 0o600))
		cfg, err := config.LoadDefaultConfig(t.Context())
		require.NoError(t, err)
		out, err := sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
		require.NoError(t, err)
		require.Equal(t, "111111111111", *out.Account)
	})

	require.Equal(t, "mine", os.Getenv("AWS_PROFILE"))
	require.Equal(t, "AKIAMINE", os.Getenv("AWS_ACCESS_KEY_ID"))
	require.Empty(t, os.Getenv("CHAIM_URL"))

	vars := srv.Environ("/some/home")
	require.Contains(t, vars, "CHAIM_URL="+srv.GatewayURL())
	require.Contains(t, vars, "AWS_ENDPOINT_URL_STS="+srv.STSURL())
	require.Contains(t, vars, "AWS_CONFIG_FILE="+filepath.Join("/some/home", "config"))
	require.Contains(t, vars, "AWS_PROFILE=")
	require.NotContains(t, vars, "AWS_ROLE_ARN=")
}

// TestNoSecrets prints a server after many requests in every way, and looks for its secrets.
func TestNoSecrets(t *testing.T) {
	srv := chaimtest.NewServer(t)
	srv.AddUser("canary", "token-canary")
	long := srv.AddKeys("sredev", "ci")
	short, f := keys(t, srv, "sredev,rro,1")
	_, err := whoami(t, srv, short)
	require.NoError(t, err)
	out, err := stsClient(srv, long).AssumeRole(t.Context(), &sts.AssumeRoleInput{
		RoleArn: strPtr(readOnly), RoleSessionName: strPtr("canary"),
	})
	require.NoError(t, err)
	for _, bad := range []string{"x", "secret"} {
		c := short
		c.SecretAccessKey += bad
		_, err = whoami(t, srv, c)
		require.Error(t, err)
	}
	form := askForm(srv, "sredev,king,1")
	form.Set("token", "token-canary")
	for _, path := range []string{"/prod/", "/prod/gui", "/sts", "/elsewhere"} {
		form.Set("accesskey", short.AccessKeyID)
		form.Set("secret", short.SecretAccessKey)
		form.Set("session", short.SessionToken)
		_, _, _, err = post(t.Context(), srv, path, form)
		require.NoError(t, err)
	}

	_, err = stsClient(srv, long).AssumeRole(t.Context(), &sts.AssumeRoleInput{
		RoleArn: strPtr(readOnly), RoleSessionName: strPtr("canary"), Policy: strPtr("{policy-canary"),
		ExternalId: strPtr("external-canary"), SerialNumber: strPtr("GAHT12345678"), TokenCode: strPtr("314159"),
	})
	require.NoError(t, err)

	_, token := defaults(srv)
	secrets := []string{
		token, "token-canary", long.SecretAccessKey, short.SecretAccessKey, short.SessionToken, f["url"],
		*out.Credentials.SecretAccessKey, *out.Credentials.SessionToken, "Signature=",
		"policy-canary", "external-canary", "314159", "CANARY", "ca9a12e5",
	}
	var printed strings.Builder
	holder := struct{ srv *chaimtest.Server }{srv}
	srv.Close() // with some verbs fmt reads the unexported fields, without a lock
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%p", "%T", "%!"} {
		_, _ = fmt.Fprintf(&printed, verb+"\n", srv)
		_, _ = fmt.Fprintf(&printed, verb+"\n", holder)
		_, _ = fmt.Fprintf(&printed, verb+"\n", srv.Requests())
	}
	slog.New(slog.NewTextHandler(&printed, nil)).Info("x", "srv", srv, "requests", srv.Requests())
	slog.New(slog.NewJSONHandler(&printed, nil)).Info("x", "srv", srv, "requests", srv.Requests())
	require.Contains(t, printed.String(), "chaimtest.Server{")
	for _, secret := range secrets {
		require.NotEmpty(t, secret)
		require.NotContains(t, printed.String(), secret)
	}
}

// TestSecretsAreMarked: users search logs for these marks.
func TestSecretsAreMarked(t *testing.T) {
	srv := chaimtest.NewServer(t)
	long := srv.AddKeys("sredev", "ci")
	short, f := keys(t, srv, "sredev,rro,1")
	out, err := stsClient(srv, long).AssumeRole(t.Context(), &sts.AssumeRoleInput{
		RoleArn: strPtr(readOnly), RoleSessionName: strPtr("ci"),
	})
	require.NoError(t, err)
	assumed := issued(out)
	for _, secret := range []string{long.SecretAccessKey, short.SecretAccessKey, assumed.SecretAccessKey} {
		require.Regexp(t, `^CANARY[A-Za-z0-9+/]{34}$`, secret)
	}
	for _, token := range []string{short.SessionToken, assumed.SessionToken} {
		require.Regexp(t, `^CANARY[A-Za-z0-9+/]{314}$`, token)
	}
	link, err := url.Parse(f["url"])
	require.NoError(t, err)
	require.Regexp(t, `^CANARY`, link.Query().Get("SigninToken"))
	_, token := defaults(srv)
	require.Regexp(t, `^ca9a12e5-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, token)
	_, other := defaults(chaimtest.NewServer(t))
	require.NotEqual(t, token, other)
}

func strPtr(s string) *string { return &s }

func TestConcurrentUse(t *testing.T) {
	srv := chaimtest.NewServer(t)
	long := srv.AddKeys("sredev", "ci")
	socket := sts.New(sts.Options{
		Region: "eu-west-1", BaseEndpoint: strPtr(srv.STSURL()),
		Credentials: credentials.StaticCredentialsProvider{Value: long},
	})
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			e, err := ask(t.Context(), srv, "sredev,rro,1")
			if err != nil || e.StatusCode != "200" {
				t.Errorf("reply %q, error %v", e.StatusCode, err)
			}
			if _, err := socket.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			name := fmt.Sprint("user", i)
			srv.AddUser(name, "t")
			srv.ExpireUser(name)
			srv.DisableUser(name)
			srv.AddAccount(fmt.Sprintf("%012d", i), name, "r")
			srv.AddRole(name, name)
			srv.Deny(name, "", "")
			srv.AddKeys("sredev", name)
			srv.SetLifetime(time.Hour)
			srv.SetLatency(time.Millisecond)
			srv.Advance(time.Millisecond)
			srv.Inject(1, nil)
			_, _, _, _ = srv.Now(), srv.Requests(), srv.URL(), srv.Settings()
			_ = fmt.Sprint(srv)
			_ = srv.HTTPClient()
		})
	}
	wg.Wait()
	srv.Clear()
	require.Len(t, srv.Requests(), 32)
	begin := time.Now()
	wg.Go(srv.Close)
	srv.Close()
	wg.Wait()
	require.Less(t, time.Since(begin), 3*time.Second)
}

// TestCloseManyConnections closes a server with connections that never carried a request.
func TestCloseManyConnections(t *testing.T) {
	srv := chaimtest.NewServer(nil)
	address := strings.TrimPrefix(srv.URL(), "http://")
	for range 5 {
		c, err := net.Dial("tcp", address)
		require.NoError(t, err)
		defer func() { _ = c.Close() }()
	}
	begin := time.Now()
	srv.Close()
	require.Less(t, time.Since(begin), 3*time.Second)
}

func TestOptions(t *testing.T) {
	srv := chaimtest.NewServer(t)
	opts := srv.Options(t, "Connected Homes")
	c, err := chaim.New(opts)
	require.NoError(t, err)
	creds, err := c.Retrieve(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, creds.SessionToken)
	require.FileExists(t, filepath.Join(opts.Dir, "credentials"))
	require.NoError(t, c.Close())
	require.NotEqual(t, opts.Dir, srv.Options(t, "sredev").Dir)
	_, err = c.Retrieve(t.Context())
	require.ErrorIs(t, err, chaim.ErrClosed)
}
