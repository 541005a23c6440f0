package web

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/internal/portal/portaltest"
	"github.com/chaim-go/chaim/gateway/internal/server"
	"github.com/chaim-go/chaim/gateway/internal/store"
)

// ada is signed in.
type ada struct {
	*world
	caller issue.Caller
}

func (a ada) Caller(http.ResponseWriter, *http.Request) (issue.Caller, bool) { return a.caller, true }

// BenchmarkPageOfAccounts makes the page of accounts for a user with ten roles in 10,000 accounts.
func BenchmarkPageOfAccounts(b *testing.B) {
	w := portaltest.New(b)
	w.Apply(2, portaltest.Large(b))
	user := ada{newWorld(), w.Caller(store.WebToken, "ada")}
	mux := http.NewServeMux()
	New(Deps{Portal: w.Portal, Sessions: user, OAuth: user, Authenticator: user, AllowForm: server.AllowForm}).Mount(mux)
	h := server.Pages(&url.URL{Scheme: "http", Host: "example.com"}, mux)
	for name, path := range map[string]string{"all": "/accounts", "search": "/accounts?q=a+x17"} {
		b.Run(name, func(b *testing.B) {
			size := 0
			for b.Loop() {
				rec := get(h, path)
				require.Equal(b, http.StatusOK, rec.Code)
				size = rec.Body.Len()
			}
			b.ReportMetric(float64(size), "bytes/page")
		})
	}
}
