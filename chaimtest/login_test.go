package chaimtest_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/logincreds"
	"github.com/aws/aws-sdk-go-v2/service/signin"
	"github.com/aws/aws-sdk-go-v2/service/signin/types"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/chaimtest"
)

func signinClient(srv *chaimtest.Server) *signin.Client {
	return signin.New(signin.Options{Region: "eu-west-1", HTTPClient: srv.HTTPClient(), Retryer: aws.NopRetryer{}})
}

// TestLogin has the SDK read and renew the file of a sign-in.
func TestLogin(t *testing.T) {
	srv := chaimtest.NewServer(t)
	srv.SetLifetime(-time.Second)
	session, name, text := srv.Login("sredev", "lars")
	require.Equal(t, "arn:aws:iam::111111111111:user/lars", session)
	srv.SetLifetime(0)
	dir := t.TempDir()
	path := filepath.Join(dir, name)
	standard, err := logincreds.StandardCachedTokenFilepath(session, dir)
	require.NoError(t, err)
	require.Equal(t, standard, path)
	require.NoError(t, os.WriteFile(path, text, 0o600))

	creds, err := logincreds.New(signinClient(srv), path).Retrieve(t.Context())
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(15*time.Minute), creds.Expires, 5*time.Second)
	arn, err := whoami(t, srv, creds)
	require.NoError(t, err)
	require.Equal(t, session, arn)
	require.Equal(t, "CreateOAuth2Token", srv.Requests()[0].Action)
	require.Equal(t, "lars", srv.Requests()[0].User)

	require.NoError(t, os.WriteFile(path, text, 0o600))
	_, err = logincreds.New(signinClient(srv), path).Retrieve(t.Context())
	require.NoError(t, err, "an old refresh token stays valid")
	srv.EndLogins("USER_CREDENTIALS_CHANGED")
	require.NoError(t, os.WriteFile(path, text, 0o600))
	_, err = logincreds.New(signinClient(srv), path).Retrieve(t.Context())
	require.ErrorContains(t, err, "login session password has changed")
	require.Equal(t, 403, last(t, srv).StatusCode)
}

// TestLoginProof sends requests without the proof that the client has the key of the sign-in, or with one of another key.
func TestLoginProof(t *testing.T) {
	srv := chaimtest.NewServer(t)
	srv.SetLifetime(-time.Second)
	_, _, first := srv.Login("sredev", "lars")
	_, _, second := srv.Login("sredev", "lars")
	srv.SetLifetime(0)
	var mine, other map[string]any
	require.NoError(t, json.Unmarshal(first, &mine))
	require.NoError(t, json.Unmarshal(second, &other))
	in := &signin.CreateOAuth2TokenInput{TokenInput: &types.CreateOAuth2TokenRequestBody{
		ClientId: aws.String(mine["clientId"].(string)), GrantType: aws.String("refresh_token"), RefreshToken: aws.String(mine["refreshToken"].(string)),
	}}
	_, err := signinClient(srv).CreateOAuth2Token(t.Context(), in)
	requireAPIError(t, err, "ValidationException", "DPoP")

	mine["dpopKey"] = other["dpopKey"]
	text, err := json.Marshal(mine)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, text, 0o600))
	_, err = logincreds.New(signinClient(srv), path).Retrieve(t.Context())
	requireAPIError(t, err, "ValidationException", "bound to another key")
	require.NoError(t, os.WriteFile(path, first, 0o600))
	_, err = logincreds.New(elsewhere{signinClient(srv)}, path).Retrieve(t.Context())
	requireAPIError(t, err, "ValidationException", "it is for another request")

	srv.Advance(13 * time.Hour)
	_, err = logincreds.New(signinClient(srv), path).Retrieve(t.Context())
	requireAPIError(t, err, "ValidationException", "too old or too new")
}

// elsewhere sends a proof for one region to another.
type elsewhere struct{ *signin.Client }

func (e elsewhere) CreateOAuth2Token(ctx context.Context, in *signin.CreateOAuth2TokenInput, options ...func(*signin.Options)) (*signin.CreateOAuth2TokenOutput, error) {
	return e.Client.CreateOAuth2Token(ctx, in, append(options, func(o *signin.Options) {
		o.APIOptions = append(o.APIOptions, rehost)
	})...)
}

// rehost changes the host of a request after its proof was made.
func rehost(stack *middleware.Stack) error {
	return stack.Finalize.Add(middleware.FinalizeMiddlewareFunc("rehost", func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
		req := in.Request.(*smithyhttp.Request)
		req.URL.Host = "us-east-1.signin.aws.amazon.com"
		return next.HandleFinalize(ctx, in)
	}), middleware.After)
}
