package chaim_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
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
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
)

const (
	secretCanary = "CANARYsecretCANARYsecretCANARYsecret1234"
	tokenCanary  = "CANARYtoken/+CANARYtoken=="
)

// keysText is a gateway's text with the fields given in place of the usual ones; an empty value leaves a field out.
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

// jsonText is the JSON that a newer gateway might send in place of a repr.
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

		requests int    // that it takes, retries included
		status   int    // of the GatewayError; 0 means success
		kind     string // of the GatewayError
		says     string // what the error mentions
		denied   bool
	}
	refusal := func(text string) chaimtest.Fault {
		body, _ := json.Marshal(map[string]any{"response_type": "ephemeral", "statusCode": "400", "text": text})
		return chaimtest.Body(string(body))
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

		{name: "token expired", fault: refusal("doStart: Error CredentialsGenerationFail: buildCredentials error: IncorrectCredentials: usertoken has expired"), requests: 1, status: 400, kind: "IncorrectCredentials", says: "usertoken has expired", denied: true},
		{name: "permission", fault: refusal("doStart: Error DataNotFound: Permission not granted to user chris"), requests: 1, status: 400, kind: "DataNotFound", says: "Permission not granted", denied: true},
		{name: "unknown account", fault: refusal("doStart: Error DataNotFound: Account not found: sredev"), requests: 1, status: 400, kind: "DataNotFound", says: "Account not found: sredev"},
		{name: "refusal without a kind", fault: refusal("Sorry."), requests: 1, status: 400, says: "Sorry."},
		{name: "refusal quotes secrets", fault: refusal("IncorrectCredentials: " + secretCanary + " for test " + strings.Repeat("CANARY", 40) + "\x1b[31m"), requests: 1, status: 400, kind: "IncorrectCredentials", denied: true},
		{name: "failure inside the reply", fault: chaimtest.Body(`{"statusCode": "503", "text": "busy"}`), requests: 3, status: 503, says: "busy"},

		{name: "null", fault: chaimtest.Body("null"), requests: 3, status: 200, says: "no text"},
		{name: "empty body", fault: chaimtest.Body(""), requests: 3, status: 200, says: "0 bytes"},
		{name: "HTML with 200", fault: chaimtest.Garbage(), requests: 3, status: 200, says: "HTML"},
		{name: "array", fault: chaimtest.Body("[1]"), requests: 3, status: 200, says: "not that of a chaim gateway"},
		{name: "crashed Lambda", fault: chaimtest.Body(`{"errorType": "KeyError", "errorMessage": "'api'", "stackTrace": []}`), requests: 3, status: 200, kind: "KeyError", says: "'api'"},
		{name: "text is code", fault: chaimtest.Reply("__import__('os')"), requests: 3, status: 200, says: "neither a Python literal nor JSON"},
		{name: "text is a list", fault: chaimtest.Reply("[1, 2]"), requests: 3, status: 200, says: "not a dict"},
		{name: "text is cut off", fault: chaimtest.Reply(keysText(nil)[:200]), requests: 3, status: 200, says: "neither"},
		{name: "nesting bomb", fault: chaimtest.Reply(strings.Repeat("[", 100000)), requests: 3, status: 200, says: "neither"},
		{name: "repeated key", fault: chaimtest.Reply(`{'secretkey': 'a', 'secretkey': 'b'}`), requests: 3, status: 200, says: "repeated"},
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
				srv.Advance(time.Until(outside)) // the texts were made outside the bubble, whose clock is years behind
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

// TestRefusalKeepsWhatWasAsked has names that look like secrets, and beside them something of the gateway's that does.
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

// TestSecretsStayOut runs a scope with everything logged and looks for its secrets in all that came out.
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

// chain is err and all that it wraps.
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

// TestNoHTTP lets peers that do not speak HTTP send secrets back, as a debugging proxy or a broken gateway may.
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

// TestProxy runs itself in a child process, because net/http reads the proxy variables once.
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
