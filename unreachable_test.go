package chaim_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/assert"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
)

func TestUnreachable(t *testing.T) {
	for name, c := range map[string]struct {
		fault chaimtest.Fault
		want  bool
	}{
		"502":       {chaimtest.Status(502), true},
		"503":       {chaimtest.Status(503), true},
		"504":       {chaimtest.Status(504), true},
		"500":       {chaimtest.Status(500), false},
		"throttled": {chaimtest.Throttle(0), false},
		"refused":   {chaimtest.Refuse("DataNotFound: Account not found: sredev"), false},
		"denied":    {chaimtest.Refuse("IncorrectCredentials: Invalid token"), false},
		"garbage":   {chaimtest.Garbage(), false},
		"hang":      {chaimtest.Hang(), true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := chaimtest.NewServer(t)
				srv.Inject(-1, c.fault)
				opts := optionsFor(t, srv)
				opts.NoProfile = true
				assert.Equal(t, c.want, errors.Is(keysOf(t, opts), chaim.ErrUnreachable), "gateway")

				opts.Settings, opts.Account = nil, "111111111111"
				opts.Source = &chaim.STS{
					RoleARN: "arn:aws:iam::111111111111:role/CrossAccountReadOnly", Keys: credentials.StaticCredentialsProvider{Value: srv.AddKeys("sredev", "me")},
					HTTPClient: srv.HTTPClient(),
				}
				if name != "refused" && name != "denied" { // the gateway's words mean nothing to STS
					assert.Equal(t, c.want, errors.Is(keysOf(t, opts), chaim.ErrUnreachable), "STS")
				}
			})
		})
	}
}

func TestUnreachableAddress(t *testing.T) {
	untrusted := httptest.NewTLSServer(http.NotFoundHandler())
	defer untrusted.Close()
	for _, url := range []string{"http://127.0.0.1:1", untrusted.URL} {
		opts := optionsFor(t, chaimtest.NewServer(t))
		opts.NoProfile, opts.HTTPClient, opts.Settings.Endpoint = true, nil, url
		assert.ErrorIs(t, keysOf(t, opts), chaim.ErrUnreachable, url)
	}
}

func TestOwnDeadlineIsNotUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		srv.Inject(-1, chaimtest.Hang())
		opts := optionsFor(t, srv)
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() { synctest.Wait(); cancel(errors.New("enough")) }()
		err := chaim.WithContext(ctx, opts, func(context.Context, *chaim.Client) error { return nil })
		assert.ErrorContains(t, err, "enough")
		assert.NotErrorIs(t, err, chaim.ErrUnreachable)
	})
}

// keysOf asks for keys and returns what went wrong.
func keysOf(t *testing.T, opts chaim.Options) error {
	return chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error { return nil })
}
