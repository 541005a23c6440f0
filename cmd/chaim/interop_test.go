//go:build interop

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/chaimtest"
)

const (
	// Keys that a scope lends have a third of it left, or more: time enough for a busy machine to use them.
	interopLifetime = 20 * time.Second

	interopAccount = "111111111111"

	// perCall runs a program for each line that there is to read.
	perCall = `while read -r line; do echo "$line" | "$@" || exit; done`
)

// awsClient is a program that prints the account it works in for each line that it reads.
type awsClient struct {
	name    string
	command func(stsURL string) []string
	isOnce  bool // it does so for one line
}

// awsClients are Debian's AWS CLI and boto3, which do not know AWS_ENDPOINT_URL_STS yet, and SDKs that do.
func awsClients(t *testing.T) []awsClient {
	t.Helper()
	goClient := buildProgram(t, "./testdata/interop")
	require.NotEmpty(t, os.Getenv("CHAIM_NODE_MODULES"),
		"must name the folder that npm ci has filled from internal/e2e/readers/testdata/node")
	return []awsClient{
		{"AWS CLI", awsCLI, true},
		{"boto3", func(stsURL string) []string {
			return []string{"/usr/bin/python3", "testdata/interop/client.py", stsURL}
		}, false},
		{"JS v3", func(string) []string { return []string{"node", "testdata/interop/client.js"} }, false},
		{"Go v2", func(string) []string { return []string{goClient} }, false},
	}
}

func awsCLI(stsURL string) []string {
	return strings.Fields("/usr/bin/aws sts get-caller-identity --query Account --output text --endpoint-url " + stsURL)
}

// writeProcessProfile makes a profile with a credential_process, and returns the variable that names it.
func writeProcessProfile(t *testing.T, home, command string) string {
	t.Helper()
	config := "[profile dev]\ncredential_process = " + command + "\n"
	require.NoError(t, os.WriteFile(filepath.Join(home, "config"), []byte(config), 0o600))
	return "AWS_PROFILE=dev"
}

// serveKeys runs "chaim serve" for the rest of the test and returns the variables that it prints.
func serveKeys(t *testing.T, chaim string, env []string) (variables []string) {
	t.Helper()
	cmd := exec.Command(chaim, "serve", "sredev", "--format", "env-no-export")
	cmd.Env, cmd.Stderr = env, os.Stderr
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		assert.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
		assert.NoError(t, cmd.Wait())
	})
	lines := bufio.NewScanner(stdout)
	for range 2 {
		require.True(t, lines.Scan(), "chaim serve has ended")
		variables = append(variables, lines.Text())
	}
	return variables
}

// tap stands before the STS of a double and takes note of the keys that sign, which the double does not tell.
type tap struct {
	url string

	mu   sync.Mutex
	seen []string // id of the key
}

var signingKey = regexp.MustCompile(`Credential=(\w+)/`)

func newTap(t *testing.T, srv *chaimtest.Server) *tap {
	t.Helper()
	target, err := url.Parse(srv.URL())
	require.NoError(t, err)
	proxy := httputil.NewSingleHostReverseProxy(target) // leaves Host alone, which is signed
	tp := &tap{}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := "none"
		if match := signingKey.FindStringSubmatch(r.Header.Get("Authorization")); match != nil {
			id = match[1]
		}
		tp.mu.Lock()
		tp.seen = append(tp.seen, id)
		tp.mu.Unlock()
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	tp.url = front.URL + strings.TrimPrefix(srv.STSURL(), srv.URL())
	return tp
}

// keys are the ids of those that signed the calls so far.
func (tp *tap) keys() []string {
	tp.mu.Lock()
	defer tp.mu.Unlock()
	return slices.Clone(tp.seen)
}

// interopEnviron is that of a program which has the double and no keys, and shares nothing with others.
func interopEnviron(srv *chaimtest.Server, home, stsURL string) []string {
	env := append(srv.Environ(home), "PATH="+os.Getenv("PATH"), "HOME="+home, "LC_ALL=C.UTF-8",
		"NODE_PATH="+os.Getenv("CHAIM_NODE_MODULES"), "AWS_ENDPOINT_URL_STS="+stsURL) // later ones win
	return slices.DeleteFunc(env, func(v string) bool { return strings.HasSuffix(v, "=") }) // botocore heeds empty ones
}

// pair is a client that gets keys in one of the ways.
type pair struct {
	srv    *chaimtest.Server
	tap    *tap
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr string // path

	firstEnds time.Time // when the keys of the first call do
}

// start runs a client for as long as the test.
func start(t *testing.T, chaim string, c awsClient, way string) *pair {
	t.Helper()
	srv := chaimtest.NewServer(t)
	srv.SetLifetime(interopLifetime)
	p := &pair{srv: srv, tap: newTap(t, srv)}
	home := t.TempDir()
	env := interopEnviron(srv, home, p.tap.url)
	var args []string
	switch way {
	case "keys":
		args = []string{chaim, "exec", "sredev", "--"}
	case "process":
		args = []string{chaim, "exec", "sredev", "--process", "--"}
	case "credential-process":
		env = append(env, writeProcessProfile(t, home, chaim+" credential-process sredev"))
	case "container":
		args = []string{chaim, "exec", "sredev", "--serve", "--"}
	case "serve":
		env = append(env, serveKeys(t, chaim, env)...)
	}
	if c.isOnce || way == "keys" { // only a new client finds other keys in a profile
		args = append(args, "/bin/sh", "-c", perCall, "sh")
	}
	args = append(args, c.command(p.tap.url)...)

	p.cmd = exec.CommandContext(t.Context(), args[0], args[1:]...)
	p.cmd.Env = env
	stderr, err := os.Create(filepath.Join(home, "stderr"))
	require.NoError(t, err)
	defer stderr.Close()
	p.cmd.Stderr, p.stderr = stderr, stderr.Name()
	p.in, err = p.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	p.out = bufio.NewReader(out)
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil { // the test has failed
			_ = p.in.Close() // ends the client
			_ = p.cmd.Wait()
		}
	})
	return p
}

// call has the client call STS, and returns the id of the key it has used.
func (p *pair) call(t *testing.T) string {
	t.Helper()
	before := len(p.tap.keys())
	_, err := fmt.Fprintln(p.in, "who am I?")
	require.NoError(t, err)
	answer, err := p.out.ReadString('\n')
	talk, talkErr := os.ReadFile(p.stderr)
	require.NoError(t, talkErr)
	require.NoError(t, err, "the client has ended: %s", talk)
	require.Equal(t, interopAccount, strings.TrimSpace(answer))
	used := p.tap.keys()[before:]
	require.Len(t, used, 1)
	return used[0]
}

// grants are the requests for keys that the gateway has had.
func grants(srv *chaimtest.Server) []chaimtest.Request {
	return slices.DeleteFunc(srv.Requests(), func(r chaimtest.Request) bool { return r.Action != "Keys" })
}

// firstUse is the first call of a client.
func (p *pair) firstUse(t *testing.T) {
	p.call(t)
	given := grants(p.srv)
	p.firstEnds = given[len(given)-1].Time.Add(interopLifetime)
}

// afterRenewal has the client call again when the keys of its first call have expired, and then end.
func (p *pair) afterRenewal(t *testing.T) {
	require.False(t, p.firstEnds.IsZero(), "the first call failed")
	first := p.tap.keys()[0]
	require.Eventually(t, func() bool { return p.srv.Now().After(p.firstEnds) }, 2*interopLifetime, 50*time.Millisecond)
	assert.NotEqual(t, first, p.call(t))
	assert.GreaterOrEqual(t, len(grants(p.srv)), 2)
	for _, r := range p.srv.Requests() {
		assert.Empty(t, r.Error, r.Action)
	}

	require.NoError(t, p.in.Close())
	rest, err := io.ReadAll(p.out)
	require.NoError(t, err)
	assert.NoError(t, p.cmd.Wait())
	talk, err := os.ReadFile(p.stderr)
	require.NoError(t, err)
	assert.Empty(t, rest)
	assert.NotContains(t, string(talk), "CANARY")
}

// TestInteropClients has clients of AWS call STS with the keys they are given, and again when those have expired. A
// client of a profile with keys is made anew for that, as is each AWS CLI; the others are the same for both calls.
func TestInteropClients(t *testing.T) {
	chaim := buildProgram(t, ".")
	pairs := map[string]*pair{}
	for _, c := range awsClients(t) {
		for _, way := range []string{"keys", "process", "credential-process", "container"} {
			pairs[c.name+" "+way] = start(t, chaim, c, way)
		}
		if c.name == "boto3" {
			pairs[c.name+" serve"] = start(t, chaim, c, "serve")
		}
	}
	for _, phase := range []struct {
		name string
		use  func(*pair, *testing.T)
	}{{"first use", (*pair).firstUse}, {"after renewal", (*pair).afterRenewal}} {
		t.Run(phase.name, func(t *testing.T) {
			for name, p := range pairs {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					phase.use(p, t)
				})
			}
		})
	}
}

// TestInteropColdProcesses has one request for keys serve as many credential processes as start at once.
func TestInteropColdProcesses(t *testing.T) {
	const n = 16
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	chaim := buildProgram(t, ".")
	srv := chaimtest.NewServer(t)
	tp := newTap(t, srv)
	home := t.TempDir()

	// Each process waits until all others are there too.
	var gates []*os.File
	for _, name := range []string{"arrived", "go"} {
		path := filepath.Join(home, name)
		require.NoError(t, exec.Command("mkfifo", path).Run())
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		require.NoError(t, err)
		defer f.Close()
		gates = append(gates, f)
	}
	defer context.AfterFunc(ctx, func() { _ = gates[0].Close() })()
	script := filepath.Join(home, "process")
	text := fmt.Sprintf("echo >%s; read -r _ <%s; exec %s credential-process sredev\n",
		gates[0].Name(), gates[1].Name(), chaim)
	require.NoError(t, os.WriteFile(script, []byte(text), 0o600))
	env := append(interopEnviron(srv, home, tp.url), writeProcessProfile(t, home, "/bin/sh "+script))

	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	args := awsCLI(tp.url)
	for range n {
		running.Go(func() {
			cmd := exec.CommandContext(ctx, args[0], args[1:]...)
			cmd.Env = env
			out, err := cmd.CombinedOutput()
			assert.NoError(t, err)
			assert.Equal(t, interopAccount+"\n", string(out))
		})
	}
	arrived := bufio.NewReader(gates[0])
	for range n {
		_, err := arrived.ReadString('\n')
		require.NoError(t, err, "not all of the processes have started")
	}
	assert.Empty(t, srv.Requests())
	_, err := gates[1].WriteString(strings.Repeat("\n", n))
	require.NoError(t, err)
	running.Wait()

	assert.Len(t, grants(srv), 1)
	used := tp.keys()
	assert.Len(t, used, n)
	assert.Len(t, slices.Compact(slices.Sorted(slices.Values(used))), 1)
}
