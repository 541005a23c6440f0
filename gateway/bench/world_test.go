package bench

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/ambient"
	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/internal/journal"
	"github.com/chaim-go/chaim/gateway/internal/legacy"
	"github.com/chaim-go/chaim/gateway/internal/server"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/store/storetest"
	"github.com/chaim-go/chaim/gateway/internal/token"
)

// crowd is how many users there are, so that one request after the other stays below the limit of each.
const crowd = 64

// startSTS starts an STS that answers AssumeRole after a delay.
func startSTS(b *testing.B, delay time.Duration) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		time.Sleep(delay)
		role, session := r.PostForm.Get("RoleArn"), r.PostForm.Get("RoleSessionName")
		account, name := strings.Split(role+":::::", ":")[4], role[strings.LastIndex(role, "/")+1:]
		w.Header().Set("Content-Type", "text/xml")
		fmt.Fprintf(w, `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>`+
			`<SourceIdentity>%s</SourceIdentity><AssumedRoleUser><Arn>arn:aws:sts::%s:assumed-role/%s/%s</Arn>`+
			`<AssumedRoleId>AROATEST:%s</AssumedRoleId></AssumedRoleUser><Credentials><AccessKeyId>ASIA%016d</AccessKeyId>`+
			`<SecretAccessKey>%s</SecretAccessKey><SessionToken>%s</SessionToken><Expiration>%s</Expiration></Credentials>`+
			`</AssumeRoleResult></AssumeRoleResponse>`, r.PostForm.Get("SourceIdentity"), account, name, session, session,
			time.Now().UnixNano()%1e16, strings.Repeat("s", 40), strings.Repeat("t", 320), time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	}))
	b.Cleanup(s.Close)
	return s.URL
}

var ownKeys = credentials.NewStaticCredentialsProvider("AKIABENCH", "secret", "")

// bareSTS is a client of STS with the settings that the SDK has by itself.
func bareSTS(url string) *sts.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	return sts.New(sts.Options{
		Region: "eu-west-1", BaseEndpoint: aws.String(url), Credentials: ownKeys, HTTPClient: &http.Client{Transport: transport},
	})
}

// gateway is a gateway that serves.
type gateway struct {
	url   string
	users []login
}

// login is a user with a token.
type login struct{ name, token string }

// policyFor is a policy in which everyone may use all of n accounts.
func policyFor(n int) []byte {
	var doc strings.Builder
	doc.WriteString("version: 1\nroles:\n  rro: {aws: CrossAccountReadOnly, max: 12h}\naccounts:\n")
	for i := range n {
		fmt.Fprintf(&doc, "  - {id: %q, name: account-%d, tags: {env: dev}}\n", fmt.Sprintf("%012d", 100_000_000_000+i), i)
	}
	doc.WriteString("grants:\n  - {id: all, to: {groups: [everyone]}, on: {tags: {env: dev}}, roles: [rro]}\n")
	return []byte(doc.String())
}

// startGateway starts a gateway with n accounts on a new database.
func startGateway(b *testing.B, database, stsURL string, n int) gateway {
	ctx := b.Context()
	db := storetest.Open(b, database)
	ring, err := token.NewRing(db.ID())
	require.NoError(b, err)
	path := filepath.Join(b.TempDir(), "keyring.json")
	require.NoError(b, ring.Save(path))
	file, err := token.OpenFile(path)
	require.NoError(b, err)
	g, doc := gateway{}, policyFor(n)
	effects := []store.Effect{store.AddPolicy(store.PolicyVersion{Seq: 1, Doc: doc, SHA256: sha256.Sum256(doc), Author: "bench", At: time.Now()})}
	for i := range crowd {
		name := fmt.Sprintf("user%d", i)
		text, row := ring.New(store.UserToken, name, "", time.Now().Add(time.Hour))
		g.users = append(g.users, login{name, text.Reveal()})
		effects = append(effects, store.AddUser(store.User{Name: name, SourceIdentity: name, Created: time.Now()}), store.AddToken(row))
	}
	event := audit.Event{Type: audit.PolicyApplied, At: time.Now(), Actor: audit.Actor{Kind: "os", Name: "bench"}}
	_, err = db.Append(ctx, "bench", store.Change{Events: []audit.Event{event}, Effects: effects, Raises: true})
	require.NoError(b, err)
	log := journal.New(db, journal.Options{Writer: "bench"})
	b.Cleanup(func() { require.NoError(b, log.Close()) })
	assumer, err := ambient.New(ctx, ambient.Options{Regions: []string{"eu-west-1"}, Endpoint: stsURL, Credentials: ownKeys})
	require.NoError(b, err)
	metrics, limits := server.NewMetrics(), &server.Limits{}
	options := issue.Options{Admit: limits.Users.Admit}
	handler := &legacy.Handler{
		Issuer:  issue.New(issue.Deps{Store: db, Journal: log, Ring: file, STS: assumer, Options: options}),
		Watcher: server.Watcher{Metrics: metrics, Guesses: &limits.Guesses}, Address: server.ClientAddr, Log: discard,
	}
	s, err := server.New(server.Config{Listen: "127.0.0.1:0", Drain: server.Drain{Grace: -1}, Log: discard}, handler, func() error { return nil }, metrics)
	require.NoError(b, err)
	serve(b, s)
	g.url = "http://" + s.Addr().String() + "/"
	return g
}
