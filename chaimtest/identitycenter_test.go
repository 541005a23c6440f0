package chaimtest_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sso"
	"github.com/aws/aws-sdk-go-v2/service/ssooidc"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/chaimtest"
)

const (
	corpRedirect = "http://127.0.0.1/oauth/callback"
	corpVerifier = "0123456789012345678901234567890123456789012"
)

func oidcClient(srv *chaimtest.Server) *ssooidc.Client {
	return ssooidc.New(ssooidc.Options{Region: "eu-central-1", HTTPClient: srv.HTTPClient(), Retryer: aws.NopRetryer{}})
}

func portalClient(srv *chaimtest.Server) *sso.Client {
	return sso.New(sso.Options{Region: "eu-central-1", HTTPClient: srv.HTTPClient(), Retryer: aws.NopRetryer{}})
}

// tokenFile is the text of a token file.
type tokenFile struct {
	StartURL, Region, AccessToken, ClientID, ClientSecret, RefreshToken string
	ExpiresAt, RegistrationExpiresAt                                    time.Time
}

func signedIn(t testing.TB, srv *chaimtest.Server) (f tokenFile) {
	t.Helper()
	require.NoError(t, json.Unmarshal(srv.SignIn(), &f))
	return f
}

// renewed renews a sign-in.
func renewed(ctx context.Context, srv *chaimtest.Server, f tokenFile) (*ssooidc.CreateTokenOutput, error) {
	return oidcClient(srv).CreateToken(ctx, &ssooidc.CreateTokenInput{
		ClientId: &f.ClientID, ClientSecret: &f.ClientSecret, GrantType: aws.String("refresh_token"), RefreshToken: &f.RefreshToken,
	})
}

// listed asks for the accounts with an access token.
func listed(ctx context.Context, srv *chaimtest.Server, access string) error {
	_, err := portalClient(srv).ListAccounts(ctx, &sso.ListAccountsInput{AccessToken: &access})
	return err
}

// registered registers a program for the code flow.
func registered(t testing.TB, srv *chaimtest.Server) *ssooidc.RegisterClientOutput {
	t.Helper()
	out, err := oidcClient(srv).RegisterClient(t.Context(), &ssooidc.RegisterClientInput{
		ClientName: aws.String("test"), ClientType: aws.String("public"), GrantTypes: []string{"authorization_code", "refresh_token"},
		RedirectUris: []string{corpRedirect}, IssuerUrl: aws.String(srv.StartURL()), Scopes: []string{"sso:account:access"},
	})
	require.NoError(t, err)
	return out
}

// answered presses a button of the page of the code flow, and returns where the browser goes then.
func answered(t testing.TB, srv *chaimtest.Server, query url.Values, button string) (status int, location *url.URL) {
	t.Helper()
	query.Set("answer", button)
	status, _, header, err := post(t.Context(), srv, "/sso-oidc/authorize", query)
	require.NoError(t, err)
	location, err = url.Parse(header.Get("Location"))
	require.NoError(t, err)
	return status, location
}

func authorizeQuery(clientID string) url.Values {
	sum := sha256.Sum256([]byte(corpVerifier))
	return url.Values{
		"response_type": {"code"}, "client_id": {clientID}, "redirect_uri": {"http://127.0.0.1:41/oauth/callback"}, "state": {"s"},
		"code_challenge_method": {"S256"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "scopes": {"sso:account:access"},
	}
}

func TestCenterCodeFlow(t *testing.T) {
	srv := chaimtest.NewServer(t)
	client := registered(t, srv)
	require.Greater(t, client.ClientSecretExpiresAt, time.Now().Unix(), "seconds")
	for name, value := range map[string]string{
		"client_id": "other", "redirect_uri": "http://127.0.0.1:41/other", "response_type": "token", "code_challenge_method": "plain", "scopes": "",
	} {
		query := authorizeQuery(*client.ClientId)
		query.Set(name, value)
		status, _ := answered(t, srv, query, "allow")
		require.Equal(t, http.StatusBadRequest, status, name)
	}
	_, back := answered(t, srv, authorizeQuery(*client.ClientId), "deny")
	require.Equal(t, "access_denied", back.Query().Get("error"))
	status, back := answered(t, srv, authorizeQuery(*client.ClientId), "allow")
	require.Equal(t, http.StatusFound, status)
	require.Equal(t, "127.0.0.1:41", back.Host)
	require.Equal(t, "s", back.Query().Get("state"))

	in := func() *ssooidc.CreateTokenInput {
		return &ssooidc.CreateTokenInput{
			ClientId: client.ClientId, ClientSecret: client.ClientSecret, GrantType: aws.String("authorization_code"), Code: aws.String(back.Query().Get("code")),
			CodeVerifier: aws.String(corpVerifier), RedirectUri: aws.String("http://127.0.0.1:41/oauth/callback"),
		}
	}
	for name, change := range map[string]func(*ssooidc.CreateTokenInput){
		"code":     func(in *ssooidc.CreateTokenInput) { in.Code = aws.String("x") },
		"verifier": func(in *ssooidc.CreateTokenInput) { in.CodeVerifier = aws.String(strings.Repeat("x", 43)) },
		"redirect": func(in *ssooidc.CreateTokenInput) { in.RedirectUri = aws.String(corpRedirect) },
	} {
		wrong := in()
		change(wrong)
		_, err := oidcClient(srv).CreateToken(t.Context(), wrong)
		requireAPIError(t, err, "InvalidGrantException", "")
		require.NotContains(t, err.Error(), "CANARY", name)
	}
	wrong := in()
	wrong.ClientSecret = aws.String("x")
	_, err := oidcClient(srv).CreateToken(t.Context(), wrong)
	requireAPIError(t, err, "InvalidClientException", "")

	out, err := oidcClient(srv).CreateToken(t.Context(), in())
	require.NoError(t, err)
	require.InDelta(t, 3600, out.ExpiresIn, 2)
	require.NoError(t, listed(t.Context(), srv, *out.AccessToken))
	_, err = oidcClient(srv).CreateToken(t.Context(), in())
	requireAPIError(t, err, "InvalidGrantException", "")
}

func TestCenterRegistration(t *testing.T) {
	srv := chaimtest.NewServer(t)
	for _, uri := range []string{"http://127.0.0.1:80/oauth/callback", "http://127.0.0.1/", "http://localhost/oauth/callback"} {
		_, err := oidcClient(srv).RegisterClient(t.Context(), &ssooidc.RegisterClientInput{
			ClientName: aws.String("test"), ClientType: aws.String("public"), GrantTypes: []string{"authorization_code"}, RedirectUris: []string{uri},
		})
		requireAPIError(t, err, "InvalidRedirectUriException", "")
	}
	_, err := oidcClient(srv).RegisterClient(t.Context(), &ssooidc.RegisterClientInput{ClientName: aws.String("test"), ClientType: aws.String("secret")})
	requireAPIError(t, err, "InvalidClientMetadataException", "")
	f := signedIn(t, srv)
	srv.Advance(91 * 24 * time.Hour)
	_, err = renewed(t.Context(), srv, f)
	requireAPIError(t, err, "InvalidClientException", "")
}

func TestCenterDeviceFlow(t *testing.T) {
	for button, want := range map[string]string{"allow": "", "deny": "AccessDeniedException", "": "ExpiredTokenException"} {
		synctest.Test(t, func(t *testing.T) {
			srv := chaimtest.NewServer(t)
			oidc := oidcClient(srv)
			client, err := oidc.RegisterClient(t.Context(), &ssooidc.RegisterClientInput{ClientName: aws.String("test"), ClientType: aws.String("public")})
			require.NoError(t, err)
			start := func(address string) (*ssooidc.StartDeviceAuthorizationOutput, error) {
				return oidc.StartDeviceAuthorization(t.Context(), &ssooidc.StartDeviceAuthorizationInput{
					ClientId: client.ClientId, ClientSecret: client.ClientSecret, StartUrl: &address,
				})
			}
			_, err = start("https://other.awsapps.com/start")
			requireAPIError(t, err, "InvalidRequestException", "")
			device, err := start(srv.StartURL())
			require.NoError(t, err)
			require.Regexp(t, `^[A-Z2-7]{4}-[A-Z2-7]{4}$`, *device.UserCode)
			token := func() (*ssooidc.CreateTokenOutput, error) {
				return oidc.CreateToken(t.Context(), &ssooidc.CreateTokenInput{
					ClientId: client.ClientId, ClientSecret: client.ClientSecret, DeviceCode: device.DeviceCode,
					GrantType: aws.String("urn:ietf:params:oauth:grant-type:device_code"),
				})
			}
			_, err = token()
			requireAPIError(t, err, "AuthorizationPendingException", "")
			_, err = token()
			requireAPIError(t, err, "SlowDownException", "")
			if button == "" {
				time.Sleep(time.Duration(device.ExpiresIn) * time.Second)
			} else {
				status, _, _, err := post(t.Context(), srv, "/sso-oidc/device", url.Values{"user_code": {"AAAA-0000"}, "answer": {button}})
				require.NoError(t, err)
				require.Equal(t, http.StatusBadRequest, status)
				status, _, _, err = post(t.Context(), srv, "/sso-oidc/device", url.Values{"user_code": {*device.UserCode}, "answer": {button}})
				require.NoError(t, err)
				require.Equal(t, http.StatusOK, status)
			}
			out, err := token()
			if want != "" {
				requireAPIError(t, err, want, "")
				return
			}
			require.NoError(t, err)
			require.Nil(t, out.RefreshToken, "a program that registered without a scope gets none")
			_, err = token()
			requireAPIError(t, err, "InvalidGrantException", "")
		})
	}
}

func TestCenterRefresh(t *testing.T) {
	for _, isStrict := range []bool{false, true} {
		srv := chaimtest.NewServer(t)
		srv.SetStrictRefresh(isStrict)
		f := signedIn(t, srv)
		out, err := renewed(t.Context(), srv, f)
		require.NoError(t, err)
		require.NoError(t, listed(t.Context(), srv, f.AccessToken), "an old access token stays valid")
		_, err = renewed(t.Context(), srv, f)
		if isStrict {
			requireAPIError(t, err, "InvalidGrantException", "")
		} else {
			require.NoError(t, err)
		}
		srv.Advance(time.Hour + time.Second)
		requireAPIError(t, listed(t.Context(), srv, f.AccessToken), "UnauthorizedException", "Session token not found or invalid")
		f.RefreshToken = *out.RefreshToken
		out, err = renewed(t.Context(), srv, f)
		require.NoError(t, err)
		srv.Advance(7 * time.Hour)
		f.RefreshToken = *out.RefreshToken
		_, err = renewed(t.Context(), srv, f)
		requireAPIError(t, err, "InvalidGrantException", "") // the session has ended
	}
	srv := chaimtest.NewServer(t)
	srv.SetSignIn(time.Minute, 90*time.Second)
	f := signedIn(t, srv)
	require.WithinDuration(t, time.Now().Add(time.Minute), f.ExpiresAt, 2*time.Second)
	srv.Advance(time.Minute)
	out, err := renewed(t.Context(), srv, f)
	require.NoError(t, err)
	require.LessOrEqual(t, out.ExpiresIn, int32(30), "no longer than the session")
}

func TestCenterPortal(t *testing.T) {
	srv := chaimtest.NewServer(t)
	srv.AddAccount("444444444444", "quiet", "Nothing")
	srv.Deny("", "quiet", "")
	access := signedIn(t, srv).AccessToken
	portal := portalClient(srv)
	var names []string
	pages := sso.NewListAccountsPaginator(portal, &sso.ListAccountsInput{AccessToken: &access, MaxResults: aws.Int32(2)})
	for n := 0; pages.HasMorePages(); n++ {
		page, err := pages.NextPage(t.Context())
		require.NoError(t, err)
		require.Len(t, page.AccountList, 2-n)
		for _, a := range page.AccountList {
			names = append(names, *a.AccountName)
		}
	}
	require.Equal(t, []string{"sredev", "Connected Homes", "O'Brien"}, names, "without one in which the user has no role")
	_, err := portal.ListAccounts(t.Context(), &sso.ListAccountsInput{AccessToken: &access, MaxResults: aws.Int32(101)})
	requireAPIError(t, err, "InvalidRequestException", "")
	_, err = portal.ListAccounts(t.Context(), &sso.ListAccountsInput{AccessToken: &access, NextToken: aws.String("x")})
	requireAPIError(t, err, "InvalidRequestException", "")
	roles, err := portal.ListAccountRoles(t.Context(), &sso.ListAccountRolesInput{AccessToken: &access, AccountId: aws.String("111111111111"), MaxResults: aws.Int32(3)})
	require.NoError(t, err)
	require.Len(t, roles.RoleList, 3)
	require.NotNil(t, roles.NextToken)

	in := &sso.GetRoleCredentialsInput{AccessToken: &access, AccountId: aws.String("222222222222"), RoleName: aws.String("CrossAccountReadOnly")}
	out, err := portal.GetRoleCredentials(t.Context(), in)
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(time.Hour), time.UnixMilli(out.RoleCredentials.Expiration), 5*time.Second, "milliseconds")
	arn, err := whoami(t, srv, aws.Credentials{
		AccessKeyID: *out.RoleCredentials.AccessKeyId, SecretAccessKey: *out.RoleCredentials.SecretAccessKey, SessionToken: *out.RoleCredentials.SessionToken,
	})
	require.NoError(t, err)
	require.Regexp(t, `^arn:aws:sts::222222222222:assumed-role/AWSReservedSSO_CrossAccountReadOnly_[0-9a-f]{16}/test.user$`, arn)
	for _, wrong := range [][2]string{{"222222222222", "rro"}, {"444444444444", "Nothing"}, {"999999999999", "CrossAccountReadOnly"}, {"Connected Homes", "CrossAccountReadOnly"}} {
		in.AccountId, in.RoleName = &wrong[0], &wrong[1]
		_, err = portal.GetRoleCredentials(t.Context(), in)
		requireAPIError(t, err, "ForbiddenException", "No access")
	}
	require.Equal(t, "ForbiddenException: No access", last(t, srv).Error)
	require.Equal(t, http.StatusForbidden, last(t, srv).StatusCode)

	requireAPIError(t, listed(t.Context(), srv, "x"), "UnauthorizedException", "Session token not found or invalid")
	other := signedIn(t, srv)
	_, err = portal.Logout(t.Context(), &sso.LogoutInput{AccessToken: &access})
	require.NoError(t, err)
	requireAPIError(t, listed(t.Context(), srv, access), "UnauthorizedException", "")
	require.NoError(t, listed(t.Context(), srv, other.AccessToken), "another sign-in goes on")
	srv.EndSignIns()
	requireAPIError(t, listed(t.Context(), srv, other.AccessToken), "UnauthorizedException", "")
}

func TestCenterThrottles(t *testing.T) {
	for _, hasRetryAfter := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			srv := chaimtest.NewServer(t)
			srv.LimitPortal(2, hasRetryAfter)
			access := signedIn(t, srv).AccessToken
			for range 2 {
				require.NoError(t, listed(t.Context(), srv, access))
			}
			err := listed(t.Context(), srv, access)
			requireAPIError(t, err, "TooManyRequestsException", "HTTP 429 Unknown Code")
			var reply *awshttp.ResponseError
			require.ErrorAs(t, err, &reply)
			after := reply.HTTPResponse().Header.Get("Retry-After")
			if hasRetryAfter {
				n, err := strconv.Atoi(after)
				require.NoError(t, err)
				require.Positive(t, n)
			} else {
				require.Empty(t, after)
			}
			_, err = renewed(t.Context(), srv, signedIn(t, srv))
			require.NoError(t, err, "only the portal is limited")
			time.Sleep(time.Second)
			require.NoError(t, listed(t.Context(), srv, access))
		})
	}
}

// TestCenterOnTheWire checks what SDKs look at, and do not show.
func TestCenterOnTheWire(t *testing.T) {
	srv := chaimtest.NewServer(t)
	ask := func(method, address, body string) (*http.Response, map[string]string) {
		req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
		require.NoError(t, err)
		resp, err := srv.HTTPClient().Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		doc := map[string]string{}
		require.NoError(t, json.Unmarshal(text, &doc), "%s", text)
		return resp, doc
	}
	resp, doc := ask(http.MethodPost, "https://oidc.eu-central-1.amazonaws.com/token", `{"grantType":"refresh_token"}`)
	require.Equal(t, http.StatusBadRequest, resp.StatusCode)
	require.Equal(t, "InvalidClientException", resp.Header.Get("X-Amzn-Errortype"))
	require.Equal(t, "invalid_client", doc["error"])
	resp, doc = ask(http.MethodGet, "https://portal.sso.eu-central-1.amazonaws.com/assignment/accounts", "")
	require.Equal(t, http.StatusUnauthorized, resp.StatusCode)
	require.Equal(t, "UnauthorizedException", resp.Header.Get("X-Amzn-Errortype"))
	require.Equal(t, map[string]string{"message": "Session token not found or invalid", "__type": "com.amazonaws.switchboard.portal#UnauthorizedException"}, doc)
	resp, _ = ask(http.MethodPost, "https://oidc.eu-central-1.amazonaws.com/token", "x")
	require.Equal(t, http.StatusBadRequest, resp.StatusCode)
	resp, _ = ask(http.MethodPost, "https://oidc.eu-central-1.amazonaws.com/x", "{}")
	require.Equal(t, http.StatusNotFound, resp.StatusCode)
	require.Error(t, errors.Join(listed(t.Context(), srv, "")), "an SDK sends no empty token")
}
