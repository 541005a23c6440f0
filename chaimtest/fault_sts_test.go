package chaimtest_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/chaimtest"
)

func TestThrottleAtSTS(t *testing.T) {
	srv := chaimtest.NewServer(t)
	for _, wait := range []time.Duration{0, 1500 * time.Millisecond} {
		srv.Inject(1, chaimtest.Throttle(wait))
		status, body, header, err := post(t.Context(), srv, "/sts", url.Values{"Action": {"AssumeRole"}})
		require.NoError(t, err)
		require.Equal(t, http.StatusBadRequest, status)
		require.Contains(t, body, "<Code>Throttling</Code>")
		want := ""
		if wait > 0 {
			want = "2"
		}
		require.Equal(t, want, header.Get("Retry-After"))
	}
}

func TestSTSError(t *testing.T) {
	srv := chaimtest.NewServer(t)
	c := srv.AddKeys("sredev", "ci")
	for _, tt := range []struct {
		status        int
		code, message string
	}{
		{403, "ExpiredToken", "The security token included in the request is expired"},
		{400, "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."},
		{503, "ServiceUnavailable", "<&> later"},
	} {
		srv.Inject(1, chaimtest.STSError(tt.status, tt.code, tt.message))
		_, err := assumeRole(t.Context(), srv, c, nil)
		requireAPIError(t, err, tt.code, tt.message)
		r := last(t, srv)
		require.Equal(t, tt.status, r.StatusCode)
		require.Equal(t, "injected fault", r.Error)
	}
	require.Panics(t, func() { chaimtest.STSError(600, "x", "y") })
}

// TestSignatureErrorQuotesToken: only this answer of STS has the request's session token in it.
func TestSignatureErrorQuotesToken(t *testing.T) {
	srv := chaimtest.NewServer(t)
	c, _ := keys(t, srv, "sredev,rro,1")
	for name, prepare := range map[string]func(*aws.Credentials){
		"wrong key": func(c *aws.Credentials) { c.SecretAccessKey += "x" },
		"injected": func(*aws.Credentials) {
			srv.Inject(1, func(w http.ResponseWriter, r *http.Request) {
				message := "The Canonical String for this request should have been\n'POST\n/\n\nx-amz-security-token:" +
					r.Header.Get("X-Amz-Security-Token") + "\n'"
				chaimtest.STSError(403, "SignatureDoesNotMatch", message)(w, r)
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := c
			prepare(&c)
			_, err := assumeRole(t.Context(), srv, c, nil)
			requireAPIError(t, err, "SignatureDoesNotMatch", "The Canonical String for this request should have been\n'POST\n/\n\n")
			requireAPIError(t, err, "SignatureDoesNotMatch", "\nx-amz-security-token:"+c.SessionToken+"\n")
			require.NotContains(t, last(t, srv).Error, c.SessionToken)
		})
	}
}

// TestSignatureErrorQuotesWhatWasSigned compares the quoted text with the SDK's log of the text that it has signed.
func TestSignatureErrorQuotesWhatWasSigned(t *testing.T) {
	srv := chaimtest.NewServer(t)
	c, _ := keys(t, srv, "sredev,rro,1")
	c.SecretAccessKey += "x"
	var signed strings.Builder
	client := sts.New(sts.Options{
		Region: "eu-west-1", Credentials: stsClient(srv, c).Options().Credentials, HTTPClient: srv.HTTPClient(),
		Logger: logging.NewStandardLogger(&signed), ClientLogMode: aws.LogSigning,
	})
	_, err := client.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	var api smithy.APIError
	require.ErrorAs(t, err, &api)
	quoted := regexp.MustCompile(`(?s)should have been\n'(.*?)'\n`).FindAllStringSubmatch(api.ErrorMessage(), -1)
	require.Len(t, quoted, 2)
	for _, q := range quoted {
		require.True(t, strings.Contains(signed.String(), q[1])) // and not printed
	}
	require.True(t, strings.HasPrefix(quoted[0][1], "POST\n/\n"))
	require.True(t, strings.HasPrefix(quoted[1][1], "AWS4-HMAC-SHA256\n"))
}

func TestRewrite(t *testing.T) {
	srv := chaimtest.NewServer(t)
	c := srv.AddKeys("sredev", "ci")
	element := regexp.MustCompile(`<(\w+)>([^<]*)</\w+>`)
	// put replaces the content of an element, or the element itself if text is nil.
	put := func(name string, text *string) chaimtest.Fault {
		return chaimtest.Rewrite(func(body string) string {
			return element.ReplaceAllStringFunc(body, func(e string) string {
				switch {
				case !strings.HasPrefix(e, "<"+name+">"):
					return e
				case text == nil:
					return ""
				}
				return "<" + name + ">" + *text + "</" + name + ">"
			})
		})
	}
	ask := func(f chaimtest.Fault) (*types.Credentials, error) {
		srv.Inject(1, f)
		out, err := assumeRole(t.Context(), srv, c, nil)
		if err != nil {
			return nil, err
		}
		return out.Credentials, nil
	}

	got, err := ask(put("Expiration", strPtr("2030-01-02T03:04:05.678Z")))
	require.NoError(t, err)
	require.Equal(t, time.Date(2030, 1, 2, 3, 4, 5, 678e6, time.UTC), *got.Expiration)
	arn, err := whoami(t, srv, issued(&sts.AssumeRoleOutput{Credentials: got}))
	require.NoError(t, err, "the keys are real")
	require.Equal(t, "arn:aws:sts::111111111111:assumed-role/CrossAccountReadOnly/session", arn)

	got, err = ask(put("Expiration", strPtr("2001-01-01T00:00:00Z")))
	require.NoError(t, err)
	require.Equal(t, 2001, got.Expiration.Year())
	_, err = ask(put("Expiration", strPtr("soon")))
	require.ErrorContains(t, err, "soon")
	require.Equal(t, 200, last(t, srv).StatusCode)
	require.Equal(t, "injected fault", last(t, srv).Error)

	for _, name := range []string{"AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"} {
		got, err = ask(put(name, nil))
		require.NoError(t, err)
		for other, missing := range map[string]bool{
			"AccessKeyId": got.AccessKeyId == nil, "SecretAccessKey": got.SecretAccessKey == nil,
			"SessionToken": got.SessionToken == nil, "Expiration": got.Expiration == nil,
		} {
			require.Equal(t, other == name, missing, other)
		}
	}

	got, err = ask(chaimtest.Rewrite(func(string) string { return "" }))
	require.NoError(t, err)
	require.Nil(t, got)

	// A refusal stays one, and is on record as such; so does a gateway's reply.
	c.SecretAccessKey += "x"
	_, err = ask(chaimtest.Rewrite(func(body string) string { return strings.ReplaceAll(body, "SignatureDoesNotMatch", "Other") }))
	requireAPIError(t, err, "Other", "does not match")
	require.Equal(t, 403, last(t, srv).StatusCode)
	require.Contains(t, last(t, srv).Error, "SignatureDoesNotMatch: ")
	srv.Inject(1, chaimtest.Rewrite(strings.ToUpper))
	_, body, header, err := post(t.Context(), srv, "/prod/", askForm(srv, "sredev,rro,1"))
	require.NoError(t, err)
	require.Contains(t, body, "'ACCESSKEYID'")
	require.Equal(t, "application/json", header.Get("Content-Type"))
	srv.Inject(1, chaimtest.Rewrite(func(body string) string { return body }))
	status, _, _, err := post(t.Context(), srv, "/elsewhere", nil)
	require.NoError(t, err)
	require.Equal(t, 403, status)

	require.PanicsWithValue(t, "chaimtest: Rewrite was not injected", func() {
		chaimtest.Rewrite(strings.ToUpper)(nil, &http.Request{})
	})
}
