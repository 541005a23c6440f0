package serving

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/cli"
	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/people"
	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/rules"
	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/setup"
	"github.com/chaim-go/chaim/gateway/internal/ambient"
	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/config"
	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/store/storetest"
)

const testPolicy = `version: 1
roles:
  rro: {aws: CrossAccountReadOnly, console: true}
accounts:
  - {id: "111111111111", name: sredev}
  - {id: "222222222222", name: Connected Homes}
grants:
  - {id: all, to: {groups: [everyone]}, on: {names: ["**"]}, roles: [rro]}
`

// world is a gateway that serves, with a double of AWS behind it.
type world struct {
	aws     *chaimtest.Server
	config  *config.Config
	session *cli.Session
	log     *lockedBuffer
}

// lockedBuffer is a log that several goroutines write.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// serving starts a gateway with a database of its own, and the user ann.
func serving(t *testing.T, database string, change func(*config.Config)) (*world, *Gateway) {
	t.Helper()
	ctx := t.Context()
	w := &world{aws: chaimtest.NewServer(t), log: &lockedBuffer{}}
	var err error
	w.config, err = setup.Make(ctx, setup.Plan{
		Dir: filepath.Join(t.TempDir(), "gw"), URL: "http://127.0.0.1:1", Database: database, User: "ann", Region: "eu-west-1", Listen: "127.0.0.1:0", AdminListen: "127.0.0.1:0",
	})
	require.NoError(t, err)
	if change != nil {
		change(w.config)
	}
	w.session, err = cli.OpenWith(ctx, w.config)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, w.session.Close()) })
	path := filepath.Join(t.TempDir(), "policy.yaml")
	require.NoError(t, os.WriteFile(path, []byte(testPolicy), 0o600))
	_, err = rules.ApplyFile(ctx, w.session, path)
	require.NoError(t, err)

	keys := w.aws.AddKeys("999999999999", "gateway")
	log := slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	sts, err := ambient.New(ctx, ambient.Options{
		Endpoint: w.aws.STSURL(), Credentials: credentials.NewStaticCredentialsProvider(keys.AccessKeyID, keys.SecretAccessKey, ""), Log: log,
	})
	require.NoError(t, err)
	g, err := Open(ctx, Options{
		Config: w.config, STS: sts, Links: issue.FederationLinks(w.aws.HTTPClient(), log), Drain: Drain(0), Log: log, Version: "test",
	})
	require.NoError(t, err)
	return w, g
}

// run serves until the test ends, or until stop is called.
func run(t *testing.T, g *Gateway) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- g.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		assert.NoError(t, <-served)
	})
	t.Cleanup(stop)
	return stop
}

// settings make a token of a user, and say how to ask the gateway with it.
func (w *world) settings(t *testing.T, g *Gateway, user string) *chaim.Settings {
	t.Helper()
	made, err := people.NewToken(t.Context(), w.session, user, "", time.Hour)
	require.NoError(t, err)
	s, err := chaim.ParseInit(made.InitString)
	require.NoError(t, err)
	s.Endpoint = "http://" + g.Addr().String()
	return &s
}

// lend asks for keys as chaim does.
func lend(t *testing.T, s *chaim.Settings) (creds chaim.AwsCreds, err error) {
	t.Helper()
	c, err := chaim.New(chaim.Options{Account: "Connected Homes", Role: "rro", Settings: s, NoProfile: true, Dir: t.TempDir()})
	require.NoError(t, err)
	defer func() { assert.NoError(t, c.Close()) }()
	return c.RequestKeys(t.Context())
}

// change runs a change of people as a command does.
func (w *world) change(t *testing.T, kind audit.Type, effects ...store.Effect) {
	t.Helper()
	require.NoError(t, w.session.Change(t.Context(), func(*store.View) (store.Change, error) {
		return store.Change{Events: []audit.Event{w.session.Event(kind, "ann")}, Effects: effects}, nil
	}))
}

func TestRevocationsCountFromTheNextRequestOn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w, g := serving(t, url, nil)
		stop := run(t, g)
		s := w.settings(t, g, "ann")
		creds, err := lend(t, s)
		require.NoError(t, err)
		assert.Equal(t, "222222222222", creds.AccountID)
		found, err := w.session.DB.IssueByKey(t.Context(), creds.AccessKeyID)
		require.NoError(t, err)
		assert.Equal(t, "ann", found.User)
		assert.Equal(t, store.Issued, found.State)

		w.change(t, audit.GatewayFrozen, store.Freeze("drill"))
		_, err = lend(t, s)
		require.ErrorContains(t, err, "drill")
		w.change(t, audit.GatewayThawed, store.Thaw())
		_, err = lend(t, s)
		require.NoError(t, err)

		w.change(t, audit.UserDisabled, store.SetDisabled("ann", true), store.RevokeTokensOf("ann", time.Now()))
		_, err = lend(t, s)
		require.ErrorIs(t, err, chaim.ErrDenied)
		stop()
		assert.NotContains(t, w.log.String(), s.UserToken)
		assert.NotContains(t, w.log.String(), "CANARY")
	})
}

func TestTheAdminListenerTellsHealth(t *testing.T) {
	_, g := serving(t, "", nil)
	admin := "http://" + g.AdminAddr().String()
	run(t, g)
	require.Eventually(t, func() bool { return g.ready() == nil }, 5*time.Second, 10*time.Millisecond)
	for path, want := range map[string]string{"/healthz": "ok", "/readyz": "ready", "/metrics": "chaim_intents_open"} {
		resp, err := http.Get(admin + path)
		require.NoError(t, err)
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, errors.Join(err, resp.Body.Close()))
		assert.Equal(t, http.StatusOK, resp.StatusCode, path)
		assert.Contains(t, string(text), want, path)
	}
}

// readiness returns what /readyz says.
func readiness(t *testing.T, g *Gateway) (int, string) {
	t.Helper()
	resp, err := http.Get("http://" + g.AdminAddr().String() + "/readyz")
	require.NoError(t, err)
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, errors.Join(err, resp.Body.Close()))
	return resp.StatusCode, string(text)
}

func TestItIsReadyOnceThePolicyIsLoaded(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w, g := serving(t, url, nil)
		w.applyRaw(t, "version: 99\n")
		assert.ErrorContains(t, g.ready(), "not been read yet")
		run(t, g)
		code, text := readiness(t, g)
		assert.Equal(t, http.StatusServiceUnavailable, code)
		assert.Contains(t, text, "not ready: ")
		_, err := lend(t, w.settings(t, g, "ann"))
		require.ErrorContains(t, err, "503")
		require.Eventually(t, func() bool { return strings.Contains(w.log.String(), "version 2 of the policy cannot be read") }, 5*time.Second, 10*time.Millisecond)

		w.applyRaw(t, testPolicy)
		require.Eventually(t, func() bool { code, _ := readiness(t, g); return code == http.StatusOK }, 10*time.Second, 50*time.Millisecond)
		w.applyRaw(t, "version: 99\n")
		_, err = lend(t, w.settings(t, g, "ann"))
		require.ErrorContains(t, err, "503", "an old policy decides nothing")
		code, _ = readiness(t, g)
		assert.Equal(t, http.StatusOK, code, "or all replicas would leave the balancer at once")
	})
}

// applyRaw stores a version of the policy as it is.
func (w *world) applyRaw(t *testing.T, doc string) {
	t.Helper()
	require.NoError(t, w.session.Change(t.Context(), func(v *store.View) (store.Change, error) {
		return store.Change{
			Events:  []audit.Event{w.session.Event(audit.PolicyApplied, "")},
			Effects: []store.Effect{store.AddPolicy(store.PolicyVersion{Seq: v.Policy.Seq + 1, Doc: []byte(doc), SHA256: sha256.Sum256([]byte(doc)), At: time.Now()})},
		}, nil
	}))
}

// TestOneUserCannotHoldUpTheOthers asks for keys while many requests of the same user have begun.
func TestOneUserCannotHoldUpTheOthers(t *testing.T) {
	w, g := serving(t, "", nil)
	run(t, g)
	s := w.settings(t, g, "ann")
	stop := inBackground(t.Context(), func(ctx context.Context) { // as many requests at once do
		each(ctx, time.Millisecond, func(context.Context) bool {
			for g.limits.Users.Admit("ann") == 0 {
			}
			return false
		})
	})
	defer stop()
	require.Eventually(t, func() bool { return g.limits.Users.Admit("ann") > 0 }, 5*time.Second, time.Millisecond)
	form := url.Values{"text": {"sredev,rro,1"}, "user_name": {"ann"}, "token": {s.UserToken}}
	ask := func() int {
		resp, err := http.PostForm(s.Endpoint+"/", form)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return resp.StatusCode
	}
	answers := map[int]int{}
	for range 5 {
		answers[ask()]++
	}
	assert.Positive(t, answers[http.StatusTooManyRequests], answers)
	form.Set("token", s.UserToken[:len(s.UserToken)-1]+"!")
	assert.Equal(t, http.StatusOK, ask(), "a stranger learns nothing of it")
}

// TestAForkedLogEndsTheLending puts an older log in the place of the one that the server has seen.
func TestAForkedLogEndsTheLending(t *testing.T) {
	w, g := serving(t, "", nil)
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- g.Run(ctx) }()
	s := w.settings(t, g, "ann")
	_, err := lend(t, s)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return g.ready() == nil }, 5*time.Second, 10*time.Millisecond)

	db, err := sql.Open("sqlite", "file:"+strings.TrimPrefix(w.config.Database.Reveal(), "sqlite:"))
	require.NoError(t, err)
	for _, table := range []string{"audit_event", "audit_batch"} {
		_, err = db.Exec(`DELETE FROM ` + table + ` WHERE seq >= (SELECT max(seq) FROM audit_batch) - 1`)
		require.NoError(t, err)
	}
	require.NoError(t, db.Close())

	_, err = lend(t, s)
	require.ErrorContains(t, err, "503")
	code, text := readiness(t, g)
	assert.Equal(t, http.StatusServiceUnavailable, code)
	assert.Contains(t, text, "the audit log is not the one")
	stop()
	require.ErrorIs(t, <-served, store.ErrForked)
}

func TestTheEndIsInTheLogAndUnderACheckpoint(t *testing.T) {
	w, g := serving(t, "", nil)
	run(t, g)()
	var last audit.Type
	for e, err := range w.session.DB.Events(t.Context(), audit.Position{}, store.EventFilter{}) {
		require.NoError(t, err)
		last = e.Type
	}
	assert.Equal(t, audit.GatewayStopped, last)
	ring, err := w.session.Ring()
	require.NoError(t, err)
	points, wrong, err := cli.Checkpoints(w.session, ring)
	require.NoError(t, err)
	require.Empty(t, wrong)
	require.NotEmpty(t, points)
	head, err := w.session.DB.Head(t.Context())
	require.NoError(t, err)
	assert.Equal(t, head, points[len(points)-1].Head)
}

func TestAGatewayDoesNotServeWithoutALastCheckpointThatCanBeRead(t *testing.T) {
	w, g := serving(t, "", nil)
	run(t, g)()
	path := w.config.Audit.Checkpoints
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, bytes.ReplaceAll(text, []byte("chaim gateway"), []byte("other gateway")), 0o600))
	_, err = Open(t.Context(), g.options)
	require.ErrorContains(t, err, "the last line of the checkpoints in "+path+" is no checkpoint of this gateway")

	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	require.NoError(t, err)
	defer out.Close()
	require.NoError(t, cli.AcceptFork(t.Context(), &cli.App{Err: out}, w.config))
	again, err := Open(t.Context(), g.options)
	require.NoError(t, err)
	require.NoError(t, again.Close())
}

func TestAPolicyFileIsAppliedAtStartAndWhenAskedFor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "own.yaml")
	require.NoError(t, os.WriteFile(path, []byte(strings.Replace(testPolicy, "id: all,", "id: own,", 1)), 0o600))
	w, g := serving(t, "", func(c *config.Config) { c.Policy.File = path })
	run(t, g)
	version := func() (int64, string) {
		view, err := w.session.DB.View(t.Context())
		require.NoError(t, err)
		return view.Policy.Seq, string(view.Policy.Doc)
	}
	seq, doc := version()
	assert.EqualValues(t, 2, seq) // after the one of serving
	assert.Contains(t, doc, "id: own")

	g.reload(t.Context()) // nothing is new
	seq, _ = version()
	assert.EqualValues(t, 2, seq)

	require.NoError(t, os.WriteFile(path, []byte("version: 1\nnonsense: 1\n"), 0o600))
	g.reload(t.Context())
	seq, _ = version()
	assert.EqualValues(t, 2, seq)
	assert.Contains(t, w.log.String(), "own.yaml:2:1:")
}

func TestOpenLeavesNothingOpenWhenItFails(t *testing.T) {
	w, g := serving(t, "", nil)
	address := g.Addr().String()
	again := *w.config
	again.Server.Listen = address
	_, err := Open(t.Context(), Options{Config: &again, STS: g.options.STS, Log: slog.New(slog.DiscardHandler)})
	require.ErrorContains(t, err, "another process serves")
	require.NoError(t, g.Close())

	again.Server.Listen = "256.0.0.1:1"
	_, err = Open(t.Context(), Options{Config: &again, STS: g.options.STS, Log: slog.New(slog.DiscardHandler)})
	require.ErrorContains(t, err, "256.0.0.1:1")
	again.Server.Listen = address
	g, err = Open(t.Context(), Options{Config: &again, STS: g.options.STS, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err) // the lock was given back
	require.NoError(t, g.Close())
}
