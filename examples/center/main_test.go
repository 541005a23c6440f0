package main

import (
	"encoding/xml"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
)

// signedIn gives the rest of a test a home with a sign-in to the Identity Center of a double.
func signedIn(t *testing.T) *chaimtest.Server {
	t.Helper()
	srv := chaimtest.NewServer(t)
	home := srv.Setenv(t) // hides the real environment
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	text := "[sso-session corp]\nsso_start_url = " + srv.StartURL() + "\nsso_region = eu-central-1\n"
	require.NoError(t, os.WriteFile(filepath.Join(home, "config"), []byte(text), 0o600))
	cache := filepath.Join(home, ".aws", "sso", "cache")
	require.NoError(t, os.MkdirAll(cache, 0o700))
	const sha1OfCorp = "ee0bfd2552fbd840c02cc48b6e823320543c450f.json"
	require.NoError(t, os.WriteFile(filepath.Join(cache, sha1OfCorp), srv.SignIn(), 0o600))
	return srv
}

// newS3 plays an S3 in which every account has the same two buckets. It refuses requests without keys.
func newS3(t *testing.T) s3.Options {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Authorization"), "Credential=ASIA") {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		type bucket struct{ Name string }
		w.Header().Set("Content-Type", "application/xml")
		_ = xml.NewEncoder(w).Encode(struct {
			XMLName xml.Name `xml:"ListAllMyBucketsResult"`
			Buckets []bucket `xml:"Buckets>Bucket"`
		}{Buckets: []bucket{{"web-logs"}, {"web-pages"}}})
	}))
	t.Cleanup(srv.Close)
	return s3.Options{BaseEndpoint: aws.String(srv.URL)}
}

func TestFind(t *testing.T) {
	srv := signedIn(t)
	srv.Deny("", "O'Brien", "CrossAccountReadOnly")
	s3Options := newS3(t)
	var out strings.Builder
	require.NoError(t, find(t.Context(), &out, chaim.IdentityCenter{}, "CrossAccountReadOnly", "*-logs", s3Options), "an account without the permission set is no failure")
	assert.Equal(t, "111111111111 sredev web-logs\n222222222222 Connected Homes web-logs\n", out.String())

	out.Reset()
	s3Options.BaseEndpoint = aws.String("http://127.0.0.1:1")
	s3Options.RetryMaxAttempts = 1
	err := find(t.Context(), &out, chaim.IdentityCenter{Session: "corp"}, "CrossAccountReadOnly", "*", s3Options)
	require.ErrorContains(t, err, "2 of 3 accounts failed; account \"sredev\" (111111111111): ")
	assert.NotContains(t, err.Error(), "CANARY")
	assert.Empty(t, out.String())
}

func TestFindFails(t *testing.T) {
	srv := signedIn(t)
	s3Options := newS3(t)
	var out strings.Builder
	require.Error(t, find(t.Context(), &out, chaim.IdentityCenter{}, "CrossAccountReadOnly", "[", s3Options))
	assert.Empty(t, srv.Requests(), "a wrong pattern is refused at once")
	require.ErrorContains(t, find(t.Context(), &out, chaim.IdentityCenter{Session: "other"}, "CrossAccountReadOnly", "*", s3Options), "other")
	srv.EndSignIns()
	require.ErrorIs(t, find(t.Context(), &out, chaim.IdentityCenter{}, "CrossAccountReadOnly", "*", s3Options), chaim.ErrSignedOut)
	assert.Empty(t, out.String())
}
