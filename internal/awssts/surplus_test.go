package awssts

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/internal/profiles"
)

const canary = "CANARYsecret"

// talker starts a server that gives the same reply to any request. It closes closed when the client has closed the connection.
func talker(t *testing.T, reply string) (address string, closed <-chan struct{}) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		req, err := http.ReadRequest(bufio.NewReader(conn))
		if err == nil {
			_, _ = io.Copy(io.Discard, req.Body)
			_, err = io.WriteString(conn, reply)
		}
		if err == nil {
			_, _ = io.Copy(io.Discard, conn)
		}
	}()
	return l.Addr().String(), done
}

func TestSurplusOfTheSDKReachesNoLogger(t *testing.T) {
	const identity = `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Account>111111111111</Account><UserId>A</UserId><Arn>arn:aws:iam::111111111111:user/a</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>`
	const keysOfContainer = `{"AccessKeyId":"ASIAEXAMPLEEXAMPLE00","SecretAccessKey":"` + canary + `","Token":"` + canary + `","Expiration":"2099-01-01T00:00:00Z"}`
	reply := func(body string) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
	var told bytes.Buffer
	before := log.Writer()
	log.SetOutput(&told)
	t.Cleanup(func() { log.SetOutput(before) })
	noFiles(t)
	keys := aws.Credentials{AccessKeyID: "ASIAEXAMPLEEXAMPLE00", SecretAccessKey: canary, SessionToken: canary}

	address, closed := talker(t, reply(identity)+reply(canary))
	t.Setenv("AWS_ENDPOINT_URL_STS", "http://"+address)
	cfg, err := Config(t.Context(), Options{Files: profiles.AWSFiles{}, Region: "eu-west-1", HasKeys: true})
	require.NoError(t, err)
	_, err = Identify(t.Context(), cfg, keys, Options{Files: profiles.AWSFiles{}, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	<-closed
	assert.Empty(t, told.String())

	address, closed = talker(t, reply(keysOfContainer)+reply(keysOfContainer))
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://"+address)
	cfg, err = Config(t.Context(), Options{Files: profiles.AWSFiles{}, Region: "eu-west-1"})
	require.NoError(t, err)
	found, err := cfg.Credentials.Retrieve(t.Context())
	require.NoError(t, err)
	assert.Equal(t, canary, found.SecretAccessKey)
	<-closed
	assert.Empty(t, told.String())
}

// noFiles makes the SDK find no files.
func noFiles(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, "AWS_") || strings.HasPrefix(name, "CHAIM_") {
			t.Setenv(name, "") // restores it after the test
			require.NoError(t, os.Unsetenv(name))
		}
	}
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", dir+"/credentials")
	t.Setenv("AWS_CONFIG_FILE", dir+"/config")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}
