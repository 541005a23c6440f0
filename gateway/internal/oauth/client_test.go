package oauth_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/oauth"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/store/storetest"
	"github.com/chaim-go/chaim/internal/checkcode"
	"github.com/chaim-go/chaim/internal/gatewayauth"
	"github.com/chaim-go/chaim/internal/keys"
)

// inMemory asks a replica without a network.
type inMemory struct{ replica }

func (m inMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	m.mux.ServeHTTP(w, r)
	return w.Result(), nil
}

// command is the sign-in of the command chaim at a replica.
func command(t *testing.T, r replica) *gatewayauth.Server {
	t.Helper()
	s, err := gatewayauth.Find(t.Context(), gatewayURL, &http.Client{Transport: inMemory{r}}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return s
}

func TestTheCommandLogsInByABrowserOfItsMachine(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	s, ada := command(t, w.replica), w.browser("ada", "192.0.2.7")
	answer := func(decide func(oauth.Authorize) (string, error)) (gatewayauth.Session, error) {
		return s.Login(t.Context(), gatewayauth.Login{Program: "chaim/2.0", Host: "laptop", Show: func(p gatewayauth.Page) {
			page, err := url.Parse(p.URL)
			require.NoError(t, err)
			assert.Equal(t, "/oauth/authorize", page.Path)
			asks, err := w.server.CheckAuthorize(page.Query())
			require.NoError(t, err)
			assert.Equal(t, checkcode.Of(asks.Challenge), p.Check)
			assert.Equal(t, []string{"chaim/2.0", "laptop"}, []string{asks.Program, asks.Host})
			back, err := decide(asks)
			require.NoError(t, err)
			resp, err := http.Get(back)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
		}})
	}
	got, err := answer(func(a oauth.Authorize) (string, error) {
		return w.server.Approve(context.Background(), ada, a, netip.MustParseAddr("192.0.2.7"))
	})
	require.NoError(t, err)
	assert.Equal(t, "ada", got.User)
	who, err := w.program(got.Token)
	require.NoError(t, err)
	assert.WithinDuration(t, who.Token.Expires, got.Expires, 5*time.Second)

	require.NoError(t, s.Revoke(t.Context(), got.Token))
	w.requireEnded(got.Token)
	require.NoError(t, s.Revoke(t.Context(), got.Token))

	_, err = answer(func(a oauth.Authorize) (string, error) {
		return w.server.Deny(context.Background(), ada, a, netip.Addr{}), nil
	})
	require.ErrorIs(t, err, keys.ErrDenied)
}

func TestTheCommandLogsInByACodeThatIsTyped(t *testing.T) {
	for name, allow := range map[string]bool{"allowed": true, "denied": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, storetest.SQLite(t))
				ada := w.browser("ada", "192.0.2.7")
				got, err := command(t, w.replica).Login(t.Context(), gatewayauth.Login{
					Program: "chaim/2.0", Host: "laptop", Device: true, Show: func(p gatewayauth.Page) {
						assert.Equal(t, gatewayURL+"/device", p.URL)
						time.AfterFunc(12*time.Second, func() {
							asks, err := w.server.FindDevice(context.Background(), ada, p.Code)
							assert.NoError(t, err)
							assert.Equal(t, "laptop", asks.Host)
							assert.NoError(t, w.server.DecideDevice(context.Background(), ada, p.Code, allow))
						})
					},
				})
				if !allow {
					require.ErrorIs(t, err, keys.ErrDenied)
					return
				}
				require.NoError(t, err)
				who, err := w.program(got.Token)
				require.NoError(t, err)
				assert.Equal(t, store.CLIToken, who.Token.Kind)
			})
		})
	}
}

func TestTheCommandIsToldThatCodesAreSwitchedOff(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t), func(d *oauth.Deps) { d.Settings.Device = false })
	_, err := command(t, w.replica).Login(t.Context(), gatewayauth.Login{Device: true})
	require.ErrorContains(t, err, "allows no sign-in with --device")
}
