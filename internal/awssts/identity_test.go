package awssts

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/profiles"
)

func TestIdentifyTellsNoSecret(t *testing.T) {
	creds := aws.Credentials{AccessKeyID: "ASIAEXAMPLEEXAMPLE00", SecretAccessKey: "CANARYsecretCANARYsecret", SessionToken: "CANARYtokenCANARYtoken"}
	const denial = `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Code>ExpiredToken</Code><Message>%v %s</Message></Error></ErrorResponse>`
	const reply = `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>%s</GetCallerIdentityResult></GetCallerIdentityResponse>`
	var elsewhere int
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere++ }))
	defer other.Close()
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter, r *http.Request)
		want   error
	}{
		"denied": {func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprintf(w, denial, r.Header, strings.ToLower(creds.SecretAccessKey))
		}, keys.ErrDenied},
		"away": {func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, fmt.Sprint(r.Header), http.StatusBadGateway)
		}, keys.ErrUnreachable},
		"page": {func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "<html>", r.Header) }, nil},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		}, nil},
		"empty": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, reply, "") }, nil},
		"control characters": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, reply, "<Account>1</Account><UserId>2</UserId><Arn>\u009b31m</Arn>")
		}, nil},
	} {
		srv := httptest.NewServer(http.HandlerFunc(c.answer))
		cfg := aws.Config{Region: "eu-west-1", BaseEndpoint: &srv.URL, RetryMaxAttempts: 1}
		who, err := Identify(t.Context(), cfg, creds, Options{Files: profiles.AWSFiles{}, Log: slog.New(slog.DiscardHandler)})
		srv.Close()
		require.Error(t, err, name)
		assert.Empty(t, who, name)
		text := fmt.Sprintf("%v %+v %q", err, err, err)
		assert.True(t, strings.HasPrefix(text, "chaim: asking STS in eu-west-1 whose keys these are: "), name)
		assert.NotContains(t, strings.ToLower(text), "canary", name)
		if c.want != nil {
			require.ErrorIs(t, err, c.want, name)
		}
	}
	assert.Zero(t, elsewhere, "keys do not follow a redirect")
}
