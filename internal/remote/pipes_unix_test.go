//go:build unix

package remote

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestPipesWithoutWriter names one in the place of each file that is read before anything is asked. Opening it would wait
// for ever.
func TestPipesWithoutWriter(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	for variable, withKeys := range map[string]string{"AWS_CONFIG_FILE": "", "AWS_SHARED_CREDENTIALS_FILE": "", "AWS_CA_BUNDLE": "AWS_CA_BUNDLE"} {
		t.Run(variable, func(t *testing.T) {
			noFiles(t)
			t.Setenv(variable, pipe)
			_, err := SDKConfig(t.Context(), SDKOptions{})
			require.ErrorContains(t, err, variable)
			_, err = SDKConfig(t.Context(), SDKOptions{HasKeys: true})
			if withKeys == "" {
				assert.NoError(t, err, "nothing of it is needed")
			} else {
				assert.Error(t, err)
			}
		})
	}
	noFiles(t)
	write(t, "AWS_CONFIG_FILE", "[default]\nca_bundle = "+pipe+"\n")
	_, err := SDKConfig(t.Context(), SDKOptions{})
	assert.Error(t, err, "ca_bundle")

	t.Setenv("AWS_CA_BUNDLE", pipe)
	_, err = NewTransport()
	assert.ErrorContains(t, err, "holds no PEM certificate")
}

// TestBundleFromPipe has certificates come as from a shell's <(command), for each of those that need them.
func TestBundleFromPipe(t *testing.T) {
	noFiles(t)
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	from, to, err := os.Pipe()
	require.NoError(t, err)
	defer from.Close()
	require.NoError(t, pem.Encode(to, &pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	require.NoError(t, to.Close())
	t.Setenv("AWS_CA_BUNDLE", fmt.Sprintf("/dev/fd/%d", from.Fd()))
	for range 2 {
		_, err = NewTransport()
		require.NoError(t, err)
		_, err = SDKConfig(t.Context(), SDKOptions{HasKeys: true})
		require.NoError(t, err)
	}
}
