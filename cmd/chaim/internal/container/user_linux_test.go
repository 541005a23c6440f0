package container

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	urlOfTest = "CHAIM_TEST_URL"
	nobody    = 65534
)

// TestMain is also a program that asks for keys once.
func TestMain(m *testing.M) {
	url := os.Getenv(urlOfTest)
	if url == "" {
		os.Exit(m.Run())
	}
	if os.Geteuid() == 0 {
		if err := syscall.Setuid(nobody); err != nil {
			panic(err)
		}
	}
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		panic(err)
	}
	r.Header.Set("Authorization", os.Getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN"))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		fmt.Print("no answer")
		return
	}
	_, _ = io.Copy(os.Stdout, resp.Body)
}

// TestUsers has a program of another user ask with the right token, or where the test may start none, one of this user.
func TestUsers(t *testing.T) {
	for _, anyUser := range []bool{false, true} {
		s, err := Listen(Config{Source: hourKeys, AnyUser: anyUser})
		require.NoError(t, err)
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(s.Environ(), urlOfTest+"="+s.url())
		text, err := cmd.Output()
		require.NoError(t, err)
		require.NoError(t, s.Close())
		if !anyUser && os.Geteuid() == 0 {
			assert.Contains(t, string(text), `"AccessDenied"`)
		} else {
			assert.Contains(t, string(text), `"AccessKeyId":"ASIAEXAMPLE000000001"`)
		}
	}
}
