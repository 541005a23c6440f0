package portaltest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/policy"
)

// Large returns a policy by which the group sre may use ten roles in each of 10,000 accounts. It is about the largest that a
// gateway takes.
func Large(t testing.TB) string {
	t.Helper()
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
	require.LessOrEqual(t, doc.Len(), policy.MaxDocument)
	return doc.String()
}
