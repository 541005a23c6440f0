package portal_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/portal"
	"github.com/chaim-go/chaim/gateway/internal/portal/portaltest"
	"github.com/chaim-go/chaim/gateway/internal/store"
)

// BenchmarkPageOfAccounts reads the last page of 10,000 accounts with ten roles.
func BenchmarkPageOfAccounts(b *testing.B) {
	w := portaltest.New(b)
	w.Apply(2, portaltest.Large(b))
	c := w.Caller(store.WebToken, "ada")
	for name, q := range map[string]portal.AccountQuery{"all": {Limit: 100}, "search": {Search: "a x17", Limit: 100}} {
		page, err := w.Accounts(b.Context(), c, q)
		require.NoError(b, err)
		require.NotEmpty(b, page.Accounts)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := w.Accounts(b.Context(), c, q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
