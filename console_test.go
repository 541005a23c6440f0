package chaim_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
)

// withoutGateway returns options for keys from the STS of srv.
func withoutGateway(t *testing.T, srv *chaimtest.Server) chaim.Options {
	t.Helper()
	opts := optionsFor(t, srv)
	opts.Settings, opts.Source, opts.Region = nil, stsFor(srv), "eu-west-1"
	return opts
}

// clientWithKeys returns a client that has keys. The record of srv is empty.
func clientWithKeys(t *testing.T, srv *chaimtest.Server, opts chaim.Options) *chaim.Client {
	t.Helper()
	c, err := chaim.New(opts)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, c.Close()) })
	_, err = c.RequestKeys(t.Context())
	require.NoError(t, err)
	srv.Reset()
	return c
}

// parseLink returns the host and the parameters of a sign-in link.
func parseLink(t *testing.T, link string) (host string, query url.Values) {
	t.Helper()
	u, err := url.Parse(link)
	require.NoError(t, err)
	assert.Equal(t, "https", u.Scheme)
	assert.Equal(t, "/federation", u.Path)
	query, err = url.ParseQuery(u.RawQuery)
	require.NoError(t, err)
	assert.Equal(t, "login", query.Get("Action"))
	assert.True(t, strings.HasPrefix(query.Get("SigninToken"), "CANARY"))
	return u.Host, query
}

// watched is a transport that shows requests to a test.
type watched struct {
	http.RoundTripper
	see func(*http.Request, string)
}

func (w watched) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	w.see(r, string(body))
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	return w.RoundTripper.RoundTrip(r)
}

func TestConsoleURLWithoutGateway(t *testing.T) {
	noSDKConfig(t)
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		opts := withoutGateway(t, srv)
		seen := 0
		var keys chaim.AwsCreds
		opts.HTTPClient = &http.Client{Transport: watched{srv.HTTPClient().Transport, func(r *http.Request, body string) {
			seen++
			assert.Equal(t, "POST https://signin.aws.amazon.com/federation", r.Method+" "+r.URL.String(), "with no keys in it")
			assert.Equal(t, "application/x-www-form-urlencoded", r.Header.Get("Content-Type"))
			form, err := url.ParseQuery(body)
			assert.NoError(t, err)
			assert.JSONEq(t, `{"sessionId":"`+keys.AccessKeyID+`","sessionKey":"`+keys.SecretAccessKey+`","sessionToken":"`+keys.SessionToken+`"}`, form.Get("Session"))
			form.Del("Session")
			assert.Equal(t, url.Values{"Action": {"getSigninToken"}}, form, "and no SessionDuration")
		}}}
		c := clientWithKeys(t, srv, opts)
		keys = c.Creds()
		first, err := c.ConsoleURL(t.Context())
		require.NoError(t, err)
		host, query := parseLink(t, first)
		assert.Equal(t, "signin.aws.amazon.com", host)
		assert.Equal(t, "https://eu-west-1.console.aws.amazon.com/console/home?region=eu-west-1", query.Get("Destination"))
		assert.Equal(t, "chaim", query.Get("Issuer"))
		assert.Len(t, query, 4)

		second, err := c.ConsoleURLTo(t.Context(), "/s3/home?region=us-east-1#top")
		require.NoError(t, err)
		_, again := parseLink(t, second)
		assert.Equal(t, "https://eu-west-1.console.aws.amazon.com/s3/home?region=us-east-1#top", again.Get("Destination"))
		assert.NotEqual(t, query.Get("SigninToken"), again.Get("SigninToken"))

		requests := srv.Requests()
		require.Len(t, requests, 2)
		assert.Equal(t, 2, seen)
		for _, r := range requests {
			assert.Equal(t, "GetSigninToken", r.Action)
			assert.Equal(t, "chris", r.User)
			assert.Zero(t, r.Duration)
			assert.Regexp(t, `^chaim-go/\d`, r.UserAgent)
		}
	})
}

func TestConsoleURLOfChainedKeys(t *testing.T) {
	noSDKConfig(t)
	srv := chaimtest.NewServer(t)
	opts := withoutGateway(t, srv)
	chained := stsFor(srv)
	chained.Keys = opts.Source
	opts.Source = chained
	link, err := clientWithKeys(t, srv, opts).ConsoleURL(t.Context())
	require.NoError(t, err)
	parseLink(t, link)
}

func TestConsoleURLInPartitions(t *testing.T) {
	noSDKConfig(t)
	for region, want := range map[string]struct{ signIn, console, home string }{
		"us-east-1":          {"signin.aws.amazon.com", "us-east-1.console.aws.amazon.com", "?region=us-east-1"},
		"cn-northwest-1":     {"signin.amazonaws.cn", "cn-northwest-1.console.amazonaws.cn", "?region=cn-northwest-1"},
		"us-gov-west-1":      {"signin.amazonaws-us-gov.com", "us-gov-west-1.console.amazonaws-us-gov.com", "?region=us-gov-west-1"},
		"eusc-de-east-1":     {"eusc-de-east-1.signin.amazonaws-eusc.eu", "eusc-de-east-1.console.amazonaws-eusc.eu", "?region=eusc-de-east-1"},
		"us-iso-east-1":      {"signin.c2shome.ic.gov", "console.c2shome.ic.gov", "?region=us-iso-east-1"},
		"us-isob-east-1":     {"signin.sc2shome.sgov.gov", "console.sc2shome.sgov.gov", "?region=us-isob-east-1"},
		"eu-isoe-west-1":     {"signin.csphome.adc-e.uk", "console.csphome.adc-e.uk", "?region=eu-isoe-west-1"},
		"us-isof-south-1":    {"signin.csphome.hci.ic.gov", "console.csphome.hci.ic.gov", "?region=us-isof-south-1"},
		"fips-us-gov-west-1": {"signin.amazonaws-us-gov.com", "us-gov-west-1.console.amazonaws-us-gov.com", "?region=us-gov-west-1"},
		"aws-cn-global":      {"signin.amazonaws.cn", "console.amazonaws.cn", ""},
	} {
		t.Run(region, func(t *testing.T) {
			srv := chaimtest.NewServer(t)
			opts := withoutGateway(t, srv)
			opts.Region = region
			c := clientWithKeys(t, srv, opts)
			for page, destination := range map[string]string{
				"":                             "https://" + want.console + "/console/home" + want.home,
				"/ec2/home":                    "https://" + want.console + "/ec2/home",
				"https://" + want.console:      "https://" + want.console,
				"https://s3." + want.console:   "https://s3." + want.console,
				"HTTPS://" + want.console + "": "https://" + want.console,
			} {
				link, err := c.ConsoleURLTo(t.Context(), page)
				require.NoError(t, err)
				host, query := parseLink(t, link)
				assert.Equal(t, want.signIn, host)
				assert.Equal(t, destination, query.Get("Destination"))
			}
			for _, r := range srv.Requests() {
				assert.Equal(t, want.signIn, r.Host)
			}
			_, err := c.ConsoleURLTo(t.Context(), "https://console.example/")
			assert.ErrorContains(t, err, "destination")
		})
	}
}

func TestBadDestinationIsRefusedFirst(t *testing.T) {
	noSDKConfig(t)
	srv := chaimtest.NewServer(t)
	for _, opts := range []chaim.Options{withoutGateway(t, srv), optionsFor(t, srv)} {
		c := clientWithKeys(t, srv, opts)
		_, err := c.ConsoleURLTo(t.Context(), "https://user:CANARY@console.aws.amazon.com/")
		assert.EqualError(t, err, "chaim: destination is neither an https URL of console.aws.amazon.com or of a host below it, nor a path there that begins with one slash")
		assert.NotErrorIs(t, err, chaim.ErrNoURL)
		assert.Empty(t, srv.Requests())
	}
}

func TestConsoleURLFailures(t *testing.T) {
	noSDKConfig(t)
	for _, tt := range []struct {
		name  string
		fault chaimtest.Fault

		requests int
		says     string
		noURL    bool
	}{
		{"refused", chaimtest.Refuse("CANARY"), 1, "it answered 400: it takes valid keys of a role or of GetFederationToken, but none of GetSessionToken, from the partition of region eu-west-1", true},
		{"forbidden", chaimtest.Status(403), 1, "it answered 403", true},
		{"throttled", chaimtest.Throttle(time.Second), 3, "it answered 429", false},
		{"throttled for long", chaimtest.Throttle(time.Hour), 1, "it answered 429", false},
		{"too early", chaimtest.Status(425), 3, "it answered 425", false},
		{"server error", chaimtest.Status(500), 3, "it answered 500", false},
		{"unavailable", chaimtest.Status(503), 3, "it answered 503", false},
		{"no content", chaimtest.Status(204), 3, "it answered 204", false},
		{"redirect", chaimtest.Redirect("https://CANARY.example/"), 1, "redirects", false},
		{"HTML with 200", chaimtest.Garbage(), 3, "reply is no sign-in token but an HTML page", false},
		{"huge", chaimtest.Huge(), 1, "larger than 1048576 bytes", false},
		{"huge once inflated", gzipped(200 << 20), 1, "larger than 1048576 bytes", false},
		{"empty", chaimtest.Body(""), 3, "something else (0 bytes)", false},
		{"null", chaimtest.Body("null"), 3, "no sign-in token", false},
		{"array", chaimtest.Body(`["CANARY"]`), 3, "no sign-in token", false},
		{"no token", chaimtest.Body(`{"Token":"CANARY"}`), 3, "no sign-in token", false},
		{"number for a token", chaimtest.Body(`{"SigninToken":7}`), 3, "no sign-in token", false},
		{"cut off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `{"SigninToken":"CANARY"}`)
		}, 3, "it closed the connection", false},
		{"hang", chaimtest.Hang(), 3, "no complete reply within 35s", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := chaimtest.NewServer(t)
				opts := withoutGateway(t, srv)
				var log bytes.Buffer
				opts.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
				c := clientWithKeys(t, srv, opts)
				srv.Inject(-1, tt.fault)
				link, err := c.ConsoleURL(t.Context())
				assert.Empty(t, link)
				assert.ErrorContains(t, err, tt.says)
				assert.ErrorContains(t, err, "asking signin.aws.amazon.com for a console link")
				assert.Equal(t, tt.noURL, errors.Is(err, chaim.ErrNoURL))
				assert.Equal(t, 1, strings.Count(err.Error(), "chaim: "), "%v", err)
				keys := c.Creds()
				assertNoSecretIn(t, err, "CANARY", keys.SecretAccessKey, keys.SessionToken)
				assert.Len(t, srv.Requests(), tt.requests)
				assert.Equal(t, tt.requests-1, strings.Count(log.String(), "will retry"))
				assert.NotContains(t, log.String(), "CANARY")
			})
		})
	}
}

func TestConsoleURLIsAskedForAgain(t *testing.T) {
	noSDKConfig(t)
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		c := clientWithKeys(t, srv, withoutGateway(t, srv))
		srv.Inject(1, chaimtest.Status(503))
		srv.Inject(1, chaimtest.Throttle(20*time.Second))
		started := time.Now()
		link, err := c.ConsoleURL(t.Context())
		require.NoError(t, err)
		parseLink(t, link)
		took := time.Since(started)
		assert.True(t, 20*time.Second < took && took <= 20500*time.Millisecond, "%s", took)
		assert.Len(t, srv.Requests(), 3)
	})
}

func TestConsoleURLIsCutOff(t *testing.T) {
	noSDKConfig(t)
	for name, fault := range map[string]chaimtest.Fault{"request": chaimtest.Hang(), "pause": chaimtest.Throttle(30 * time.Second)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := chaimtest.NewServer(t)
				c, err := chaim.New(withoutGateway(t, srv))
				require.NoError(t, err)
				_, err = c.RequestKeys(t.Context())
				require.NoError(t, err)
				srv.Inject(-1, fault)

				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				started := time.Now()
				_, err = c.ConsoleURL(ctx)
				assert.ErrorIs(t, err, context.DeadlineExceeded)
				assert.Equal(t, time.Second, time.Since(started))

				failed := make(chan error)
				go func() {
					_, err := c.ConsoleURL(t.Context())
					failed <- err
				}()
				synctest.Wait()
				require.NoError(t, c.Close())
				assert.ErrorIs(t, <-failed, chaim.ErrClosed)
				assert.Equal(t, time.Second, time.Since(started))

				srv.Reset()
				_, err = c.ConsoleURLTo(t.Context(), "/s3/home")
				assert.ErrorIs(t, err, chaim.ErrClosed)
				assert.Empty(t, srv.Requests())
			})
		})
	}
}

func TestNoConsoleURL(t *testing.T) {
	noSDKConfig(t)
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		opts := withoutGateway(t, srv)
		c, err := chaim.New(opts)
		require.NoError(t, err)
		_, err = c.ConsoleURL(t.Context())
		assert.ErrorIs(t, err, chaim.ErrNoURL)
		assert.EqualError(t, err, "chaim: no console link: there are no keys yet")
		require.NoError(t, c.Close())

		opts.NoRenew = true
		c = clientWithKeys(t, srv, opts)
		<-time.After(time.Hour)
		_, err = c.ConsoleURL(t.Context())
		assert.ErrorIs(t, err, chaim.ErrNoURL)
		assert.ErrorIs(t, err, chaim.ErrExpired)
		assert.EqualError(t, err, "chaim: no console link: credentials expired at 2000-01-01T01:00:00Z")

		opts = withoutGateway(t, srv)
		opts.Source = credentials.StaticCredentialsProvider{Value: srv.AddKeys("sredev", "chris")}
		_, err = clientWithKeys(t, srv, opts).ConsoleURL(t.Context())
		assert.ErrorIs(t, err, chaim.ErrNoURL)
		assert.ErrorContains(t, err, "no session token")
		assert.Empty(t, srv.Requests())

		opts = withoutGateway(t, srv)
		opts.Source = credentials.NewStaticCredentialsProvider("ASIAIOSFODNN7EXAMPLE", secretCanary, tokenCanary)
		_, err = clientWithKeys(t, srv, opts).ConsoleURL(t.Context())
		assert.ErrorIs(t, err, chaim.ErrNoURL)
		assert.ErrorContains(t, err, "valid keys of a role")
		assertNoSecretIn(t, err, "CANARY")
		assert.Len(t, srv.Requests(), 1)
	})
}

func TestConsoleURLTrustsTheBundle(t *testing.T) {
	srv := chaimtest.NewServer(t)
	opts := withoutGateway(t, srv)
	opts.Source = credentials.NewStaticCredentialsProvider("ASIAIOSFODNN7EXAMPLE", "secret", "token")
	opts.HTTPClient = nil
	c := clientWithKeys(t, srv, opts)
	t.Setenv("AWS_CA_BUNDLE", filepath.Join(t.TempDir(), "none"))
	_, err := c.ConsoleURL(t.Context())
	assert.ErrorContains(t, err, "AWS_CA_BUNDLE")
}

func TestConsoleURLToWithGateway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		c := clientWithKeys(t, srv, optionsFor(t, srv))
		plain, err := c.ConsoleURL(t.Context())
		require.NoError(t, err)
		_, want := parseLink(t, plain)
		link, err := c.ConsoleURLTo(t.Context(), "/s3/home?region=eu-west-1")
		require.NoError(t, err)
		assert.Empty(t, srv.Requests(), "the link came with the keys")
		host, query := parseLink(t, link)
		assert.Equal(t, "signin.aws.amazon.com", host)
		want.Set("Destination", "https://eu-west-1.console.aws.amazon.com/s3/home?region=eu-west-1")
		assert.Equal(t, want, query, "but for the destination it is the same")

		<-time.After(16 * time.Minute)
		link, err = c.ConsoleURLTo(t.Context(), "https://console.aws.amazon.com/ec2/home")
		require.NoError(t, err)
		require.Len(t, srv.Requests(), 1)
		assert.Equal(t, "ConsoleLink", srv.Requests()[0].Action)
		_, query = parseLink(t, link)
		assert.Equal(t, "https://console.aws.amazon.com/ec2/home", query.Get("Destination"))

		for _, link := range []string{
			"https://sso.example/start", "https://signin.aws.amazon.com/federation?Action=logout&SigninToken=CANARY",
			"https://signin.amazonaws.cn/federation?Action=login", "https://signin.aws.amazon.com/federation?Action=login;x=%zz",
			"https://signin.aws.amazon.com.evil.example/federation?Action=login", "https://signin.aws.amazon.com/oauth?Action=login",
		} {
			srv.Inject(1, chaimtest.Reply("{'url': '"+link+"'}"))
			_, err = c.ConsoleURLTo(t.Context(), "/s3/home")
			assert.ErrorIs(t, err, chaim.ErrNoURL, link)
			assert.ErrorContains(t, err, "cannot be pointed elsewhere", link)
			assertNoSecretIn(t, err, "CANARY")

			srv.Inject(1, chaimtest.Reply("{'url': '"+link+"'}"))
			got, err := c.ConsoleURL(t.Context())
			require.NoError(t, err)
			assert.Equal(t, link, got)
		}
	})
}

// TestGatewayWithoutLink: the gateway cannot use the sign-in page.
func TestGatewayWithoutLink(t *testing.T) {
	srv := chaimtest.NewServer(t)
	srv.SetOriginal(chaimtest.Original{})
	srv.Inject(1, chaimtest.Rewrite(func(body string) string { return strings.Replace(body, "https://signin", "nothing", 1) }))
	c := clientWithKeys(t, srv, optionsFor(t, srv))
	srv.SetOriginal(chaimtest.Original{NoSignIn: true})
	for _, text := range []string{"", "{'url': None}", "{'url': 'notset'}", "{'url': ''}", "{}", "{'url': 0}", "{'url': []}", "{'url': 'False'}", "{'url': b'None'}"} {
		if text != "" {
			srv.Inject(1, chaimtest.Reply(text))
		}
		_, err := c.ConsoleURL(t.Context())
		require.ErrorIs(t, err, chaim.ErrNoURL, text)
		assert.ErrorContains(t, err, "could not make one")
	}
	srv.Inject(1, chaimtest.Reply("{'url': b'https://x.example/'}"))
	link, err := c.ConsoleURL(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "https://x.example/", link)
	srv.Inject(1, chaimtest.Reply("{'url': 'http://x.example/'}"))
	_, err = c.ConsoleURL(t.Context())
	assert.ErrorAs(t, err, new(*chaim.GatewayError))
}

// linkBroker is a broker that makes links.
type linkBroker string

func (b linkBroker) Keys(context.Context, chaim.Request) (chaim.Grant, error) {
	return chaim.Grant{Credentials: aws.Credentials{AccessKeyID: "ASIAEXAMPLE000000001", SecretAccessKey: "secret", SessionToken: "token"}}, nil
}

func (b linkBroker) ConsoleURL(context.Context, chaim.Grant) (string, error) { return string(b), nil }

func TestConsoleURLOfABroker(t *testing.T) {
	for link, isGood := range map[string]bool{
		"https://signin.aws.amazon.com/federation?Action=login&SigninToken=x": true,
		"": false, "javascript:alert(1)": false, "http://signin.aws.amazon.com/": false, "https://a@b/\n": false,
	} {
		c, err := chaim.New(chaim.Options{Account: "sredev", Broker: linkBroker(link), NoProfile: true, Dir: t.TempDir()})
		require.NoError(t, err)
		_, err = c.RequestKeys(t.Context())
		require.NoError(t, err)
		got, err := c.ConsoleURL(t.Context())
		if isGood {
			assert.NoError(t, err)
			assert.Equal(t, link, got)
		} else {
			assert.ErrorIs(t, err, chaim.ErrNoURL)
			assert.Empty(t, got)
		}
		assert.NoError(t, c.Close())
	}
}
