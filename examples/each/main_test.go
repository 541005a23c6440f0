package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/assert"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
)

func TestFind(t *testing.T) {
	gateway := chaimtest.NewServer(t)
	gateway.Deny("", "O'Brien", "")
	buckets := httptest.NewServer(http.HandlerFunc(listBuckets))
	defer buckets.Close()
	opts := chaim.Options{Settings: gateway.Settings(), HTTPClient: gateway.HTTPClient(), Dir: t.TempDir()}
	s3Options := s3.Options{BaseEndpoint: aws.String(buckets.URL)}

	var out strings.Builder
	err := find(t.Context(), &out, opts, s3Options, "*", "*-logs")
	assert.ErrorContains(t, err, "1 of 3 accounts failed; account \"O'Brien\" (333333333333): ")
	assert.ErrorIs(t, err, chaim.ErrDenied)
	assert.Equal(t, "111111111111 sredev web-logs\n222222222222 Connected Homes web-logs\n", out.String())

	out.Reset()
	assert.NoError(t, find(t.Context(), &out, opts, s3Options, "Connected *", "web-*"))
	assert.Equal(t, "222222222222 Connected Homes web-logs\n222222222222 Connected Homes web-pages\n", out.String())
	assert.Error(t, find(t.Context(), &out, opts, s3Options, "[", "*"))
}
