package credcache

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
)

const crowd = 16

// holdUp has the next request wait until the channel is closed.
func holdUp(srv *chaimtest.Server, answer chaimtest.Fault) (arrived, release chan struct{}) {
	arrived, release = make(chan struct{}), make(chan struct{})
	srv.Inject(1, func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		select {
		case <-release:
			answer(w, r)
		case <-r.Context().Done():
		}
	})
	return arrived, release
}

func asIs(body string) string { return body }

// TestColdProcesses starts them all before the first has its answer.
func TestColdProcesses(t *testing.T) {
	const refusal = "IncorrectCredentials: usertoken has expired"
	for name, tt := range map[string]struct {
		answer chaimtest.Fault
		want   string
	}{
		"keys":    {chaimtest.Rewrite(asIs), `^keys ASIA\w+\n$`},
		"refusal": {chaimtest.Refuse(refusal), `^denied: chaim: .*` + refusal + `.*\n$`},
	} {
		t.Run(name, func(t *testing.T) {
			srv, folder := chaimtest.NewServer(t), newFolder(t)
			arrived, release := holdUp(srv, tt.answer)
			var processes []process
			for range crowd {
				processes = append(processes, start(t, srv, folder))
			}
			<-arrived
			close(release)
			answers := map[string]int{}
			for _, p := range processes {
				answer := p.answer(t)
				assert.Regexp(t, tt.want, answer)
				answers[answer]++
			}
			assert.Len(t, srv.Requests(), 1)
			if name == "keys" {
				assert.Len(t, answers, 1)
			}

			names, err := os.ReadDir(folder)
			require.NoError(t, err)
			assert.Len(t, names, 2)
			text, err := os.ReadFile(filepath.Join(folder, Key("sredev")+dataExtension))
			require.NoError(t, err)
			assert.NotContains(t, string(text), "ca9a12e5-")
		})
	}
}

// TestKilledProcess leaves nothing that the next one would wait for.
func TestKilledProcess(t *testing.T) {
	srv, folder := chaimtest.NewServer(t), newFolder(t)
	arrived, _ := holdUp(srv, chaimtest.Refuse("never sent"))
	first := start(t, srv, folder)
	<-arrived
	second := start(t, srv, folder)
	first.kill(t)
	answer := second.answer(t)
	assert.Regexp(t, `^keys ASIA\w+\n$`, answer)
	assert.Len(t, srv.Requests(), 2)

	assert.Equal(t, answer, start(t, srv, folder).answer(t))
	assert.Len(t, srv.Requests(), 2)
}

// TestSweepOfChaim shows that neither sweep takes what the other looks after.
func TestSweepOfChaim(t *testing.T) {
	srv, folder := chaimtest.NewServer(t), newFolder(t)
	dir := filepath.Dir(filepath.Dir(folder))
	opts := chaim.Options{Account: "sredev", Settings: srv.Settings(), HTTPClient: srv.HTTPClient(), Dir: dir, Form: chaim.Process}
	client, err := chaim.New(opts)
	require.NoError(t, err)
	defer client.Close()
	_, err = client.RequestKeys(t.Context())
	require.NoError(t, err)
	lent, err := os.ReadDir(filepath.Dir(folder))
	require.NoError(t, err)
	require.Len(t, lent, 2)

	cache := Cache{folder: folder}
	_, err = cache.Get(t.Context(), Key("sredev"), func(context.Context) (chaim.AwsCreds, error) { return client.Creds(), nil })
	require.NoError(t, err)
	temp := filepath.Join(folder, ".chaim-tmp-"+Key("sredev")+dataExtension+"-1")
	require.NoError(t, os.WriteFile(temp, nil, 0o600))

	swept, err := chaim.Sweep(t.Context(), dir)
	require.NoError(t, err)
	assert.Empty(t, swept)
	cached, err := os.ReadDir(folder)
	require.NoError(t, err)
	assert.Len(t, cached, 3)

	gone, err := cache.Clear(t.Context())
	require.NoError(t, err)
	assert.Len(t, gone, 3)
	left, err := os.ReadDir(filepath.Dir(folder))
	require.NoError(t, err)
	assert.Len(t, left, 3)
	assert.Subset(t, left, lent)
}
