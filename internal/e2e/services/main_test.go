//go:build services && linux

package services

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
)

var (
	minioProgram = os.Getenv("CHAIM_MINIO")
	motoPython   = cmp.Or(os.Getenv("CHAIM_MOTO_PYTHON"), "python3")

	rootUser, rootSecret = "root" + rand.Text(), rand.Text() // of MinIO

	minio, moto *service // run as long as the tests do
)

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (_ int, err error) {
	// A service dies with the thread that started it. This thread lasts until the process ends, however that ends.
	runtime.LockOSThread()
	for _, variable := range os.Environ() {
		if strings.HasPrefix(variable, "AWS_") || strings.HasPrefix(variable, "CHAIM_") {
			name, _, _ := strings.Cut(variable, "=")
			_ = os.Unsetenv(name)
		}
	}
	_ = os.Setenv("AWS_CONFIG_FILE", os.DevNull)
	_ = os.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	_ = os.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	_ = os.Setenv("AWS_REGION", "eu-west-1")

	home, err := os.MkdirTemp("", "chaim-services-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(home)) }()
	if minio, err = startMinIO(home); err != nil {
		return 0, err
	}
	defer minio.stop()
	moto, err = start("/moto-api/", func(host, port string) *exec.Cmd {
		return exec.Command(motoPython, "-m", "moto.server", "-H", host, "-p", port)
	})
	if err != nil {
		return 0, err
	}
	defer moto.stop()
	return m.Run(), nil
}

func startMinIO(home string) (*service, error) {
	if minioProgram == "" {
		return nil, errors.New("CHAIM_MINIO must name the program minio")
	}
	// /minio/health/ready answers before MinIO knows users and buckets.
	return start("/minio/health/cluster", func(host, port string) *exec.Cmd {
		data := filepath.Join(home, "data")
		cmd := exec.Command(minioProgram, "server", "--quiet", "--address", net.JoinHostPort(host, port), data)
		cmd.Env = []string{
			"HOME=" + home, "MINIO_BROWSER=off", "MINIO_UPDATE=off",
			"MINIO_ROOT_USER=" + rootUser, "MINIO_ROOT_PASSWORD=" + rootSecret,
		}
		return cmd
	})
}

// service is a running process that answers requests.
type service struct {
	url  string
	stop func() // may be called again
}

// start runs a command with a free address, and waits until the service answers there.
func start(path string, command func(host, port string) *exec.Cmd) (*service, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	host, port, _ := net.SplitHostPort(l.Addr().String())
	cmd := command(host, port)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := errors.Join(l.Close(), cmd.Start()); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	s := &service{"http://" + l.Addr().String(), func() {
		_ = cmd.Process.Kill()
		<-ended
	}}

	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for {
		select {
		case <-ended:
			return nil, fmt.Errorf("%s has ended: %s", cmd, &output)
		case <-deadline:
			s.stop()
			return nil, fmt.Errorf("%s does not answer: %s", cmd, &output)
		case <-tick.C:
		}
		if reply, err := http.Get(s.url + path); err == nil {
			_ = reply.Body.Close()
			if reply.StatusCode == http.StatusOK {
				return s, nil
			}
		}
	}
}

const boto3Script = `
import boto3, json, sys
url, service, operation, _, arguments = sys.argv[1:]
client = boto3.client(service.removesuffix("api"), endpoint_url=url)
print(getattr(client, operation.replace("-", "_"))(**json.loads(arguments)))
`

// programs are the beginnings of the command lines of programs that use a profile.
var programs = map[string][]string{
	"AWS CLI": {"/usr/bin/aws", "--endpoint-url"},
	"boto3":   {"/usr/bin/python3", "-c", boto3Script},
}

// use has a program call an operation of a service, and returns what it printed.
func use(t *testing.T, program string, env []string, url, service, operation, input string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), programs[program][0], programs[program][1:]...)
	cmd.Args = append(cmd.Args, url, service, operation, "--cli-input-json", input)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// loadProfile returns the configuration with which a new client of the AWS SDK for Go starts.
func loadProfile(t *testing.T, path, profile string) aws.Config {
	t.Helper()
	cfg, err := config.LoadDefaultConfig(t.Context(), config.WithSharedCredentialsFiles([]string{path}),
		config.WithSharedConfigFiles([]string{}), config.WithSharedConfigProfile(profile))
	require.NoError(t, err)
	return cfg
}

func roleARN(name string) string { return "arn:aws:iam::123456789012:role/" + name }

// lend opens a scope in a folder of its own.
func lend(t *testing.T, opts chaim.Options, fn func(ctx context.Context, c *chaim.Client, path string)) {
	t.Helper()
	opts.Account, opts.Dir = "sredev", t.TempDir()
	err := chaim.WithContext(t.Context(), opts, func(ctx context.Context, c *chaim.Client) error {
		fn(ctx, c, filepath.Join(opts.Dir, "credentials"))
		return nil
	})
	require.NoError(t, err)
}
