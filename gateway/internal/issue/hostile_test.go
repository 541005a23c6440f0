package issue_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/internal/store"
)

func TestNothingPrintsSecrets(t *testing.T) {
	keys := aws.Credentials{AccessKeyID: "ASIACANARY", SecretAccessKey: "CANARY", SessionToken: "CANARY"}
	caller, grant, lent := issue.Caller{Token: "CANARY"}, issue.Grant{Keys: keys, URL: "CANARY"}, issue.Lent{Keys: keys}
	for _, v := range []any{caller, &caller, grant, &grant, lent, &lent, []issue.Grant{grant}, struct{ C issue.Caller }{caller}} {
		var out strings.Builder
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v)
		doc, err := json.Marshal(v)
		require.NoError(t, err)
		out.Write(doc)
		assert.NotContains(t, out.String(), "CANARY")
		assert.NotContains(t, out.String(), fmt.Sprintf("%x", "CANARY"))
	}
}

// memory is a store and a journal in memory, for many requests in a short time.
type memory struct {
	view   *store.View
	bodies [][]byte
}

func (m *memory) Token(context.Context, string) (store.Token, error) {
	return store.Token{}, store.ErrNotFound
}

func (m *memory) Auth(context.Context) (int64, error) { return m.view.Auth, nil }

func (m *memory) View(context.Context) (*store.View, error) { return m.view, nil }

func (m *memory) OldIntents(context.Context, time.Time) ([]store.Issue, error) { return nil, nil }

func (m *memory) IssueByKey(context.Context, string) (store.Issue, error) {
	return store.Issue{}, store.ErrNotFound
}

func (m *memory) Append(_ context.Context, c store.Change) error {
	for _, e := range c.Events {
		m.bodies = append(m.bodies, e.Body())
	}
	return nil
}

// FuzzKeys asks with hostile texts in each field of a request.
func FuzzKeys(f *testing.F) {
	for _, seed := range []string{
		"sredev", "", "111111111111", "111111111111:role/Admin", "arn:aws:iam::111111111111:role/x", "../../x", "a\x00b", "\n", "'; DROP TABLE",
		"\xff\xfe", strings.Repeat("x", 5000), "TWIN", "twin\u202e", "{{.}}", "%s%n", "chm1_" + strings.Repeat("0", 26) + "_" + strings.Repeat("0", 52),
	} {
		f.Add(seed, "rro", "ada", "agent", int64(3600))
		f.Add("sredev", seed, "ada", "agent", int64(-1))
		f.Add("sredev", "rro", seed, "agent", int64(1<<62))
		f.Add("sredev", "rro", "ada", seed, int64(0))
	}
	ring := newRing(f)
	text, row := ring.Ring().New(store.UserToken, "ada", "", time.Now().Add(1000*time.Hour))
	view := &store.View{
		Auth: 2, Policy: store.PolicyVersion{Seq: 1, Doc: []byte(document)}, Tokens: map[string]store.Token{row.ID: row},
		Users: map[string]store.User{"ada": {Name: "ada", SourceIdentity: "ada", Groups: []string{"sre"}}},
	}
	arns := []string{
		"arn:aws:iam::111111111111:role/CrossAccountReadOnly", "arn:aws:iam::111111111111:role/team/CrossAccountAdminUser",
		"arn:aws:iam::333333333333:role/CrossAccountReadOnly",
	}
	f.Fuzz(func(t *testing.T, account, role, user, agent string, seconds int64) {
		m, sts := &memory{view: view}, &fakeSTS{}
		i := issue.New(issue.Deps{Store: m, Journal: m, Ring: ring, STS: sts})
		c := issue.Caller{Token: text.Reveal(), User: user, Agent: agent, IP: netip.MustParseAddr("192.0.2.1"), IsProven: true}
		ask := issue.Ask{Account: account, Role: role, Duration: time.Duration(seconds) * time.Second}
		_, err := i.Keys(t.Context(), c, ask)
		if err != nil {
			var r *issue.Refusal
			require.ErrorAs(t, err, &r)
			assert.False(t, strings.ContainsFunc(r.Text, func(r rune) bool { return r < ' ' || r == 0x7f }), "%q", r.Text)
			assert.Less(t, len(r.Text), 1000)
		}
		for _, s := range sts.sessions() {
			assert.True(t, slices.Contains(arns, s.RoleARN), s.RoleARN)
			assert.Equal(t, []string{"ada", "ada"}, []string{s.SourceIdentity, s.User})
			assert.True(t, s.Lifetime >= 15*time.Minute && s.Lifetime <= 12*time.Hour, s.Lifetime)
		}
		for _, body := range m.bodies {
			_, err := audit.ParseBody(body)
			assert.NoError(t, err)
		}
	})
}
