package httpx

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
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
