package httpx

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestClientFor(t *testing.T) {
	own, done := ClientFor(nil, nil)
	defer done()
	assert.IsType(t, new(Transport), own.Transport)
	given := &http.Client{Timeout: 1}
	copied, done := ClientFor(given, nil)
	defer done()
	assert.EqualValues(t, 1, copied.Timeout)
	assert.Nil(t, given.CheckRedirect)
	for _, c := range []*http.Client{own, copied} {
		assert.Equal(t, http.ErrUseLastResponse, c.CheckRedirect(nil, nil))
	}
}

func TestLoggedRequestsShowNoSecret(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	defer srv.Close()
	var text strings.Builder
	log := slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug}))
	client := Logged(&http.Client{Transport: http.DefaultTransport}, log)
	resp, err := client.PostForm(srv.URL+"/keys?token=CANARY", url.Values{"usertoken": {"CANARY"}})
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Contains(t, text.String(), "method=POST host="+strings.TrimPrefix(srv.URL, "http://")+" path=/keys")
	assert.Contains(t, text.String(), "status=418")
	srv.Close()
	_, err = client.Get(srv.URL)
	require.Error(t, err)
	assert.Contains(t, text.String(), "request failed")
	assert.NotContains(t, text.String(), "CANARY")
}
