package idp

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/config"
)

// hanging is a provider that never answers. It counts how often it is asked.
type hanging int

func (h *hanging) RoundTrip(r *http.Request) (*http.Response, error) {
	*h++
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestAProviderThatHangsHoldsUpNobodyWhileItsDocumentIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := hanging(0)
		p := New(config.OIDC{Issuer: "https://idp.example.com"}, "", Options{})
		p.client.Transport = &asked
		<-p.turn
		p.turn <- &metadata{read: time.Now()}
		time.Sleep(time.Hour)

		start := time.Now()
		require.NoError(t, p.Check(t.Context()))
		assert.Equal(t, 2*time.Second, time.Since(start))
		require.NoError(t, p.Check(t.Context()))
		assert.Equal(t, 2*time.Second, time.Since(start), "it is not asked again at once")
		assert.EqualValues(t, 1, asked)
		time.Sleep(time.Minute)
		require.NoError(t, p.Check(t.Context()))
		assert.EqualValues(t, 2, asked)
	})
}
