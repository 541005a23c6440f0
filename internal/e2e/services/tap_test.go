//go:build services && linux

package services

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path"
	"regexp"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// tap passes requests on to a token service, and notes them.
type tap struct {
	url string

	mu      sync.Mutex
	asked   []string // action, name of the role, and the beginning of the key id of the signature
	replies []string
}

var signerRule = regexp.MustCompile(`Credential=(.{4})`)

func newTap(t *testing.T, target string) *tap {
	t.Helper()
	u, err := url.Parse(target)
	require.NoError(t, err)
	proxy := httputil.NewSingleHostReverseProxy(u) // does not change Host, which is signed
	tp := &tap{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		form, _ := url.ParseQuery(string(body))
		asked := form.Get("Action") + " " + path.Base(form.Get("RoleArn"))
		if match := signerRule.FindStringSubmatch(r.Header.Get("Authorization")); match != nil {
			asked += " " + match[1]
		}
		reply := httptest.NewRecorder()
		proxy.ServeHTTP(reply, r)

		tp.mu.Lock()
		tp.asked, tp.replies = append(tp.asked, asked), append(tp.replies, reply.Body.String())
		tp.mu.Unlock()
		maps.Copy(w.Header(), reply.Header())
		w.WriteHeader(reply.Code)
		_, _ = w.Write(reply.Body.Bytes())
	}))
	t.Cleanup(srv.Close)
	tp.url = srv.URL
	return tp
}

// seen returns the requests and the replies so far.
func (tp *tap) seen() (asked, replies []string) {
	tp.mu.Lock()
	defer tp.mu.Unlock()
	return tp.asked, tp.replies
}
