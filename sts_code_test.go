package chaim_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
)

// TestSTSSendsACodeOnce has STS fail after it may have taken the code of an MFA device, whatever asks for the keys. A
// second request with the code would be refused, and would hide why the first one failed.
func TestSTSSendsACodeOnce(t *testing.T) {
	faults := map[string]chaimtest.Fault{
		"500":             chaimtest.Status(500),
		"503":             chaimtest.Status(503),
		"throttled":       chaimtest.Throttle(0),
		"no document":     chaimtest.Body("<html>"),
		"no keys":         chaimtest.Rewrite(func(string) string { return "<AssumeRoleResponse/>" }),
		"connection ends": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"role chaining":   chaimtest.STSError(400, "ValidationError", "exceeds the 1 hour session limit for roles assumed by role chaining"),
	}
	each := func(t *testing.T, source aws.CredentialsProvider) error {
		opts := chaim.EachOptions{Sources: func(chaim.Account) aws.CredentialsProvider { return source }}
		opts.Options.Dir = t.TempDir()
		return chaim.Each(t.Context(), []chaim.Account{{ID: "111111111111", Name: "sredev"}}, opts, doNothing)
	}
	ways := map[string]func(t *testing.T, s *chaim.STS) error{
		"Retrieve": func(t *testing.T, s *chaim.STS) error { _, err := s.Retrieve(t.Context()); return err },
		"Monitor": func(t *testing.T, s *chaim.STS) error {
			_, err := chaim.NewMonitor(t.Context(), s, chaim.MonitorOptions{})
			return err
		},
		"WithContext": func(t *testing.T, s *chaim.STS) error {
			opts := chaim.Options{Account: "sredev", Source: s, NoProfile: true, Dir: t.TempDir()}
			return chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error { return nil })
		},
		"Each":                func(t *testing.T, s *chaim.STS) error { return each(t, s) },
		"Each with a cache":   func(t *testing.T, s *chaim.STS) error { return each(t, aws.NewCredentialsCache(s)) },
		"Each with a foreign": func(t *testing.T, s *chaim.STS) error { return each(t, aws.CredentialsProviderFunc(s.Retrieve)) },
	}
	noSDKConfig(t)
	for fault, answer := range faults {
		for way, ask := range ways {
			t.Run(fault+"/"+way, func(t *testing.T) {
				srv := chaimtest.NewServer(t)
				srv.RequireMFA("sredev", "arn:aws:iam::111111111111:mfa/chris", "123456")
				s, asked := stsFor(srv), 0
				s.Duration = 2 * time.Hour
				s.MFASerial = "arn:aws:iam::111111111111:mfa/chris"
				s.TokenCode = func(context.Context) (string, error) { asked++; return "123456", nil }
				srv.Inject(1, answer) // a second request would succeed
				require.Error(t, ask(t, s))
				assert.Len(t, srv.Requests(), 1)
				assert.Equal(t, 1, asked)
			})
		}
	}
}
