package chaim_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
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
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

const (
	secretCanary = "CANARYsecretCANARYsecretCANARYsecret1234"
	tokenCanary  = "CANARYtoken/+CANARYtoken=="
)

// keysText returns a gateway's text with keys. fields replace the usual ones; an empty value removes one.
func keysText(fields map[string]string) string {
	all := map[string]string{
		"accountid": "'111111111111'", "sectionname": "'sredev'", "accesskeyid": "'ASIAEXAMPLE000000001'",
		"secretkey": "'" + secretCanary + "'", "sessiontoken": "'" + tokenCanary + "'",
		"expiresstr": "'Expires in 1 hour at 14:03:22.'", "expires": fmt.Sprint(time.Now().Add(time.Hour).Unix()), "url": "'notset'",
	}
	for key, value := range fields {
		all[key] = value
	}
	var items []string
	for _, key := range []string{"accountid", "sectionname", "accesskeyid", "secretkey", "sessiontoken", "expiresstr", "expires", "url", "new"} {
		if all[key] != "" {
			items = append(items, "'"+key+"': "+all[key])
		}
	}
	return "{" + strings.Join(items, ", ") + "}"
}

// jsonText returns the same as JSON, which a newer gateway might send instead of a repr.
func jsonText() string {
	text, _ := json.Marshal(map[string]any{
		"sectionname": "sredev", "accesskeyid": "ASIAEXAMPLE000000001", "secretkey": secretCanary, "sessiontoken": tokenCanary,
		"expires": time.Now().Add(time.Hour).Unix(), "url": nil,
	})
	return string(text)
}

func gzipped(size int) chaimtest.Fault {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = z.Write(bytes.Repeat([]byte(" "), size))
		_ = z.Close()
	}
}

func TestGatewayReplies(t *testing.T) {
	type reply struct {
		name  string
		fault chaimtest.Fault

		requests int    // in all, retries included
		status   int    // of the GatewayError; 0 for success
		kind     string // of the GatewayError
		says     string // a part of the error's text
		denied   bool
	}
	refusal := func(text string) chaimtest.Fault {
		body, _ := json.Marshal(map[string]any{"response_type": "ephemeral", "statusCode": "400", "text": text})
		return chaimtest.Body(string(body))
	}
	stored := func(name string) chaimtest.Fault {
		return chaimtest.Body(read(t, filepath.Join("testdata", "replies", name+".json")))
	}
	for _, tt := range []reply{
		{name: "as the original", fault: chaimtest.Reply(keysText(nil)), requests: 1},
		{name: "JSON in the text", fault: chaimtest.Reply(jsonText()), requests: 1},
		{name: "JSON in place of the text", fault: chaimtest.Body(`{"statusCode": 200, "text": ` + jsonText() + `}`), requests: 1},
		{name: "apostrophe", fault: chaimtest.Reply(keysText(map[string]string{"expiresstr": `"O'Clock"`})), requests: 1},
		{name: "None and True", fault: chaimtest.Reply(keysText(map[string]string{"url": "None", "new": "True", "sectionname": "None"})), requests: 1},
		{name: "tuples", fault: chaimtest.Reply(keysText(map[string]string{"new": "(1, ('a',), ())"})), requests: 1},
		{name: "no url", fault: chaimtest.Reply(keysText(map[string]string{"url": ""})), requests: 1},
		{name: "expires as text", fault: chaimtest.Reply(keysText(map[string]string{"expires": fmt.Sprintf("'%d'", time.Now().Add(time.Hour).Unix())})), requests: 1},
		{name: "expires as a float", fault: chaimtest.Reply(keysText(map[string]string{"expires": fmt.Sprintf("%d.5", time.Now().Add(time.Hour).Unix())})), requests: 1},
		{name: "newline in a part that is only told", fault: chaimtest.Reply(keysText(map[string]string{"expiresstr": `'x\n[admin]'`, "url": `'https://x/\n[admin]'`, "sectionname": `'x\n[admin]'`})), requests: 1},

		{name: "token expired", fault: stored("token-expired"), requests: 1, status: 400, kind: "IncorrectCredentials", says: "usertoken has expired", denied: true},
		{name: "permission", fault: stored("no-permission"), requests: 1, status: 400, kind: "DataNotFound", says: "Permission not granted", denied: true},
		{name: "unknown account", fault: stored("unknown-account"), requests: 1, status: 400, kind: "DataNotFound", says: "Account not found: sredev"},
		{name: "refusal without a kind", fault: stored("refusal-without-kind"), requests: 1, status: 400, says: "Sorry."},
		{name: "refusal quotes secrets", fault: refusal("IncorrectCredentials: " + secretCanary + " for test " + strings.Repeat("CANARY", 40) + "\x1b[31m"), requests: 1, status: 400, kind: "IncorrectCredentials", denied: true},
		{name: "failure inside the reply", fault: stored("busy"), requests: 3, status: 503, says: "busy"},

		{name: "null", fault: stored("null"), requests: 3, status: 200, says: "no text"},
		{name: "empty body", fault: stored("empty"), requests: 3, status: 200, says: "0 bytes"},
		{name: "HTML with 200", fault: chaimtest.Garbage(), requests: 3, status: 200, says: "HTML"},
		{name: "array", fault: stored("array"), requests: 3, status: 200, says: "not that of a chaim gateway"},
		{name: "crashed Lambda", fault: stored("crashed-lambda"), requests: 3, status: 200, kind: "KeyError", says: "'api'"},
		{name: "text is code", fault: stored("text-is-code"), requests: 3, status: 200, says: "neither a Python literal nor JSON"},
		{name: "text is a list", fault: stored("text-is-list"), requests: 3, status: 200, says: "not a dict"},
		{name: "text is cut off", fault: chaimtest.Reply(keysText(nil)[:200]), requests: 3, status: 200, says: "neither"},
		{name: "nesting bomb", fault: chaimtest.Reply(strings.Repeat("[", 100000)), requests: 3, status: 200, says: "neither"},
		{name: "repeated key", fault: stored("repeated-key"), requests: 3, status: 200, says: "repeated"},
		{name: "no key id", fault: chaimtest.Reply(keysText(map[string]string{"accesskeyid": ""})), requests: 1, status: 200, says: "access key id"},
		{name: "no secret", fault: chaimtest.Reply(keysText(map[string]string{"secretkey": ""})), requests: 1, status: 200, says: "secret access key"},
		{name: "no session token", fault: chaimtest.Reply(keysText(map[string]string{"sessiontoken": "None"})), requests: 1, status: 200, says: "session token"},
		{name: "secret is a number", fault: chaimtest.Reply(keysText(map[string]string{"secretkey": "1"})), requests: 1, status: 200, says: "secret access key"},
		{name: "newline in the secret", fault: chaimtest.Reply(keysText(map[string]string{"secretkey": `'CANARY\n[admin]'`})), requests: 1, status: 200, says: "secret access key"},
		{name: "newline in the key id", fault: chaimtest.Reply(keysText(map[string]string{"accesskeyid": `'ASIAEXAMPLE0000\n[default]'`})), requests: 1, status: 200, says: "access key id"},
		{name: "short key id", fault: chaimtest.Reply(keysText(map[string]string{"accesskeyid": "'ASIA'"})), requests: 1, status: 200, says: "access key id"},
		{name: "secret of a megabyte", fault: chaimtest.Reply(keysText(map[string]string{"secretkey": "'" + strings.Repeat("x", 1<<19) + "'"})), requests: 1, status: 200, says: "secret access key"},
		{name: "expiration is not a number", fault: chaimtest.Reply(keysText(map[string]string{"expires": "'nan'"})), requests: 1, status: 200, says: "expires"},
		{name: "no expiration", fault: chaimtest.Reply(keysText(map[string]string{"expires": ""})), requests: 1, status: 200, says: "expires"},
		{name: "expiration is a date", fault: chaimtest.Reply(keysText(map[string]string{"expires": "'2036-01-01'"})), requests: 1, status: 200, says: "expires"},
		{name: "expiration is absurd", fault: chaimtest.Reply(keysText(map[string]string{"expires": "10**9"})), requests: 3, status: 200, says: "neither"},
		{name: "expiration is a truth", fault: chaimtest.Reply(keysText(map[string]string{"expires": "True"})), requests: 1, status: 200, says: "expires"},

		{name: "forbidden by API Gateway", fault: chaimtest.Status(403), requests: 1, status: 403, says: "Missing Authentication Token"},
		{name: "not found", fault: chaimtest.Status(404), requests: 1, status: 404},
		{name: "throttled", fault: chaimtest.Throttle(time.Second), requests: 3, status: 429, says: "Too Many Requests"},
		{name: "throttled for long", fault: chaimtest.Throttle(time.Hour), requests: 1, status: 429},
		{name: "server error", fault: chaimtest.Status(500), requests: 3, status: 500, says: "Internal server error"},
		{name: "gateway time-out", fault: chaimtest.Status(504), requests: 3, status: 504, says: "timed out"},
		{name: "redirect", fault: chaimtest.Redirect("https://evil.example/"), requests: 1, status: 307, says: "redirects"},
		{name: "huge", fault: chaimtest.Huge(), requests: 1, status: 200, says: "larger than 1048576 bytes"},
		{name: "huge once inflated", fault: gzipped(200 << 20), requests: 1, status: 200, says: "larger than 1048576 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			outside := time.Now()
			synctest.Test(t, func(t *testing.T) {
				srv := chaimtest.NewServer(t)
				srv.Advance(time.Until(outside)) // the texts are from outside the bubble, whose clock is years behind
				opts := optionsFor(t, srv)
				var log bytes.Buffer
				opts.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
				write(t, credentialsFile(opts), userFile)
				srv.Inject(-1, tt.fault)
				called := false
				err := chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error {
					called = true
					text := read(t, credentialsFile(opts))
					assert.Contains(t, text, "accountname = ")
					assert.NotContains(t, text, "[admin]")
					return nil
				})
				assert.Len(t, srv.Requests(), tt.requests)
				assert.Equal(t, userFile, read(t, credentialsFile(opts)))
				assert.NotContains(t, log.String(), "CANARY")
				if tt.status == 0 {
					require.NoError(t, err)
					assert.True(t, called)
					return
				}
				assert.False(t, called)
				var ge *chaim.GatewayError
				require.ErrorAs(t, err, &ge)
				assert.Equal(t, tt.status, ge.StatusCode)
				assert.Equal(t, tt.kind, ge.Kind)
				assert.Equal(t, tt.denied, errors.Is(err, chaim.ErrDenied))
				assert.ErrorContains(t, err, tt.says)
				assert.Equal(t, 1, strings.Count(err.Error(), "chaim: "), "%v", err)
				assert.NotContains(t, err.Error(), "CANARY")
				assert.NotContains(t, err.Error(), "\x1b")
				assert.Less(t, len(ge.Message), 250)
			})
		})
	}
}

// TestRefusalKeepsWhatWasAsked: requested names that look like secrets stay readable, the gateway's own words do not.
func TestRefusalKeepsWhatWasAsked(t *testing.T) {
	srv := chaimtest.NewServer(t)
	opts := optionsFor(t, srv)
	opts.Account, opts.Role = "acme-production-AdministratorAccess-123456789012", "AWSReservedSSO_AdministratorAccess_0123456789abcdef"
	srv.Inject(-1, chaimtest.Refuse("DataNotFound: no "+opts.Role+" in "+opts.Account+" but "+strings.Repeat("CaNaRy", 8)))
	_, err := clientFor(t, opts).RequestKeys(t.Context())
	assert.ErrorContains(t, err, "no "+opts.Role+" in "+opts.Account+" but [secret]")
}

func TestKeysForAnotherAccountAreRefused(t *testing.T) {
	srv := chaimtest.NewServer(t)
	opts := optionsFor(t, srv)
	opts.Account = "222222222222"
	srv.Inject(1, chaimtest.Reply(keysText(nil)))
	err := chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error { t.Error("fn was called"); return nil })
	assert.ErrorContains(t, err, "another account")
}

func TestExpiredOnArrival(t *testing.T) {
	srv := chaimtest.NewServer(t)
	opts := optionsFor(t, srv)
	srv.Inject(-1, chaimtest.Reply(keysText(map[string]string{"expires": "1536139015"})))
	err := chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error { t.Error("fn was called"); return nil })
	assert.ErrorIs(t, err, chaim.ErrExpired)
	assert.ErrorContains(t, err, "clock")
	assert.NoFileExists(t, credentialsFile(opts))
}

func TestHangingGateway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		opts := optionsFor(t, srv)
		srv.Inject(-1, chaimtest.Hang())
		started := time.Now()
		err := chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error { t.Error("fn was called"); return nil })
		assert.ErrorContains(t, err, "no complete reply within 35s")
		took := time.Since(started)
		assert.True(t, 105*time.Second <= took && took <= 108*time.Second, "three attempts of 35 seconds took %s", took)

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		started = time.Now()
		err = chaim.WithContext(ctx, opts, func(context.Context, *chaim.Client) error { t.Error("fn was called"); return nil })
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, time.Second, time.Since(started))
	})
}

func TestSlowReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		opts := optionsFor(t, srv)
		srv.Inject(-1, func(w http.ResponseWriter, r *http.Request) {
			for {
				select {
				case <-r.Context().Done():
					return
				case <-time.After(100 * time.Millisecond):
					_, _ = w.Write([]byte(" "))
					_ = http.NewResponseController(w).Flush()
				}
			}
		})
		err := chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error { t.Error("fn was called"); return nil })
		assert.ErrorContains(t, err, "no complete reply within 35s")
	})
}

func TestRetryAfterIsObeyed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		srv.Inject(2, chaimtest.Throttle(20*time.Second))
		started := time.Now()
		require.NoError(t, chaim.WithContext(t.Context(), optionsFor(t, srv), func(context.Context, *chaim.Client) error { return nil }))
		assert.Equal(t, 40*time.Second, time.Since(started))

		srv.Inject(1, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", time.Now().Add(25*time.Second).UTC().Format(http.TimeFormat))
			chaimtest.Status(503)(w, r)
		})
		started = time.Now()
		require.NoError(t, chaim.WithContext(t.Context(), optionsFor(t, srv), func(context.Context, *chaim.Client) error { return nil }))
		assert.Equal(t, 25*time.Second, time.Since(started))
	})
}

func TestNoRedirectIsFollowed(t *testing.T) {
	var reached atomic.Int32
	evil := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer evil.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		var asked atomic.Int32
		gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			target := evil.URL
			if asked.Add(1)%2 == 0 {
				target = "/elsewhere"
			}
			http.Redirect(w, r, target, status)
		}))
		opts := chaim.Options{Account: "sredev", Dir: t.TempDir(), Settings: &chaim.Settings{Endpoint: gateway.URL, Username: "u", UserToken: "t"}}
		for i, client := range []*http.Client{nil, nil, {}, {}} {
			opts.HTTPClient = client
			err := chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error { t.Error("fn was called"); return nil })
			var ge *chaim.GatewayError
			if assert.ErrorAs(t, err, &ge) {
				assert.Equal(t, status, ge.StatusCode)
			}
			assert.EqualValues(t, i+1, asked.Load())
		}
		gateway.Close()
	}
	assert.Zero(t, reached.Load())
}

func TestCABundle(t *testing.T) {
	gateway := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		chaimtest.Reply(keysText(nil))(w, r)
	}))
	defer gateway.Close()
	gateway.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	opts := chaim.Options{Account: "sredev", Duration: time.Hour, Dir: t.TempDir(), Settings: &chaim.Settings{Endpoint: gateway.URL, Username: "u", UserToken: "t"}}
	run := func() error {
		return chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error { return nil })
	}

	t.Setenv("AWS_CA_BUNDLE", "")
	assert.ErrorContains(t, run(), "certificate")

	bundle := filepath.Join(t.TempDir(), "ca.pem")
	write(t, bundle, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: gateway.Certificate().Raw})))
	t.Setenv("AWS_CA_BUNDLE", bundle)
	assert.NoError(t, run())

	write(t, bundle, "not a certificate")
	assert.ErrorContains(t, run(), "AWS_CA_BUNDLE")
	require.NoError(t, os.Remove(bundle))
	assert.ErrorContains(t, run(), "AWS_CA_BUNDLE")
}

func TestConsoleURL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		c, err := chaim.New(optionsFor(t, srv))
		require.NoError(t, err)
		defer c.Close()
		_, err = c.ConsoleURL(t.Context())
		assert.ErrorIs(t, err, chaim.ErrNoURL)

		_, err = c.RequestKeys(t.Context())
		require.NoError(t, err)
		first, err := c.ConsoleURL(t.Context())
		require.NoError(t, err)
		assert.Len(t, srv.Requests(), 1, "the link came with the keys")

		<-time.After(16 * time.Minute)
		second, err := c.ConsoleURL(t.Context())
		require.NoError(t, err)
		assert.NotEqual(t, first, second)
		assert.Equal(t, "ConsoleLink", srv.Requests()[1].Action)

		srv.Inject(1, chaimtest.Reply("{'url': 'http://plain.example'}"))
		_, err = c.ConsoleURL(t.Context())
		assert.ErrorAs(t, err, new(*chaim.GatewayError))
	})
}

// TestSecretsStayOut runs a scope with a full log, and looks for its secrets in all output.
func TestSecretsStayOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		opts := optionsFor(t, srv)
		var out bytes.Buffer
		opts.Logger = slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
		var secrets []string
		err := chaim.WithContext(t.Context(), opts, func(ctx context.Context, c *chaim.Client) error {
			for range 3 {
				creds, err := c.RequestKeys(ctx)
				require.NoError(t, err)
				secrets = append(secrets, creds.SecretAccessKey, creds.SessionToken)
				fmt.Fprintf(&out, "%v %+v %#v %s %q %x %d", c, c, c, c, c, c, c)
				fmt.Fprintf(&out, "%v %+v %#v", opts, opts, opts)
				opts.Logger.Info("all", "client", c, "options", opts, "settings", opts.Settings, "creds", creds)
				srv.Inject(4, chaimtest.Garbage())
				<-time.After(time.Hour)
			}
			srv.Inject(-1, chaimtest.Status(500))
			<-ctx.Done()
			return context.Cause(ctx)
		})
		require.ErrorIs(t, err, chaim.ErrExpired)
		fmt.Fprint(&out, err)
		secrets = append(secrets, opts.Settings.UserToken)
		assert.Contains(t, out.String(), `"level":"WARN"`)
		assert.Contains(t, out.String(), `"level":"ERROR"`)
		for _, secret := range secrets {
			require.NotEmpty(t, secret)
			assert.NotContains(t, out.String(), secret)
			assert.NotContains(t, out.String(), fmt.Sprintf("%x", secret))
		}
	})
}

// chain returns err and all errors that it wraps.
func chain(err error) []error {
	all := []error{err}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		all = append(all, chain(e.Unwrap())...)
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			all = append(all, chain(inner)...)
		}
	}
	return all
}

// TestNoHTTP: a peer that does not speak HTTP echoes secrets, as a debugging proxy or a broken gateway may.
func TestNoHTTP(t *testing.T) {
	const token = "CANARY-0f8fad5b/x=="
	for name, answer := range map[string]string{
		"body without a status line":   "{'secretkey': 'CANARY'}\r\n\r\n",
		"body in place of the headers": "HTTP/1.1 200 OK\r\n{'secretkey': 'CANARY'}\r\n\r\n",
		"echo as the status line":      "HTTP/1.1 " + token + "\r\n\r\n",
		"echo as a length":             "HTTP/1.1 200 OK\r\nContent-Length: " + token + "\r\n\r\n",
		"echo as an encoding":          "HTTP/1.1 200 OK\r\nTransfer-Encoding: " + token + "\r\n\r\n",
		"nothing":                      "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			var wg sync.WaitGroup
			wg.Go(func() {
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					_, _ = http.ReadRequest(bufio.NewReader(conn))
					_, _ = io.WriteString(conn, answer)
					_ = conn.Close()
				}
			})
			var log bytes.Buffer
			opts := chaim.Options{Account: "sredev", Dir: t.TempDir(), Logger: slog.New(slog.NewTextHandler(&log, nil))}
			opts.Settings = &chaim.Settings{Endpoint: "http://" + l.Addr().String(), Username: "u", UserToken: token}
			err = chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error { t.Error("fn was called"); return nil })
			require.NoError(t, l.Close())
			wg.Wait()
			for _, err := range chain(err) {
				assert.NotContains(t, err.Error(), "CANARY")
			}
			assert.NotEmpty(t, log)
			assert.NotContains(t, log.String(), "CANARY")
		})
	}
}

const proxyChild = "CHAIM_TEST_PROXY_CHILD"

// TestProxy runs itself in a child process, because net/http reads the proxy variables only once.
func TestProxy(t *testing.T) {
	settings := &chaim.Settings{Endpoint: "https://gateway.example/", Username: "u", UserToken: "CANARY-token"}
	if os.Getenv(proxyChild) != "" {
		opts := chaim.Options{Account: "sredev", Dir: t.TempDir(), Settings: settings}
		err := chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error { return nil })
		fmt.Println("child:", err)
		return
	}
	var mu sync.Mutex
	var seen []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		dump, _ := httputil.DumpRequest(r, true)
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, r.Method+" "+r.Host)
		assert.NotContains(t, string(dump), "CANARY-token")
		w.WriteHeader(http.StatusForbidden)
	}))
	defer proxy.Close()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestProxy$")
	cmd.Env = append(os.Environ(), proxyChild+"=1", "https_proxy=", "NO_PROXY=", "no_proxy=",
		"HTTPS_PROXY="+strings.Replace(proxy.URL, "http://", "http://user:CANARY@", 1))
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Contains(t, string(out), "child: chaim: keys for account \"sredev\" as \"rro\": asking gateway https://gateway.example/: no HTTP reply came back, from it or from the proxy")
	assert.NotContains(t, string(out), "CANARY")
	mu.Lock()
	defer mu.Unlock()
	assert.Equal(t, []string{"CONNECT gateway.example:443", "CONNECT gateway.example:443", "CONNECT gateway.example:443"}, seen)
}

func TestParseInit(t *testing.T) {
	const text = "api=8xxssu8fs7&slackid=S1&workspaceid=W1&username=chris%2Eallison&usertoken=ab==%20c+d&expires=1536139015&stage=prod&region=eu-west-1&colour=blue"
	want := chaim.Settings{
		API: "8xxssu8fs7", Stage: "prod", Region: "eu-west-1", Username: "chris.allison", UserToken: "ab== c+d",
		TokenExpires: time.Unix(1536139015, 0), SlackID: "S1", WorkspaceID: "W1", Extra: map[string]string{"colour": "blue"},
	}
	for _, encoding := range []*base64.Encoding{base64.URLEncoding, base64.RawURLEncoding} {
		got, err := chaim.ParseInit(encoding.EncodeToString([]byte(text)))
		require.NoError(t, err)
		assert.True(t, assert.ObjectsAreEqual(want, got))
	}
}

func TestParseInitRefusals(t *testing.T) {
	const rest = "&username=u&usertoken=CANARY&stage=prod"
	for name, text := range map[string]string{
		"nothing":       "",
		"no pairs":      "CANARY",
		"no token":      "api=a&username=u&stage=prod",
		"no gateway":    "username=u&usertoken=CANARY",
		"bad escape":    "api=%zz" + rest,
		"newline":       "api=a%0Ab" + rest,
		"newline raw":   "api=a\n" + rest,
		"bad API":       "api=evil.example/" + rest,
		"bad region":    "api=a&region=evil.example/" + rest,
		"plain http":    "endpoint=http%3A%2F%2Fevil.example" + rest,
		"empty key":     "=x&api=a" + rest,
		"repeated key":  "api=a&API=b" + rest,
		"bad end":       "api=a&expires=tomorrow" + rest,
		"without equal": "CANARY&api=a" + rest,
	} {
		got, err := chaim.ParseInit(base64.URLEncoding.EncodeToString([]byte(text)))
		if assert.Error(t, err, name) {
			assert.NotContains(t, err.Error(), "CANARY", name)
		}
		assert.Zero(t, got, name)
	}
	_, err := chaim.ParseInit("CANARY!")
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "CANARY")
}

// TestSecretsAreRedacted runs in a bubble, so that no goroutine of the client changes the fields while fmt reads them.
func TestSecretsAreRedacted(t *testing.T) { synctest.Test(t, testSecretsAreRedacted) }

func testSecretsAreRedacted(t *testing.T) {
	settings := chaim.Settings{Username: "chris", UserToken: "CANARY-token"}
	creds := chaim.AwsCreds{
		Region: "eu-west-1", AccessKeyID: "ASIAEXAMPLE000009876", SecretAccessKey: "CANARY-secret", SessionToken: "CANARY-session",
		Expires: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC),
	}
	monitor, err := chaim.NewMonitor(t.Context(), creds, chaim.MonitorOptions{})
	require.NoError(t, err)
	defer monitor.Close()
	type nested struct {
		Settings  chaim.Settings
		Pointer   *chaim.AwsCreds
		Map       map[string]chaim.AwsCreds
		Interface any
	}
	sts := chaim.STS{
		RoleARN: testRole, ExternalID: "CANARY-external", Policy: `{"Sid":"CANARY"}`,
		Keys: credentials.NewStaticCredentialsProvider("AKIA", "CANARY", "CANARY"),
	}
	dir := t.TempDir()
	client, err := chaim.New(chaim.Options{Account: "sredev", Source: creds, Dir: dir})
	require.NoError(t, err)
	defer client.Close()
	_, err = client.RequestKeys(t.Context())
	require.NoError(t, err)
	require.NoError(t, (chaim.Settings{Endpoint: "https://a.example", Username: "chris", UserToken: "CANARY-token"}).Store(t.Context(), dir))
	section, err := client.DefaultSection(t.Context())
	require.NoError(t, err)
	require.Equal(t, "CANARY-token", section.Value("usertoken"))
	all := []any{
		settings, &settings, creds, &creds, sts, &sts,
		[]chaim.STS{sts},
		sts.Broker(),
		chaim.Options{Broker: sts.Broker()},
		struct{ B chaim.Broker }{sts.Broker()},
		&chaim.Gateway{Settings: settings},
		chaim.Grant{Credentials: aws.Credentials{AccessKeyID: "ASIACANARY", SecretAccessKey: "CANARY"}, ConsoleURL: "https://CANARY"},
		client,
		chaim.Options{Source: &sts},
		[]chaim.AwsCreds{creds},
		map[string]any{"c": creds, "s": &settings},
		chaim.Settings{Endpoint: "https://user:CANARY@gateway.example/"},
		chaim.Options{Settings: &settings, Source: creds},
		chaim.Options{Source: aws.CredentialsProvider(credentials.NewStaticCredentialsProvider("AKIA", "CANARY", "CANARY"))},
		monitor,
		nested{settings, &creds, map[string]chaim.AwsCreds{"a": creds}, creds},
		struct { // fmt calls no methods of its fields
			client  *chaim.Client
			monitor *chaim.Monitor
			section chaim.Section
		}{client, monitor, section},
		section,
		fmt.Errorf("wrapped: %v", creds),
	}
	var used struct{ G chaim.Gateway } // a value, whose methods fmt does not call
	used.G.Settings = chaim.Settings{Endpoint: "https://a.example", Username: "chris", UserToken: "CANARY-token"}
	byGateway, err := chaim.New(chaim.Options{Account: "sredev", Broker: &used.G, NoProfile: true, Dir: dir})
	require.NoError(t, err)
	require.NoError(t, byGateway.Close())
	all = append(all, &used)
	synctest.Wait()
	var out bytes.Buffer
	for _, v := range all {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%T", "%20s", "%U", "%c", "%e"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			slog.New(h).Info("x", "v", v)
		}
		text, err := json.Marshal(v)
		require.NoError(t, err)
		out.Write(text)
	}
	func() {
		defer func() { fmt.Fprint(&out, recover()) }()
		panic(creds)
	}()
	assert.NotContains(t, out.String(), "CANARY")
	for _, secret := range []string{settings.UserToken, creds.SecretAccessKey, creds.SessionToken} {
		assert.NotContains(t, out.String(), fmt.Sprintf("%x", secret))
		assert.NotContains(t, out.String(), fmt.Sprintf("%X", secret))
		assert.NotContains(t, out.String(), base64.StdEncoding.EncodeToString([]byte(secret)))
	}
	assert.Contains(t, out.String(), "...9876")
	assert.NotContains(t, out.String(), "ASIAEXAMPLE000009876")
}

func TestGatewayURLs(t *testing.T) {
	for endpoint, ok := range map[string]bool{
		"https://gateway.example":               true,
		"https://gateway.example:8443/prod":     true,
		"https://10.0.0.1/":                     true,
		"http://127.0.0.1:8080/prod/":           true,
		"http://127.1.2.3/":                     true,
		"http://[::1]:8080/":                    true,
		"http://localhost:8080/":                false,
		"http://gateway.example/":               false,
		"http://127.0.0.1.example/":             false,
		"http://10.0.0.1/":                      false,
		"http://[::ffff:10.0.0.1]/":             false,
		"ftp://gateway.example/":                false,
		"gateway.example":                       false,
		"https:///prod":                         false,
		"https://user:CANARY@gateway.example/":  false,
		"https://gateway.example/?token=CANARY": false,
		"https://gateway.example/\x7fCANARY":    false,
	} {
		opts := chaim.Options{Account: "sredev", Dir: t.TempDir(), Settings: &chaim.Settings{Endpoint: endpoint, Username: "u", UserToken: "t"}}
		_, err := chaim.New(opts)
		assert.Equal(t, ok, err == nil, "%s: %v", endpoint, err)
		if err != nil {
			assert.NotContains(t, err.Error(), "CANARY")
		}
	}

	var log bytes.Buffer
	opts := chaim.Options{Account: "sredev", AllowInsecure: true, Dir: t.TempDir(), Logger: slog.New(slog.NewTextHandler(&log, nil))}
	opts.Settings = &chaim.Settings{Endpoint: "http://gateway.example/", Username: "u", UserToken: "t"}
	_, err := chaim.New(opts)
	assert.NoError(t, err)
	assert.Contains(t, log.String(), "level=WARN")
}

// refusingTransport records the hosts of requests and sends none.
type refusingTransport struct {
	t    *testing.T
	urls []string
	form []string
}

func (r *refusingTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	require.NoError(r.t, err)
	r.urls, r.form = append(r.urls, req.URL.String()), append(r.form, string(body))
	return &http.Response{StatusCode: 403, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("{}")), Request: req}, nil
}

func TestSettingsSources(t *testing.T) {
	clear := func(t *testing.T) {
		for _, name := range []string{"URL", "API", "STAGE", "REGION", "USER", "TOKEN", "SLACKID", "WORKSPACEID"} {
			t.Setenv("CHAIM_"+name, "")
		}
	}
	const section = "[default]\napi = 8xxssu8fs7\nstage = prod\nregion = us-east-1\nusername = chris\nusertoken = t=1\nslackid = S1\nworkspaceid = W1\n"
	for _, tt := range []struct {
		name, file string
		env        map[string]string
		settings   *chaim.Settings
		url, form  string
	}{
		{name: "default section", file: section, url: "https://8xxssu8fs7.execute-api.us-east-1.amazonaws.com/prod/", form: "team_id=W1&text=sredev%2Crro%2C1&token=t%3D1&user_id=S1&user_name=chris"},
		{name: "China", file: strings.ReplaceAll(section, "us-east-1", "cn-north-1"), url: "https://8xxssu8fs7.execute-api.cn-north-1.amazonaws.com.cn/prod/"},
		{name: "endpoint wins over api", file: section + "endpoint = https://gateway.example/chaim\n", url: "https://gateway.example/chaim/"},
		{name: "environment wins over file", file: section, env: map[string]string{"CHAIM_URL": "https://env.example", "CHAIM_USER": "env", "CHAIM_TOKEN": "e", "CHAIM_SLACKID": "S2", "CHAIM_WORKSPACEID": "W2"}, url: "https://env.example/", form: "team_id=W2&text=sredev%2Crro%2C1&token=e&user_id=S2&user_name=env"},
		{name: "API in the environment", env: map[string]string{"CHAIM_API": "abc", "CHAIM_STAGE": "dev", "CHAIM_USER": "env", "CHAIM_TOKEN": "e"}, url: "https://abc.execute-api.eu-west-1.amazonaws.com/dev/"},
		{name: "options win over environment", env: map[string]string{"CHAIM_URL": "https://env.example"}, settings: &chaim.Settings{Endpoint: "https://opts.example", Username: "o", UserToken: "p"}, url: "https://opts.example/"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clear(t)
			for name, value := range tt.env {
				t.Setenv(name, value)
			}
			transport := &refusingTransport{t: t}
			opts := chaim.Options{Account: "sredev", Duration: time.Hour, Dir: t.TempDir(), Settings: tt.settings, HTTPClient: &http.Client{Transport: transport}}
			write(t, credentialsFile(opts), tt.file)
			err := chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error { return nil })
			require.ErrorAs(t, err, new(*chaim.GatewayError))
			assert.Equal(t, []string{tt.url}, transport.urls)
			form := strings.ReplaceAll(transport.form[0], "response_url=ignoreme&", "")
			form = strings.ReplaceAll(form, "&useragent=chaim-go+0.1.0", "")
			if tt.form != "" {
				assert.Equal(t, tt.form, form)
			}
		})
	}

	t.Run("environment is not mixed with the file", func(t *testing.T) {
		clear(t)
		t.Setenv("CHAIM_URL", "https://env.example")
		dir := t.TempDir()
		write(t, filepath.Join(dir, "credentials"), section)
		_, err := chaim.New(chaim.Options{Account: "sredev", Dir: dir})
		assert.ErrorIs(t, err, chaim.ErrNotConfigured)
		assert.ErrorContains(t, err, "user token")
	})
	for _, bad := range []string{"api = a.evil.example/", "stage = a/b", "region = eu/west"} {
		t.Run(bad, func(t *testing.T) {
			clear(t)
			dir := t.TempDir()
			key, _, _ := strings.Cut(bad, " ")
			var kept []string
			for line := range strings.Lines(section) {
				if !strings.HasPrefix(line, key+" ") {
					kept = append(kept, line)
				}
			}
			write(t, filepath.Join(dir, "credentials"), strings.Join(kept, "")+bad+"\n")
			_, err := chaim.New(chaim.Options{Account: "sredev", Dir: dir})
			assert.ErrorContains(t, err, key)
		})
	}
}

func TestSettingsOfClient(t *testing.T) {
	noSDKConfig(t)
	srv := chaimtest.NewServer(t)
	opts := optionsFor(t, srv)
	c, err := chaim.New(opts)
	require.NoError(t, err)
	given := *opts.Settings
	opts.Settings.Username = "somebody else"
	s, err := c.Settings(t.Context())
	require.NoError(t, err)
	assert.True(t, s.Username == given.Username && s.UserToken == given.UserToken && s.Endpoint == given.Endpoint, "as they were when it was made")
	require.NoError(t, c.Close())
	_, err = c.Settings(t.Context())
	assert.ErrorIs(t, err, chaim.ErrClosed)

	_, err = assertReads(t, chaim.Options{Dir: t.TempDir()}, (*chaim.Client).Settings)
	assert.ErrorIs(t, err, chaim.ErrNotConfigured)
}

func initString(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func TestStoreOfInitString(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	settings, err := chaim.ParseInit(initString("api=abc123&slackid=U1&username=chris&usertoken=CANARY%3Dab==&expires=1536139015&stage=prod&region=eu-west-2&Colour=a=b"))
	require.NoError(t, err)
	require.NoError(t, settings.Store(t.Context(), dir))
	const want = "[default]\napi = abc123\nstage = prod\nregion = eu-west-2\nusername = chris\nusertoken = CANARY=ab==\nslackid = U1\ntokenexpires = 1536139015\ncolour = a=b\n"
	assert.Equal(t, want, read(t, filepath.Join(dir, "credentials")))
	info, err := os.Stat(filepath.Join(dir, "credentials"))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	c, err := chaim.New(chaim.Options{Account: "sredev", Dir: dir})
	require.NoError(t, err)
	defer c.Close()
	endpoint, err := c.Endpoint(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "https://abc123.execute-api.eu-west-2.amazonaws.com/prod/", endpoint)
}

func TestStoreKeepsWhatIsNotASetting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials")
	const before = "# mine\r\n[other]\r\naws_access_key_id=AKIAIOSFODNN7EXAMPLE\r\n\r\n[default]\r\nAPI: old\r\nslackid = U0 ; kept by Slack\r\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\r\nregion = us-east-1\r\noutput=json\r\n# end"
	write(t, path, before)
	s := chaim.Settings{Endpoint: "https://gateway.example/prod", Username: "chris", UserToken: "CANARY", TokenExpires: time.Unix(1536139015, 0)}
	require.NoError(t, s.Store(t.Context(), filepath.Dir(path)))
	const after = "# mine\r\n[other]\r\naws_access_key_id=AKIAIOSFODNN7EXAMPLE\r\n\r\n[default]\r\nendpoint = https://gateway.example/prod\r\nusername = chris\r\nusertoken = CANARY\r\ntokenexpires = 1536139015\r\nslackid = U0 ; kept by Slack\r\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\r\nregion = us-east-1\r\noutput=json\r\n# end"
	assert.Equal(t, after, read(t, path))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.NoError(t, s.Store(t.Context(), filepath.Dir(path)))
	again, err := os.Stat(path)
	require.NoError(t, err)
	assert.True(t, os.SameFile(info, again), "nothing to change, nothing written")
}

// TestStoreRefusesWhatCannotBeUsed also refuses settings with which an SDK would run a command or send keys to another server.
func TestStoreRefusesWhatCannotBeUsed(t *testing.T) {
	good := chaim.Settings{Endpoint: "https://gateway.example/", Username: "chris", UserToken: "CANARY"}
	for name, change := range map[string]func(*chaim.Settings){
		"no token":           func(s *chaim.Settings) { s.UserToken = "" },
		"no gateway":         func(s *chaim.Settings) { s.Endpoint = "" },
		"plain http":         func(s *chaim.Settings) { s.Endpoint = "http://gateway.example/" },
		"newline":            func(s *chaim.Settings) { s.SlackID = "CANARY\n[default]" },
		"token as comment":   func(s *chaim.Settings) { s.UserToken = "#CANARY" },
		"spaces around":      func(s *chaim.Settings) { s.UserToken = " CANARY" },
		"not ASCII":          func(s *chaim.Settings) { s.Username = "jürgen" },
		"a process":          func(s *chaim.Settings) { s.Extra = map[string]string{"credential_process": "CANARY"} },
		"a process, shouted": func(s *chaim.Settings) { s.Extra = map[string]string{"Credential_Process": "CANARY"} },
		"keys":               func(s *chaim.Settings) { s.Extra = map[string]string{"aws_access_key_id": "CANARY"} },
		"another AWS":        func(s *chaim.Settings) { s.Extra = map[string]string{"endpoint_url": "CANARY"} },
		"another region":     func(s *chaim.Settings) { s.Extra = map[string]string{"Region": "CANARY"} },
		"another output":     func(s *chaim.Settings) { s.Extra = map[string]string{"output": "CANARY"} },
		"other retries":      func(s *chaim.Settings) { s.Extra = map[string]string{"max_attempts": "CANARY"} },
		"another gateway":    func(s *chaim.Settings) { s.Extra = map[string]string{"API": "CANARY"} },
		"another CA":         func(s *chaim.Settings) { s.Extra = map[string]string{"ca_bundle": "CANARY"} },
		"marks a section":    func(s *chaim.Settings) { s.Extra = map[string]string{"accountname": "CANARY"} },
		"a setting again":    func(s *chaim.Settings) { s.Extra = map[string]string{"Username": "CANARY"} },
		"no key":             func(s *chaim.Settings) { s.Extra = map[string]string{"": "CANARY"} },
		"a key and more":     func(s *chaim.Settings) { s.Extra = map[string]string{"a = b\nc": "CANARY"} },
		"a section":          func(s *chaim.Settings) { s.Extra = map[string]string{"[other]": "CANARY"} },
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "new")
			s := good
			change(&s)
			err := s.Store(t.Context(), dir)
			if assert.Error(t, err) {
				assert.NotContains(t, err.Error(), "CANARY")
			}
			assert.NoDirExists(t, dir)
		})
	}
}

// TestInitStringInItsMessage parses what users copy from Slack: a command or a whole message.
func TestInitStringInItsMessage(t *testing.T) {
	const pairs = "api=abc123&slackid=U1&workspaceid=W1&username=chris&usertoken=ca9a12e5-0000-4000-8000-000000000000&expires=1536139015&stage=prod&region=eu-west-1"
	plain := base64.URLEncoding.EncodeToString([]byte(pairs)) // padded, as the original gateway's
	want, err := chaim.ParseInit(plain)
	require.NoError(t, err)
	message := "New Chaim Credentials Expire Wed Sep  5 09:10:15 2018\n```\napi: abc123\nslackid: U1\nworkspaceid: W1\nusername: chris\n" +
		"usertoken: ca9a12e5-0000-4000-8000-000000000000\nexpires: 1536139015\nstage: prod\nregion: eu-west-1\n```\n" +
		"\n```chaim -j " + plain + "```\n```cca init " + plain + "```"
	for _, text := range []string{"cca init " + plain, " `cca init " + plain + "` ", "$ cca init '" + plain + "'\r\n", "chaim init\t" + plain, "\u00ab" + plain + "\u00bb", message} {
		got, err := chaim.ParseInit(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got)
	}
	fold := func(text string, width int, end string) (folded string) {
		for ; len(text) > width; text = text[width:] {
			folded += text[:width] + end
		}
		return folded + text
	}
	var utf16 string
	for _, char := range []byte("cca init " + plain + "\r\n") {
		utf16 += string([]byte{char, 0})
	}
	for _, text := range []string{
		fold("cca init "+plain, 76, "\n"), fold("cca init "+plain, 80, "\r\n") + "\n\nthank you\n", fold("cca init "+plain, 60, "\\\n"),
		fold("cca init "+plain, 40, "\n  "), "> " + fold("cca init "+plain, 70, "\n> "), fold(plain, 72, "\n"), fold(message, 100, "\n"),
		"token=" + plain, "--string=" + plain, "chaim init --string=" + strings.TrimRight(plain, "="), "https://example.com/init?string=" + plain + "&x=y",
		"_" + plain + "_", "*_" + plain + "_*", "cca init " + plain[:50] + "\u200b" + plain[50:], "\ufeff" + plain + "\n", plain[:30] + "\u00ad" + plain[30:],
		"\xff\xfe" + utf16,
	} {
		got, err := chaim.ParseInit(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	other := initString(strings.Replace(pairs, "chris", "anna", 1))
	for _, text := range []string{"", "cca init", "cca init ", "cca init " + plain[:60], message + other, fold("cca init "+plain, 76, "\n") + "``` ```" + fold(other, 76, "\n"), fold("cca init "+plain[:150], 76, "\n"), strings.ReplaceAll(message, plain, plain[1:])} {
		_, err := chaim.ParseInit(text)
		require.Error(t, err, text)
		assert.NotContains(t, err.Error(), "ca9a12e5")
		assert.NotContains(t, err.Error(), plain[:20])
	}
}

// TestStoreKeepsWhatFits stores settings with empty fields over older ones.
func TestStoreKeepsWhatFits(t *testing.T) {
	const before = "[default]\nendpoint = https://old.example/\napi = abc123\nstage = prod\nregion = us-east-1\nusername = chris\nusertoken = CANARY\nslackid = U1\nworkspaceid = W1\ntokenexpires = 1536139015\nteam = blue\n"
	for name, tt := range map[string]struct {
		s             chaim.Settings
		gone, changed string // removed lines, and new ones
	}{
		"new token":    {chaim.Settings{Endpoint: "https://old.example/", Username: "chris", UserToken: "NEW"}, "usertoken = CANARY\ntokenexpires = 1536139015\n", "usertoken = NEW\n"},
		"same":         {chaim.Settings{Endpoint: "https://old.example/", Username: "chris", UserToken: "CANARY"}, "", ""},
		"other user":   {chaim.Settings{Endpoint: "https://old.example/", Username: "anna", UserToken: "CANARY"}, "username = chris\nslackid = U1\nworkspaceid = W1\n", "username = anna\n"},
		"by API":       {chaim.Settings{API: "new123", Stage: "dev", Username: "chris", UserToken: "CANARY"}, "endpoint = https://old.example/\napi = abc123\nstage = prod\n", "api = new123\nstage = dev\n"},
		"new endpoint": {chaim.Settings{Endpoint: "https://new.example/", Username: "chris", UserToken: "CANARY"}, "endpoint = https://old.example/\napi = abc123\nstage = prod\n", "endpoint = https://new.example/\n"},
		"its own URL":  {chaim.Settings{Endpoint: "https://abc123.execute-api.us-east-1.amazonaws.com/prod", Username: "chris", UserToken: "CANARY"}, "endpoint = https://old.example/\n", "endpoint = https://abc123.execute-api.us-east-1.amazonaws.com/prod\n"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "credentials")
			write(t, path, before)
			require.NoError(t, tt.s.Store(t.Context(), filepath.Dir(path)))
			want := slices.DeleteFunc(strings.SplitAfter(before+tt.changed, "\n"), func(line string) bool { return line != "" && strings.Contains(tt.gone, line) })
			assert.ElementsMatch(t, want, strings.SplitAfter(read(t, path), "\n"))
		})
	}
}

func TestCheckToken(t *testing.T) {
	for name, o := range map[string]*chaimtest.Original{"strict": nil, "original": {}, "older original": {ByUserName: true}} {
		t.Run(name, func(t *testing.T) {
			srv := chaimtest.NewServer(t)
			if o != nil {
				srv.SetOriginal(*o)
			}
			check := func(change func(*chaim.Settings)) error {
				opts := optionsFor(t, srv)
				change(opts.Settings)
				c := clientFor(t, opts)
				err := c.CheckToken(t.Context())
				assert.Empty(t, c.Creds())
				assert.NoFileExists(t, credentialsFile(opts))
				return err
			}
			as := func(user, token, slackID string) func(*chaim.Settings) {
				return func(s *chaim.Settings) { s.Username, s.UserToken, s.SlackID = user, token, slackID }
			}
			require.NoError(t, check(func(*chaim.Settings) {}))
			err := check(func(s *chaim.Settings) { s.UserToken = "ca9a12e5-wrong" })
			assert.ErrorIs(t, err, chaim.ErrDenied)
			assert.ErrorContains(t, err, "checking the user token: gateway answered 400: IncorrectCredentials: Invalid token")

			srv.Inject(1, chaimtest.Reply(keysText(nil))) // keys in spite of the wrong account, as from a gateway that checks nothing
			assert.ErrorContains(t, check(func(*chaim.Settings) {}), "another account")

			srv.AddUser("late", "CANARY-late")
			srv.LinkSlack("late", "T0CHAIM", "ULATE")
			srv.ExpireUser("late")
			assert.ErrorIs(t, check(as("late", "CANARY-late", "ULATE")), chaim.ErrDenied)
			srv.AddUser("gone", "CANARY-gone")
			srv.LinkSlack("gone", "T0CHAIM", "UGONE")
			srv.DisableUser("gone")
			assert.ErrorIs(t, check(as("gone", "CANARY-gone", "UGONE")), chaim.ErrDenied)
			assert.Error(t, check(as("nobody", "CANARY", "UNOBODY")))

			srv.Deny("", "", "") // the user has no rights, but the token is valid
			require.NoError(t, check(func(*chaim.Settings) {}))
			srv.AddAccount("000000000000", "a gateway that gives keys of anything", "CrossAccountReadOnly")
			require.NoError(t, check(func(*chaim.Settings) {}))
		})
	}

	srv := chaimtest.NewServer(t)
	c := clientFor(t, optionsFor(t, srv))
	for _, text := range []string{
		"Sorry.", "DataNotFound: Failed to obtain username from workspace and slack ids",
		`DataNotFound: User not found in Cognito DB: /me\`, "IncorrectCredentials: user me does not exist in chaim.",
		"IncorrectCredentials: Invalid token (Account not found)", "IncorrectCredentials: Account not found: me is not an active user.",
	} {
		srv.Inject(1, chaimtest.Refuse(text))
		assert.ErrorAs(t, c.CheckToken(t.Context()), new(*chaim.GatewayError), text)
	}
	srv.Inject(3, chaimtest.Status(503))
	assert.ErrorIs(t, c.CheckToken(t.Context()), chaim.ErrUnreachable)
	srv.Inject(1, chaimtest.Reply(keysText(map[string]string{"accountid": "", "sectionname": ""})))
	assert.NoError(t, c.CheckToken(t.Context()), "keys are dropped")
	require.NoError(t, c.Close())
	assert.ErrorIs(t, c.CheckToken(t.Context()), chaim.ErrClosed)

	opts := optionsFor(t, srv)
	opts.Source = aws.AnonymousCredentials{}
	assert.ErrorIs(t, clientFor(t, opts).CheckToken(t.Context()), chaim.ErrNotConfigured)
}

func TestRequestList(t *testing.T) {
	srv := chaimtest.NewServer(t)
	c, err := chaim.New(optionsFor(t, srv))
	require.NoError(t, err)
	defer c.Close()
	accounts, err := c.RequestList(t.Context())
	require.NoError(t, err)
	assert.Contains(t, accounts, chaim.Account{ID: "333333333333", Name: "O'Brien"})

	opts := optionsFor(t, srv)
	opts.Settings.SlackID, opts.Settings.WorkspaceID = "U1", "W1"
	var form url.Values
	opts.HTTPClient = &http.Client{Transport: watched{srv.HTTPClient().Transport, func(_ *http.Request, body string) {
		form, err = url.ParseQuery(body)
	}}}
	slack := clientFor(t, opts)
	_, listErr := slack.RequestList(t.Context())
	require.NoError(t, listErr)
	require.NoError(t, err)
	assert.Equal(t, []string{"--list", "U1", "W1"}, []string{form.Get("text"), form.Get("user_id"), form.Get("team_id")})

	srv.Inject(1, chaimtest.Reply(`{"accountlist": [["444444444444", "billing"]]}`))
	accounts, err = c.RequestList(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []chaim.Account{{ID: "444444444444", Name: "billing"}}, accounts)

	for text, want := range map[string][]chaim.Account{
		`[('111111111111', 'a', 'active'), ('b', '222222222222', None, 3)]`:                      {{ID: "111111111111", Name: "a"}, {ID: "222222222222", Name: "b"}},
		`[(1, 2), 'row', None, ('c',), (), ('1', '2', '3'), {'id': '1'}, ('333333333333', 'd')]`: {{ID: "333333333333", Name: "d"}},
		`[('111111111111', '222222222222'), ('0', 'e')]`:                                         {{ID: "111111111111", Name: "222222222222"}, {ID: "0", Name: "e"}},
		`[]`: {},
		`[(111111111111, 'sredev'), (b'222222222222', b'b'), (11111111, 'row'), (22222222222, 'zeros')]`:                            {{ID: "111111111111", Name: "sredev"}, {ID: "222222222222", Name: "b"}, {ID: "022222222222", Name: "zeros"}},
		`[('1', '333333333333', 'c'), ('active', '444444444444', 'd'), (1700000000, 555555555555, 'e', 'old')]`:                     {{ID: "333333333333", Name: "c"}, {ID: "444444444444", Name: "d"}, {ID: "555555555555", Name: "e"}},
		`[('111111111111', 'a', datetime.datetime(2018, 9, 5, 9, 16)), (Decimal('1'), '222222222222', 'b'), (Decimal('1'), 'row')]`: {{ID: "111111111111", Name: "a"}, {ID: "222222222222", Name: "b"}},
		`[('111111111111', None), (222222222222, None, 1), (b'333333333333',), ('444444444444', Decimal('1'))]`:                     {{ID: "111111111111"}, {ID: "222222222222"}, {ID: "333333333333"}, {ID: "444444444444"}},
	} {
		opts := optionsFor(t, srv)
		var log bytes.Buffer
		opts.Logger = slog.New(slog.NewTextHandler(&log, nil))
		srv.Inject(1, chaimtest.Reply("{'accountlist': "+text+"}"))
		accounts, err = clientFor(t, opts).RequestList(t.Context())
		require.NoError(t, err, text)
		assert.Equal(t, want, accounts)
		assert.Equal(t, strings.Contains(text, "row"), strings.Contains(log.String(), "a row without an id"), log.String())
	}

	for _, text := range []string{"{}", "{'accountlist': 1}", "{'accountlist': ((1, 2),)}", "{'accountlist': (('1', '2', '3'),)}"} {
		srv.Inject(1, chaimtest.Reply(text))
		_, err = c.RequestList(t.Context())
		assert.ErrorAs(t, err, new(*chaim.GatewayError), text)
	}
	srv.Inject(1, chaimtest.Refuse("IncorrectCredentials: Invalid token"))
	_, err = c.RequestList(t.Context())
	assert.ErrorIs(t, err, chaim.ErrDenied)
}

// TestDefaultOfTheOriginals: cca wrote the default account, or rewrote one of chaim's. Renewing and deleting the profile does
// the same to it.
func TestDefaultOfTheOriginals(t *testing.T) {
	keysOf := func(id string) string {
		return "aws_access_key_id = ASIAEXAMPLE0000000" + id + "\naws_secret_access_key = CANARY\naws_session_token = CANARY\n"
	}
	const (
		stale = "chaim_copy = 0123456789abcdef\n"
		named = "section = sredev\nalias = dev\nexpires = 4102444800.5\n"
	)
	profile := func(id string) string {
		return "[dev]\n" + keysOf(id) + "expires = 4102444800\naccountname = sredev\nrole = rro\nduration = 1\nregion = eu-west-1\n"
	}
	settings := "[default]\nregion = eu-west-1\n"
	for name, tt := range map[string]struct{ inDefault, held string }{
		"as cca leaves it":           {keysOf("01") + named, profile("01")},
		"keys of before":             {keysOf("01") + named, profile("02")},
		"over chaim's copy":          {keysOf("02") + named + stale, profile("02")},
		"without a name":             {keysOf("02") + stale, profile("02")},
		"only the account's name":    {keysOf("01") + strings.Replace(named, "section = sredev\nalias", "section", 1), profile("01")},
		"expired":                    {keysOf("01") + strings.Replace(named, "4102444800.5", "1536139015", 1), profile("01")},
		"expires empty":              {keysOf("01") + strings.Replace(named, " 4102444800.5", "", 1), profile("02")},
		"expires ISO":                {keysOf("01") + strings.Replace(named, "4102444800.5", "2030-01-01T00:00:00Z", 1), profile("02")},
		"expires negative":           {keysOf("01") + strings.Replace(named, "4102444800.5", "-1", 1), profile("02")},
		"terrible":                   {keysOf("01") + "aws_security_token = CANARY\n" + named, profile("01")},
		"by the module":              {keysOf("01") + "expires = 4102444800\nexpstr = later\nduration = 1\ngui_url = notset\nrole = rro\naccountname = dev\n", ""},
		"by the module, expired":     {keysOf("01") + "expires = 1536139015\nexpstr = later\nrole = rro\naccountname = dev\n", profile("02")},
		"profile gone":               {keysOf("01") + named, ""},
		"profile gone, chaim's copy": {keysOf("01") + named + stale, ""},
	} {
		t.Run(name, func(t *testing.T) {
			opts := optionsFor(t, chaimtest.NewServer(t))
			before := settings + tt.inDefault + "\n" + tt.held
			c := clientFor(t, opts)
			reset := func() { write(t, credentialsFile(opts), before) }

			reset()
			require.NoError(t, c.DeleteAccount(t.Context(), "dev"))
			assert.Equal(t, strings.TrimRight(settings, "\n"), strings.TrimSpace(read(t, credentialsFile(opts))))

			reset()
			other := opts
			other.Default = true
			keeper(t, other, "Connected Homes", "homes")
			text := read(t, credentialsFile(opts))
			inDefault, inProfile := copies(t, []byte(text), "homes")
			assert.Equal(t, inProfile, inDefault)
			assert.Contains(t, text, "alias = homes\n")
			assert.Equal(t, 1, strings.Count(text, "section ="), text)

			if tt.held == "" {
				return
			}
			reset()
			_, err := c.RenewSection(t.Context(), "dev")
			require.NoError(t, err)
			inDefault, inProfile = copies(t, []byte(read(t, credentialsFile(opts))), "dev")
			assert.Equal(t, inProfile, inDefault)
			assert.NotContains(t, inProfile["aws_access_key_id"], "EXAMPLE0000000")

			reset()
			require.NoError(t, c.ParkAccount(t.Context(), "dev"))
			both := bothFiles(t, opts)
			assert.NotContains(t, both[0]+both[1], "aws_access_key_id")
			assert.NotContains(t, both[0]+both[1], "CANARY")
		})
	}
}

// TestDefaultOfTheUser: the keys in [default] are the user's own, even with lines of chaim or cca beside them.
func TestDefaultOfTheUser(t *testing.T) {
	const profile = "\n[dev]\naws_access_key_id = ASIAEXAMPLE00000000D\naws_secret_access_key = D\naws_session_token = D\naccountname = sredev\n"
	for name, inDefault := range map[string]string{
		"long-lived":           "aws_access_key_id = AKIAEXAMPLE00000MINE\naws_secret_access_key = M\nsection = sredev\nalias = dev\nexpires = 1536139015\n",
		"long-lived, token":    "aws_access_key_id = AKIAEXAMPLE00000MINE\naws_secret_access_key = M\naws_session_token = M\nalias = dev\nexpires = 1536139015\n",
		"no expiry":            "aws_access_key_id = ASIAEXAMPLE00000MINE\naws_secret_access_key = M\naws_session_token = M\nalias = dev\n",
		"no token":             "aws_access_key_id = ASIAEXAMPLE00000MINE\naws_secret_access_key = M\nalias = dev\nexpires = 4102444800\n",
		"no account":           "aws_access_key_id = ASIAEXAMPLE00000MINE\naws_secret_access_key = M\naws_session_token = M\nexpires = 4102444800\n",
		"pasted over the copy": "aws_access_key_id = ASIAEXAMPLE00000MINE\naws_secret_access_key = M\naws_session_token = M\nalias = dev\nexpires = 4102444800\nchaim_copy = 0123456789abcdef\n",
	} {
		t.Run(name, func(t *testing.T) {
			opts := optionsFor(t, chaimtest.NewServer(t))
			before := "[default]\n" + inDefault + profile
			write(t, credentialsFile(opts), before)
			other := opts
			other.Default, other.Keep, other.TempName = true, true, "homes"
			_, err := clientFor(t, other).RequestKeys(t.Context())
			assert.ErrorIs(t, err, chaim.ErrUnmanagedAccount)
			assert.Equal(t, before, read(t, credentialsFile(opts)))
			require.NoError(t, clientFor(t, opts).DeleteAccount(t.Context(), "dev"))
			assert.Equal(t, "[default]\n"+inDefault, read(t, credentialsFile(opts)))
		})
	}
}

// TestDefaultThatHasExpired replaces expired temporary keys in [default], no matter which program wrote them.
func TestDefaultThatHasExpired(t *testing.T) {
	for _, expires := range []string{"1536139015", "0", "-5", "2018-09-05 09:16:55", "2018-09-05T09:16:55.123456"} {
		opts := optionsFor(t, chaimtest.NewServer(t))
		write(t, credentialsFile(opts), "[default]\noutput = json\naws_access_key_id = ASIAEXAMPLE00000MINE\naws_secret_access_key = CANARYOLD\naws_session_token = CANARYOLD\nexpires = "+expires+"\n")
		opts.Default = true
		keeper(t, opts, "sredev", "dev")
		text := read(t, credentialsFile(opts))
		assert.NotContains(t, text, "CANARYOLD")
		inDefault, inProfile := copies(t, []byte(text), "dev")
		assert.Equal(t, inProfile, inDefault)
	}
}

// TestKilledScopeRenewedByTheOriginals: a scope is killed, and before or after that another tool rewrites its profile as "cca
// renew" does, without the mark or with the old one. The sweep removes the profile of the scope's account, once.
func TestKilledScopeRenewedByTheOriginals(t *testing.T) {
	const keys = "aws_access_key_id = ASIATHEIRS0000000001\naws_secret_access_key = CANARY\naws_session_token = CANARY\n"
	const renewed = keys + "expires = 4102444800\nduration = 1\nrole = rro\naccountname = sredev\n"
	for name, tt := range map[string]struct {
		section string
		isGone  bool
	}{
		"renewed":                       {"[tempname]\n" + renewed, true},
		"renewed, fraction of a second": {"[tempname]\n" + strings.Replace(renewed, "4102444800", "4102444800.5", 1), true},
		"renewed, expired":              {"[tempname]\n" + strings.Replace(renewed, "4102444800", "1536139015", 1), true},
		"another account":               {"[tempname]\n" + strings.Replace(renewed, "sredev", "prod", 1), false},
		"another profile":               {"[other]\n" + renewed, false},
		"long-lived keys":               {"[tempname]\n" + strings.Replace(renewed, "ASIA", "AKIA", 1), false},
		"keys without an account":       {"[tempname]\n" + keys, false},
		"an account without keys":       {"[tempname]\naccountname = sredev\nrole = rro\n", false},
		"only settings of the user":     {"[tempname]\noutput = json\n", false},
	} {
		for _, form := range []chaim.ProfileForm{chaim.Keys, chaim.Process} {
			for _, hasMark := range []bool{false, true} {
				label := name + ", " + form.String()
				if hasMark {
					label += ", mark of before"
				}
				t.Run(label, func(t *testing.T) {
					path := scopeOfTheDead(t, form)
					section := tt.section
					if hasMark {
						section += strings.Replace(markLine.FindString(read(t, path)), "+", "", 1)
					}
					write(t, path, "[mine]\nregion = r\n\n"+section)
					swept, err := chaim.Sweep(t.Context(), filepath.Dir(path))
					require.NoError(t, err)
					assert.Empty(t, scopeFiles(t, path))
					if !tt.isGone {
						assert.NotContains(t, swept, chaim.Swept{Path: path, Profile: "tempname"})
						assert.Equal(t, "[mine]\nregion = r\n\n"+section, read(t, path))
						return
					}
					assert.Contains(t, swept, chaim.Swept{Path: path, Profile: "tempname"})
					assert.Equal(t, "[mine]\nregion = r\n", read(t, path))

					write(t, path, tt.section) // by that tool
					_, err = chaim.Sweep(t.Context(), filepath.Dir(path))
					require.NoError(t, err)
					assert.Equal(t, tt.section, read(t, path))
				})
			}
		}
	}
}

// TestSweepBesideALiveScope: another tool renews the profile of a live scope, and the lease of a dead scope with the same
// profile is still there. The sweep leaves the profile to the live scope.
func TestSweepBesideALiveScope(t *testing.T) {
	path := scopeOfTheDead(t, chaim.Keys)
	dead := scopeFiles(t, path)
	require.Len(t, dead, 1)
	note, err := os.ReadFile(dead[0])
	require.NoError(t, err)
	live := strings.Replace(dead[0], filepath.Base(dead[0]), "credentials-ABCDEFGHIJKLMNOPQRSTUVWXYZ.lease", 1)
	write(t, live, string(note))
	lock, err := sharedfile.LockSide(live, os.O_RDWR, false)
	require.NoError(t, err)
	require.NotNil(t, lock)

	const section = "[tempname]\naws_access_key_id = ASIATHEIRS0000000001\naws_secret_access_key = CANARY\naccountname = sredev\n"
	write(t, path, section)
	_, err = chaim.Sweep(t.Context(), filepath.Dir(path))
	require.NoError(t, err)
	assert.Equal(t, section, read(t, path))
	assert.Equal(t, []string{live}, scopeFiles(t, path))

	require.NoError(t, lock.Close())
	_, err = chaim.Sweep(t.Context(), filepath.Dir(path))
	require.NoError(t, err)
	assert.Empty(t, read(t, path))
}

var (
	markLine = regexp.MustCompile(`(?m)^chaim_scope = .*\n`)
	idLine   = regexp.MustCompile(`(?m)^accountid = .*\n`)
)

// TestScopeRenewedByTheOriginals: another tool writes newer keys of the same account into the profile of a scope, as "cca
// renew" does. No keys stay after the scope's end, whether its watcher has seen them or not.
func TestScopeRenewedByTheOriginals(t *testing.T) {
	const before = "[mine]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\n"
	const renewed = "aws_access_key_id = ASIATHEIRS0000000001\naws_secret_access_key = CANARY\naws_session_token = CANARY\n" +
		"expires = 4102444800\nduration = 1\nrole = rro\naccountname = sredev\n"
	for _, form := range []chaim.ProfileForm{chaim.Keys, chaim.Process} {
		for name, tt := range map[string]struct{ hasMark, isSeen bool }{
			"mark gone": {}, "mark of before": {hasMark: true}, "seen": {isSeen: true}, "mark of before, seen": {true, true},
		} {
			t.Run(form.String()+", "+name, func(t *testing.T) {
				opts := optionsFor(t, chaimtest.NewServer(t))
				opts.Form = form
				path := credentialsFile(opts)
				write(t, path, before)
				require.NoError(t, chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error {
					text := before + "\n[tempname]\n" + renewed
					if tt.hasMark {
						text += markLine.FindString(read(t, path))
					}
					write(t, path, text)
					if tt.isSeen {
						isBack := func() bool {
							text, err := os.ReadFile(path)
							return err == nil && !strings.Contains(string(text), "ASIATHEIRS")
						}
						require.Eventually(t, isBack, 10*time.Second, 20*time.Millisecond, "the profile is the scope's again")
					}
					return nil
				}))
				assert.Equal(t, before, read(t, path))
				assert.Empty(t, scopeFiles(t, path))
			})
		}
	}
}

// TestScopeOfAnAccountSpeltOtherwise: another tool writes the account of a scope's profile in another way. chaim recognises it
// by its id, and does not confuse it with another account of such a name.
func TestScopeOfAnAccountSpeltOtherwise(t *testing.T) {
	const otherID = "accountid = 222222222222\n"
	for name, tt := range map[string]struct {
		account string
		change  func(string) string
		isOurs  bool
	}{
		"case":                   {"SREDEV", nil, true},
		"id":                     {"111111111111", nil, true},
		"id, nothing else known": {"111111111111", func(text string) string { return idLine.ReplaceAllString(text, "") }, true},
		"another id":             {"222222222222", nil, false},
		"case, another id":       {"SREDEV", func(text string) string { return idLine.ReplaceAllString(text, otherID) }, false},
		"case, no id":            {"SREDEV", func(text string) string { return idLine.ReplaceAllString(text, "") }, false},
		"same name, another id":  {"sredev", func(text string) string { return idLine.ReplaceAllString(text, otherID) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			opts := optionsFor(t, chaimtest.NewServer(t))
			path := credentialsFile(opts)
			require.NoError(t, chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error {
				text := markLine.ReplaceAllString(read(t, path), "")
				require.Contains(t, text, "accountid = 111111111111\n")
				text = strings.Replace(text, "accountname = sredev", "accountname = "+tt.account, 1)
				if tt.change != nil {
					text = tt.change(text)
				}
				write(t, path, text)
				return nil
			}))
			if tt.isOurs {
				assert.NotContains(t, read(t, path), "aws_access_key_id")
				return
			}
			assert.Contains(t, read(t, path), "accountname = "+tt.account)
		})
	}
}

// TestScopeRewrittenForAnother: the profile of a scope becomes one of another account, or the user's own. It stays.
func TestScopeRewrittenForAnother(t *testing.T) {
	for name, change := range map[string]func(string) string{
		"another account": func(text string) string {
			return strings.Replace(text, "accountname = sredev", "accountname = prod", 1)
		},
		"long-lived keys": func(text string) string {
			return regexp.MustCompile(`aws_access_key_id = ASIA.*`).ReplaceAllString(text, "aws_access_key_id = AKIAIOSFODNN7EXAMPLE")
		},
		"no account": func(text string) string { return strings.Replace(text, "accountname = sredev\n", "", 1) },
	} {
		t.Run(name, func(t *testing.T) {
			opts := optionsFor(t, chaimtest.NewServer(t))
			path := credentialsFile(opts)
			var changed string
			require.NoError(t, chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error {
				changed = markLine.ReplaceAllString(change(read(t, path)), "")
				write(t, path, changed)
				return nil
			}))
			assert.Equal(t, changed, read(t, path))
		})
	}
}

// TestExpiredProfileIsTaken: a killed program of the originals has left an expired profile with the scope's name.
func TestExpiredProfileIsTaken(t *testing.T) {
	const keys = "[tempname]\naws_access_key_id = ASIATHEIRS0000000001\naws_secret_access_key = CANARY\naws_session_token = CANARY\nduration = 1\n"
	const other = "accountname = other\nrole = mpu\n"
	for name, tt := range map[string]struct {
		section string
		isFree  bool
	}{
		"expired":              {keys + other + "expires = 1536139015\n", true},
		"expired, float":       {keys + other + "expires = 1536139015.75\n", true},
		"expired, ms":          {keys + other + "expires = 1536139015123\n", true},
		"expired, ISO":         {keys + other + "expires = 2018-09-05T09:16:55+00:00\n", true},
		"expired, negative":    {keys + other + "expires = -5\n", true},
		"expired, zero":        {keys + other + "expires = 0\n", true},
		"expired, no zone":     {keys + other + "expires = 2018-09-05 09:16:55\n", true},
		"expired, Python's":    {keys + other + "expires = 2018-09-05T09:16:55.123456\n", true},
		"expired, same":        {keys + "accountname = sredev\nexpires = 1536139015\n", true},
		"live":                 {keys + other + "expires = 4102444800\n", false},
		"unknown end":          {keys + other, false},
		"empty end":            {keys + other + "expires =\n", false},
		"the user's":           {keys + "expires = 1536139015\n", false},
		"long-lived":           {strings.Replace(keys, "ASIA", "AKIA", 1) + other + "expires = 1536139015\n", false},
		"with a role":          {keys + other + "expires = 1536139015\nrole_arn = arn:aws:iam::111111111111:role/x\nsource_profile = mine\n", false},
		"with other lines":     {keys + other + "expires = 1536139015\noutput = json\n", true},
		"with a mark of chaim": {keys + other + "expires = 4102444800\nchaim_scope = later-version\n", false},
	} {
		for _, explicit := range []string{"", "tempname"} {
			t.Run(name+" "+explicit, func(t *testing.T) {
				opts := optionsFor(t, chaimtest.NewServer(t))
				opts.TempName = explicit
				path := filepath.Join(opts.Dir, "credentials")
				write(t, path, tt.section)
				var used string
				err := chaim.WithContext(t.Context(), opts, func(_ context.Context, c *chaim.Client) error {
					used = c.Profile()
					assert.Equal(t, !tt.isFree, strings.Contains(read(t, path), "IATHEIRS"))
					return nil
				})
				if !tt.isFree && explicit != "" {
					require.ErrorIs(t, err, chaim.ErrInUse)
					assert.Equal(t, tt.section, read(t, path))
					return
				}
				require.NoError(t, err)
				assert.Equal(t, tt.isFree, used == "tempname", used)
				if !tt.isFree {
					assert.Equal(t, tt.section, read(t, path))
				} else {
					assert.NotContains(t, read(t, path), "aws_")
				}
			})
		}
	}
}
