package chaim_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
)

// assumeRole answers every call with a document of that content.
func assumeRole(content string) chaimtest.Fault {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/xml")
		fmt.Fprintf(w, `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>%s</AssumeRoleResult></AssumeRoleResponse>`, content)
	}
}

// credentialsXML are good, but for what is replaced.
func credentialsXML(replace ...string) string {
	text := `<Credentials><AccessKeyId>ASIAIOSFODNN7EXAMPLE</AccessKeyId><SecretAccessKey>CANARYsecret</SecretAccessKey>` +
		`<SessionToken>CANARYtoken</SessionToken><Expiration>EXPIRATION</Expiration></Credentials>`
	return strings.NewReplacer(append(replace, "EXPIRATION", time.Now().Add(time.Hour).UTC().Format(time.RFC3339))...).Replace(text)
}

func TestSTSReplies(t *testing.T) {
	noSDKConfig(t)
	for _, tt := range []struct {
		name   string
		fault  func() chaimtest.Fault
		says   string // empty for success
		denied bool
		code   string
		calls  int
	}{
		{name: "good", fault: func() chaimtest.Fault { return assumeRole(credentialsXML()) }, calls: 1},
		{name: "fractional seconds", fault: func() chaimtest.Fault {
			return assumeRole(credentialsXML("EXPIRATION", time.Now().Add(time.Hour).UTC().Format("2006-01-02T15:04:05.000000Z")))
		}, calls: 1},
		{name: "empty", fault: func() chaimtest.Fault { return chaimtest.Body("") }, says: "no credentials", calls: 1},
		{name: "no credentials", fault: func() chaimtest.Fault { return assumeRole("") }, says: "no credentials", calls: 1},
		{name: "no key id", fault: func() chaimtest.Fault { return assumeRole(credentialsXML("ASIAIOSFODNN7EXAMPLE", "")) }, says: "access key id", calls: 1},
		{name: "no secret", fault: func() chaimtest.Fault { return assumeRole(credentialsXML("CANARYsecret", "")) }, says: "secret access key", calls: 1},
		{name: "no token", fault: func() chaimtest.Fault { return assumeRole(credentialsXML("CANARYtoken", "")) }, says: "session token", calls: 1},
		{name: "newline in the token", fault: func() chaimtest.Fault { return assumeRole(credentialsXML("CANARYtoken", "CANARY&#10;[x]")) }, says: "session token", calls: 1},
		{name: "no expiration", fault: func() chaimtest.Fault {
			return assumeRole(credentialsXML("<Expiration>EXPIRATION</Expiration>", ""))
		}, says: "no expiration", calls: 1},
		{name: "unreadable expiration", fault: func() chaimtest.Fault { return assumeRole(credentialsXML("EXPIRATION", "soon CANARY")) }, says: "cannot be read", calls: 1},
		{name: "expired", fault: func() chaimtest.Fault { return assumeRole(credentialsXML("EXPIRATION", "1999-12-31T23:00:00Z")) }, says: "expired", calls: 1},
		{name: "in the far future", fault: func() chaimtest.Fault { return assumeRole(credentialsXML("EXPIRATION", "2036-01-01T00:00:00Z")) }, says: "12 hours", calls: 1},
		{name: "another account", fault: func() chaimtest.Fault {
			return assumeRole(credentialsXML() + `<AssumedRoleUser><Arn>arn:aws:sts::999999999999:assumed-role/a/b</Arn></AssumedRoleUser>`)
		}, says: "another role or account", calls: 1},
		{name: "HTML", fault: func() chaimtest.Fault { return chaimtest.Body("<html>CANARY</html>") }, says: "reply", calls: 1},
		{name: "garbage", fault: chaimtest.Garbage, says: "reply", calls: 1},
		{name: "huge", fault: chaimtest.Huge, says: "reply", calls: 1},
		{name: "redirect", fault: func() chaimtest.Fault { return chaimtest.Redirect("https://evil.example/") }, says: "307", calls: 1, code: "UnknownReply"},
		{name: "server error", fault: func() chaimtest.Fault { return chaimtest.Status(500) }, says: "500", calls: 3, code: "InternalFailure"},
		{name: "throttled", fault: func() chaimtest.Fault { return chaimtest.Throttle(0) }, says: "Throttling", calls: 3, code: "Throttling"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := chaimtest.NewServer(t)
				srv.Inject(-1, tt.fault())
				creds, err := stsFor(srv).Retrieve(t.Context())
				assert.Len(t, srv.Requests(), tt.calls)
				if tt.says == "" {
					require.NoError(t, err)
					assert.WithinDuration(t, time.Now().Add(time.Hour), creds.Expires, 0)
					return
				}
				require.ErrorContains(t, err, tt.says)
				assert.Equal(t, aws.Credentials{Source: "chaim"}, creds)
				assert.Equal(t, 1, strings.Count(err.Error(), "chaim: "), "%v", err)
				assertNoSecretIn(t, err, "CANARY")
				var refusal smithy.APIError
				if tt.code != "" && assert.ErrorAs(t, err, &refusal) {
					assert.Equal(t, tt.code, refusal.ErrorCode())
				}
				assert.Equal(t, tt.denied, errors.Is(err, chaim.ErrDenied))
			})
		})
	}
}

// TestSTSOverTLS asks a server whose certificate only AWS_CA_BUNDLE vouches for.
func TestSTSOverTLS(t *testing.T) {
	noSDKConfig(t)
	calls := 0
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls++
		assumeRole(credentialsXML())(w, r)
	}))
	defer srv.Close()
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s := stsFor(chaimtest.NewServer(t))
	s.HTTPClient = nil
	t.Setenv("AWS_ENDPOINT_URL_STS", srv.URL)
	t.Setenv("AWS_MAX_ATTEMPTS", "1")

	_, err := s.Retrieve(t.Context())
	require.ErrorContains(t, err, "failed to verify certificate")
	assert.Zero(t, calls)

	bundle := filepath.Join(t.TempDir(), "ca.pem")
	write(t, bundle, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})))
	t.Setenv("AWS_CA_BUNDLE", bundle)
	creds, err := s.Retrieve(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "ASIAIOSFODNN7EXAMPLE", creds.AccessKeyID)
	assert.Equal(t, 1, calls)
}

// TestSTSCancelledWhileTheReplyArrives is a cancellation to the caller.
func TestSTSCancelledWhileTheReplyArrives(t *testing.T) {
	noSDKConfig(t)
	synctest.Test(t, func(t *testing.T) {
		s := stsFor(chaimtest.NewServer(t))
		s.HTTPClient = &http.Client{Transport: slowBody{content: credentialsXML()}, Timeout: time.Minute}
		why := errors.New("enough")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, why)
		defer cancel()
		_, err := s.Retrieve(ctx)
		assert.ErrorIs(t, err, why)
	})
}

// TestSTSDateOfAProxy makes keys last no longer than was asked for.
func TestSTSDateOfAProxy(t *testing.T) {
	noSDKConfig(t)
	synctest.Test(t, func(t *testing.T) {
		s := stsFor(chaimtest.NewServer(t))
		s.HTTPClient = &http.Client{Transport: slowBody{credentialsXML(), -5 * time.Hour}, Timeout: time.Minute}
		creds, err := s.Retrieve(t.Context())
		require.NoError(t, err)
		assert.LessOrEqual(t, time.Until(creds.Expires), time.Hour)
	})
}

// slowBody is an STS that dates its reply at once and takes a while to send it.
type slowBody struct {
	content string
	skew    time.Duration // of its clock
}

type readerFunc func([]byte) (int, error)
