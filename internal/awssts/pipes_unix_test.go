//go:build unix

package awssts

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

	"github.com/chaim-go/chaim/internal/profiles"
)

// TestPipesWithoutWriter puts a pipe in the place of each file that is read before the first request. Opening such a pipe
// would wait without end.
func TestPipesWithoutWriter(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	for variable, withKeys := range map[string]string{"AWS_CONFIG_FILE": "", "AWS_SHARED_CREDENTIALS_FILE": "", "AWS_CA_BUNDLE": "AWS_CA_BUNDLE"} {
		t.Run(variable, func(t *testing.T) {
			noFiles(t)
			t.Setenv(variable, pipe)
			_, err := Config(t.Context(), Options{Files: profiles.AWSFiles{}})
			require.ErrorContains(t, err, variable)
			_, err = Config(t.Context(), Options{Files: profiles.AWSFiles{}, HasKeys: true})
			if withKeys == "" {
				assert.NoError(t, err, "nothing of it is needed")
			} else {
				assert.Error(t, err)
			}
		})
	}
	noFiles(t)
	write(t, "AWS_CONFIG_FILE", "[default]\nca_bundle = "+pipe+"\n")
	_, err := Config(t.Context(), Options{Files: profiles.AWSFiles{}})
	assert.Error(t, err, "ca_bundle")

	t.Setenv("AWS_CA_BUNDLE", pipe)
	_, err = TrustedRoots(profiles.AWSFiles{})
	assert.ErrorContains(t, err, "holds no PEM certificate")
}

// TestBundleFromPipe reads certificates from a pipe, as from a shell's <(command), in each place that needs them.
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
		_, err = TrustedRoots(profiles.AWSFiles{})
		require.NoError(t, err)
		_, err = Config(t.Context(), Options{Files: profiles.AWSFiles{}, HasKeys: true})
		require.NoError(t, err)
	}
}

// TestTokenPipes: the SDK reads a token from a pipe, with and without a writer.
func TestTokenPipes(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	token := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token <- r.Header.Get("Authorization") + r.FormValue("WebIdentityToken")
		w.WriteHeader(http.StatusForbidden)
	}))
	defer server.Close()
	for name, set := range map[string]func(path string){
		"web identity": func(path string) {
			t.Setenv("AWS_ROLE_ARN", "arn:aws:iam::111111111111:role/x")
			t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", path)
		},
		"of a profile": func(path string) {
			write(t, "AWS_CONFIG_FILE", "[default]\nrole_arn = arn:aws:iam::111111111111:role/x\nweb_identity_token_file = "+path+"\n")
		},
		"container": func(path string) {
			t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", server.URL)
			t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", path)
		},
	} {
		retrieve := func(path string) error {
			noFiles(t)
			t.Setenv("AWS_ENDPOINT_URL_STS", server.URL)
			set(path)
			cfg, err := Config(t.Context(), Options{Files: profiles.AWSFiles{}, Region: "eu-west-1"})
			require.NoError(t, err)
			_, err = cfg.Credentials.Retrieve(t.Context())
			return err
		}
		assert.ErrorContains(t, retrieve(pipe), pipe+" is empty", name)

		from, to, err := os.Pipe()
		require.NoError(t, err)
		defer from.Close()
		_, err = to.WriteString("token of " + name)
		require.NoError(t, err)
		require.NoError(t, to.Close())
		assert.Error(t, retrieve(fmt.Sprintf("/dev/fd/%d", from.Fd())), name)
		assert.Equal(t, "token of "+name, <-token)
	}
}
