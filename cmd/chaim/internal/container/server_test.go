package container

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
)

func TestHosts(t *testing.T) {
	s, _ := listenFor(t, hourKeys)
	_, port, err := net.SplitHostPort(s.address())
	require.NoError(t, err)
	good := "Host: 127.0.0.1:" + port
	for name, tt := range map[string]struct {
		target string // the path, unless given
		host   string
		want   int
	}{
		"address":                         {"", good, 200},
		"localhost":                       {"", "Host: localhost:" + port, 200},
		"evil":                            {"", "Host: evil.example:" + port, 403},
		"evil without port":               {"", "Host: evil.example", 403},
		"empty":                           {"", "Host:", 403},
		"missing":                         {"", "X-Host: 127.0.0.1:" + port, 400},
		"two":                             {"", good + "\r\n" + good, 400},
		"trailing dot":                    {"", "Host: localhost.:" + port, 403},
		"upper case":                      {"", "Host: LOCALHOST:" + port, 403},
		"other port":                      {"", "Host: 127.0.0.1:1", 403},
		"no port":                         {"", "Host: 127.0.0.1", 403},
		"IPv6":                            {"", "Host: [::1]:" + port, 403},
		"short address":                   {"", "Host: 127.1:" + port, 403},
		"user":                            {"", "Host: 127.0.0.1:" + port + "@evil.example", 400},
		"subdomain":                       {"", "Host: 127.0.0.1.evil.example:" + port, 403},
		"absolute URI of another host":    {"http://evil.example" + s.path(), good, 403},
		"absolute URI, Host of another":   {s.url(), "Host: evil.example", 403},
		"absolute URI with credentials":   {"http://a:b@127.0.0.1:" + port + s.path(), good, 403},
		"absolute URI, even if all is so": {s.url(), good, 403},
	} {
		t.Run(name, func(t *testing.T) {
			target := tt.target
			if target == "" {
				target = s.path()
			}
			resp, body := ask(t, s, s.requestOf("GET "+target, tt.host, "Authorization: "+s.token()))
			assert.Equal(t, tt.want, resp.StatusCode)
			assert.Equal(t, tt.want == http.StatusOK, strings.Contains(body, "CANARY"))
		})
	}
}

func TestHeaders(t *testing.T) {
	s, _ := listenFor(t, hourKeys)
	for lines, want := range map[string]int{
		"Accept: application/json":                           200,
		"User-Agent: Boto3/1.43 md/Botocore#1.43":            200,
		"Connection: keep-alive\r\nAccept-Encoding: deflate": 200,
		"Origin: http://evil.example":                        403,
		"Origin: null":                                       403,
		"Origin:":                                            403,
		"origin: http://127.0.0.1":                           403,
		"Referer: http://evil.example/":                      403,
		"REFERER: http://localhost/":                         403,
		"Sec-Fetch-Site: none":                               403,
		"Sec-Fetch-Mode: no-cors":                            403,
		"sec-fetch-dest: image":                              403,
		"Sec-Fetch-User: ?1":                                 403,
		"X-Forwarded-For: 127.0.0.1":                         403,
		"x-forwarded-host: localhost":                        403,
		"X-Forwarded-Proto: https":                           403,
		"X-FORWARDED-PORT: 443":                              403,
		"Forwarded: for=127.0.0.1":                           403,
		"Via: 1.1 proxy":                                     403,
		"Authorization: " + s.token():                        403, // a second one
	} {
		t.Run(lines, func(t *testing.T) {
			resp, body := ask(t, s, s.request(lines))
			assert.Equal(t, want, resp.StatusCode)
			assert.Equal(t, want == http.StatusOK, strings.Contains(body, "CANARY"))
			assert.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
			for name := range resp.Header {
				assert.False(t, strings.HasPrefix(name, "Access-Control-"), name)
			}
		})
	}
}

func TestMethodsAndPaths(t *testing.T) {
	s, _ := listenFor(t, hourKeys)
	path := s.path()
	for _, start := range []string{
		"POST " + path, "PUT " + path, "HEAD " + path, "DELETE " + path, "OPTIONS " + path, "OPTIONS *", "TRACE " + path,
		"get " + path, "CONNECT " + s.address(), "PRI *",
		"GET /", "GET " + path + "/", "GET /" + path, "GET " + path + "?a=b", "GET " + path[:len(path)-1], "GET " + path + "A",
		"GET " + strings.ToLower(path), fmt.Sprintf("GET /%%%x%s", path[1], path[2:]), "GET /x/.." + path,
	} {
		t.Run(start[:min(len(start), 12)], func(t *testing.T) {
			resp, body := ask(t, s, s.requestOf(start, "Host: "+s.address(), "Authorization: "+s.token()))
			assert.Equal(t, http.StatusForbidden, resp.StatusCode)
			assert.NotContains(t, body, "CANARY")
		})
	}
}

func TestOnlyOnLoopback(t *testing.T) {
	s, _ := listenFor(t, hourKeys)
	host, port, err := net.SplitHostPort(s.address())
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1", host)
	require.True(t, strings.HasPrefix(s.url(), "http://127.0.0.1:"+port+"/"), "older botocore accepts no other address")

	addresses, err := net.InterfaceAddrs()
	require.NoError(t, err)
	for _, a := range addresses {
		if ip := a.(*net.IPNet).IP; ip.String() != host && !ip.IsLinkLocalUnicast() {
			_, err := net.Dial("tcp", net.JoinHostPort(ip.String(), port))
			assert.ErrorIs(t, err, syscall.ECONNREFUSED, "%s", ip)
		}
	}
}

func TestListenRefuses(t *testing.T) {
	s, _ := listenFor(t, hourKeys)
	_, err := listenOn(s.address(), Config{Source: hourKeys})
	assert.ErrorIs(t, err, syscall.EADDRINUSE)
	assert.ErrorContains(t, err, "chaim: cannot serve keys on a port of 127.0.0.1: ")
}

func TestServersDiffer(t *testing.T) {
	a, _ := listenFor(t, hourKeys)
	b, _ := listenFor(t, hourKeys)
	assert.Len(t, a.token(), 52, "260 bits")
	assert.NotEqual(t, a.token(), b.token())
	assert.NotEqual(t, a.path(), b.path())
	resp, _ := ask(t, b, b.requestOf("GET "+b.path(), "Host: "+b.address(), "Authorization: "+a.token()))
	assert.Equal(t, http.StatusForbidden, resp.StatusCode)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
		assert.Equal(t, "container.Server{"+a.address()+"}", fmt.Sprintf(verb, a))
	}
}

func TestClose(t *testing.T) {
	s, _ := listenFor(t, hourKeys)
	before := dial(t, s)
	defer before.Close()
	resp, _ := exchange(t, before, s.request())
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.False(t, resp.Close, "SDKs may ask again through the same connection")
	half := dial(t, s)
	defer half.Close()
	_, err := io.WriteString(half, "GET / HTTP/1.1\r\n")
	require.NoError(t, err)

	var closing sync.WaitGroup
	for range 4 {
		closing.Go(func() { assert.NoError(t, s.Close()) })
	}
	closing.Wait()
	assert.NoError(t, s.Close())
	for _, conn := range []net.Conn{before, half} {
		_, err := conn.Read(make([]byte, 1))
		assert.Error(t, err)
	}
	_, err = net.Dial("tcp", s.address())
	assert.ErrorIs(t, err, syscall.ECONNREFUSED)
}

func TestCloseRightAfterListen(t *testing.T) {
	for range 100 {
		s, err := Listen(Config{Source: hourKeys})
		require.NoError(t, err)
		conn := dial(t, s)
		require.NoError(t, s.Close())
		require.NoError(t, conn.Close())
	}
}

// TestCloseWaits for a request that is being answered.
func TestCloseWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, answer := make(chan struct{}), make(chan struct{})
		s, m := serveInMemory(t, sourceFunc(func() chaim.AwsCreds {
			close(asked)
			<-answer
			return chaim.AwsCreds{}
		}))
		_, err := io.WriteString(m.dial(), s.request())
		require.NoError(t, err)
		<-asked
		closed := make(chan error, 1)
		go func() { closed <- s.Close() }()
		synctest.Wait()
		assert.Empty(t, closed)
		close(answer)
		assert.NoError(t, <-closed)
	})
}

func TestCloseEndsWhatIsBeingAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, last := net.Pipe()
		s, m := serveInMemory(t, hourKeys)
		m.last = last
		synctest.Wait()
		started := time.Now()
		require.NoError(t, s.Close())
		_, err := client.Read(make([]byte, 1))
		assert.ErrorIs(t, err, io.EOF)
		assert.Zero(t, time.Since(started))
	})
}

func TestBrokenListenerIsLogged(t *testing.T) {
	s, log := listenFor(t, hourKeys)
	require.NoError(t, s.gate.Listener.Close())
	s.serving.Wait()
	lines := log.lines(t)
	require.Len(t, lines, 1)
	assert.Equal(t, "chaim: keys are not served any more", lines[0].Msg)
	assert.Equal(t, "ERROR", lines[0].Level)
	assert.Contains(t, lines[0].Error, "use of closed network connection")
}

func TestHeaderSize(t *testing.T) {
	s, _ := listenFor(t, hourKeys)
	for size, want := range map[int]int{7 << 10: http.StatusOK, 9 << 10: http.StatusRequestHeaderFieldsTooLarge} {
		resp, _ := ask(t, s, s.request("X-Long: "+strings.Repeat("a", size)))
		assert.Equal(t, want, resp.StatusCode)
	}
}

func TestChildEnviron(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	config := t.TempDir() + "/config"
	t.Setenv("AWS_CONFIG_FILE", config)
	s, _ := listenFor(t, hourKeys)

	for text, isHidden := range map[string]bool{
		"":                                false,
		"[default]\nregion = eu-west-1\n": false,
		"[profile prod]\nrole_arn = x\n":  false,
		"[default]\ncredential_process=x": true,
		"[profile default]\nrole_arn = x": true,
		"[default]\naws_access_key_id=x":  true,
		"[ default ]\nsso_session = x":    true,
	} {
		require.NoError(t, os.WriteFile(config, []byte(text), 0o600))
		env := map[string]string{}
		for _, v := range s.ChildEnviron() {
			name, value, _ := strings.Cut(v, "=")
			env[name] = value
		}
		assert.Equal(t, isHidden, env["AWS_CONFIG_FILE"] == os.DevNull, text)
		assert.Equal(t, s.url(), env["AWS_CONTAINER_CREDENTIALS_FULL_URI"])
		assert.Equal(t, s.token(), env["AWS_CONTAINER_AUTHORIZATION_TOKEN"])
		assert.Equal(t, []string{"eu-west-2", "eu-west-2", os.DevNull},
			[]string{env["AWS_REGION"], env["AWS_DEFAULT_REGION"], env["AWS_SHARED_CREDENTIALS_FILE"]})
	}
}
