package portal_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/portal"
	"github.com/chaim-go/chaim/gateway/internal/portal/portaltest"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/policy"
)

// BenchmarkPageOfAccounts reads the last page of 10,000 accounts with ten roles.
func BenchmarkPageOfAccounts(b *testing.B) {
	w := portaltest.New(b)
	var doc strings.Builder
	doc.WriteString("version: 1\nroles:\n")
	for i := range 10 {
		fmt.Fprintf(&doc, "  r%d: {aws: Role%d}\n", i, i)
	}
	doc.WriteString("accounts:\n")
	for i := range 10_000 {
		tag := ""
		if i%10 == 0 { // more do not fit into a document
			tag = fmt.Sprintf(",tags: {t: x%d}", i%200)
		}
		fmt.Fprintf(&doc, "- {id: '%012d',name: a%d,ou: r/%d%s}\n", i+1, i, i%40, tag)
	}
	doc.WriteString("grants:\n  - {id: all, to: {groups: [sre]}, on: {names: [\"**\"]}, roles: [r0, r1, r2, r3, r4, r5, r6, r7, r8, r9]}\n")
	require.LessOrEqual(b, doc.Len(), policy.MaxDocument)
	w.Apply(2, doc.String())
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
