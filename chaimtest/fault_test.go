package chaimtest_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/chaimtest"
)

func TestFaults(t *testing.T) {
	srv := chaimtest.NewServer(t)
	for _, tt := range []struct {
		name   string
		fault  chaimtest.Fault
		status int
		body   string // exact, unless it ends in "…"
		header string // "Name: value"
	}{
		{
			"Refuse", chaimtest.Refuse("DataNotFound: nothing"), 200,
			`{"response_type":"ephemeral","statusCode":"400","text":"doStart: Error CredentialsGenerationFail: buildCredentials error: DataNotFound: nothing","headers":{"Content-Type":"application/json"}}` + "\n", "",
		},
		{"Throttle", chaimtest.Throttle(1500 * time.Millisecond), 429, `{"message":"Too Many Requests"}` + "\n", "Retry-After: 2"},
		{"Throttle without time", chaimtest.Throttle(0), 429, `{"message":"Too Many Requests"}` + "\n", "Retry-After: "},
		{"Status 500", chaimtest.Status(500), 500, `{"message":"Internal server error"}` + "\n", ""},
		{"Status 502", chaimtest.Status(502), 502, `{"message":"Endpoint request timed out"}` + "\n", ""},
		{"Status 503", chaimtest.Status(503), 503, `{"message":"Endpoint request timed out"}` + "\n", ""},
		{"Status 504", chaimtest.Status(504), 504, `{"message":"Endpoint request timed out"}` + "\n", ""},
		{"Status 403", chaimtest.Status(403), 403, `{"message":"Missing Authentication Token"}` + "\n", ""},
		{"Status 418", chaimtest.Status(418), 418, `{"message":"I'm a teapot"}` + "\n", ""},
		{"Garbage", chaimtest.Garbage(), 200, "<!DOCTYPE html>…", "Content-Type: text/html; charset=utf-8"},
		{"Huge", chaimtest.Huge(), 200, `{"response_type":"ephemeral","statusCode":"200","text":"xxx…`, ""},
		{"HugeGzip", chaimtest.HugeGzip(), 200, `{"response_type":"ephemeral","statusCode":"200","text":"xxx…`, ""},
		{"Redirect", chaimtest.Redirect("https://elsewhere.example/prod/"), 307, "", "Location: https://elsewhere.example/prod/"},
		{
			"Reply", chaimtest.Reply(`{'a': "<&>"}`), 200,
			`{"response_type":"ephemeral","statusCode":"200","text":"{'a': \"<&>\"}","headers":{"Content-Type":"application/json"}}` + "\n", "",
		},
		{"Body", chaimtest.Body("null"), 200, "null", "Content-Type: application/json"},
		{"empty", func(http.ResponseWriter, *http.Request) {}, 200, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv.Inject(1, tt.fault)
			status, body, header, err := post(t.Context(), srv, "/prod/", askForm(srv, "sredev,rro,1"))
			require.NoError(t, err)
			require.Equal(t, tt.status, status)
			if start, ok := strings.CutSuffix(tt.body, "…"); ok {
				require.True(t, strings.HasPrefix(body, start))
			} else {
				require.Equal(t, tt.body, body)
			}
			if strings.HasPrefix(tt.name, "Huge") {
				require.Greater(t, len(body), 1<<20)
			}
			if name, value, ok := strings.Cut(tt.header, ": "); ok {
				require.Equal(t, value, header.Get(name))
			}
			r := last(t, srv)
			require.Equal(t, "injected fault", r.Error)
			require.Equal(t, "Keys", r.Action)
			require.Equal(t, "sredev", r.Account)
			require.Equal(t, tt.status, r.StatusCode)

			// The fault is used up.
			_, _ = keys(t, srv, "sredev,rro,1")
		})
	}
	require.Panics(t, func() { chaimtest.Status(99) })
}

func TestHugeGzipIsSmallOnTheWire(t *testing.T) {
	srv := chaimtest.NewServer(t)
	srv.Inject(1, chaimtest.HugeGzip())
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1/prod/", nil)
	require.NoError(t, err)
	req.Header.Set("Accept-Encoding", "gzip") // asked for by hand, so the transport does not inflate it
	res, err := srv.HTTPClient().Do(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	n, err := io.Copy(io.Discard, res.Body)
	require.NoError(t, err)
	require.Less(t, n, int64(64<<10))
}

func TestFaultsAtSTS(t *testing.T) {
	srv := chaimtest.NewServer(t)
	c := srv.AddKeys("sredev", "ci")
	for _, tt := range []struct {
		fault      chaimtest.Fault
		code, part string
	}{
		{chaimtest.Refuse("not you"), "AccessDenied", "not you"},
		{chaimtest.Throttle(time.Second), "Throttling", "Rate exceeded"},
		{chaimtest.Status(500), "InternalFailure", "Internal Server Error"},
		{chaimtest.Status(503), "ServiceUnavailable", "Service Unavailable"},
		{chaimtest.Status(429), "Throttling", "Too Many Requests"},
		{chaimtest.Status(403), "AccessDenied", "Forbidden"},
	} {
		srv.Inject(1, tt.fault)
		_, err := whoami(t, srv, c)
		requireAPIError(t, err, tt.code, tt.part)
		require.Equal(t, "GetCallerIdentity", last(t, srv).Action)
	}
	// The SDK takes any body with status 200 for a success, without content.
	for _, f := range []chaimtest.Fault{chaimtest.Body("null"), chaimtest.Reply("{}")} {
		srv.Inject(1, f)
		arn, err := whoami(t, srv, c)
		require.NoError(t, err)
		require.Empty(t, arn)
	}
}

func TestInjectQueue(t *testing.T) {
	srv := chaimtest.NewServer(t)
	statuses := func(n int) (list []int) {
		for range n {
			status, _, _, err := post(t.Context(), srv, "/prod/", askForm(srv, "sredev"))
			require.NoError(t, err)
			list = append(list, status)
		}
		return list
	}
	srv.Inject(0, chaimtest.Status(418))
	srv.Inject(2, chaimtest.Status(500))
	srv.Inject(1, nil)
	srv.Inject(1, chaimtest.Throttle(0))
	require.Equal(t, []int{500, 500, 200, 429, 200}, statuses(5))
	require.Empty(t, last(t, srv).Error)

	srv.Inject(-1, chaimtest.Status(503))
	srv.Inject(1, chaimtest.Status(500))
	require.Equal(t, []int{503, 503, 503}, statuses(3))
	srv.Clear()
	require.Equal(t, []int{200}, statuses(1))

	require.Len(t, srv.Requests(), 9)
	srv.Reset()
	require.Empty(t, srv.Requests())
	require.Equal(t, []int{200}, statuses(1))
	require.Len(t, srv.Requests(), 1)
}

func TestFaultReadsForm(t *testing.T) {
	srv := chaimtest.NewServer(t)
	srv.Inject(1, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.FormValue("text"))
		_ = http.NewResponseController(w).Flush()
	})
	_, body, _, err := post(t.Context(), srv, "/prod/", askForm(srv, "sredev,rro,1"))
	require.NoError(t, err)
	require.Equal(t, "sredev,rro,1", body)
}

func TestRedirectRepeatsThePost(t *testing.T) {
	srv := chaimtest.NewServer(t)
	srv.Inject(1, chaimtest.Redirect("https://elsewhere.example/prod/"))
	res, err := srv.HTTPClient().PostForm("http://127.0.0.1/prod/", askForm(srv, "sredev,rro,1"))
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, 200, res.StatusCode)
	require.Len(t, srv.Requests(), 2)
	require.Equal(t, "Keys", last(t, srv).Action)
}

func TestHangUntilClientLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		srv.Inject(1, chaimtest.Hang())
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		begin := time.Now()
		_, err := ask(ctx, srv, "sredev,rro,1")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 30*time.Second, time.Since(begin))
		require.Zero(t, last(t, srv).StatusCode)
		_, err = ask(t.Context(), srv, "sredev,rro,1")
		require.NoError(t, err)
	})
}

func TestCloseReleasesHanging(t *testing.T) {
	for name, base := range map[string]func(*chaimtest.Server) string{
		"memory": func(*chaimtest.Server) string { return "http://127.0.0.1" },
		"socket": (*chaimtest.Server).URL,
	} {
		t.Run(name, func(t *testing.T) {
			srv := chaimtest.NewServer(nil)
			srv.Inject(1, chaimtest.Hang())
			client := srv.HTTPClient()
			if name == "socket" {
				client = &http.Client{Transport: &http.Transport{}}
			}
			target := base(srv) + "/prod/"
			failed := make(chan error, 1)
			go func() {
				res, err := client.PostForm(target, url.Values{})
				if err == nil {
					_ = res.Body.Close()
				}
				failed <- err
			}()
			eventually(t, func() bool { return len(srv.Requests()) == 1 })
			begin := time.Now()
			srv.Close()
			require.Less(t, time.Since(begin), 3*time.Second)
			require.ErrorIs(t, <-failed, io.EOF)
			srv.Close()
		})
	}
}

func TestCloseFinishesAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		arrived, release := make(chan struct{}), make(chan struct{})
		srv.Inject(1, func(w http.ResponseWriter, _ *http.Request) {
			close(arrived)
			<-release
			_, _ = io.WriteString(w, "done")
		})
		answer := make(chan string, 1)
		go func() {
			_, body, _, err := post(context.Background(), srv, "/prod/", nil)
			answer <- body + errText(err)
		}()
		<-arrived
		closed := make(chan struct{}, 2)
		for range 2 {
			go func() { srv.Close(); closed <- struct{}{} }()
		}
		synctest.Wait()
		require.Empty(t, closed, "Close must wait")
		close(release)
		require.Equal(t, "done", <-answer)
		<-closed
		<-closed
	})
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestCloseCutsOffStuckClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		srv.Inject(1, chaimtest.Huge())
		res, err := srv.HTTPClient().PostForm("http://127.0.0.1/prod/", nil)
		require.NoError(t, err)
		begin := time.Now()
		srv.Close()
		require.Equal(t, 5*time.Second, time.Since(begin))
		_, err = io.Copy(io.Discard, res.Body)
		require.Error(t, err)
		require.NoError(t, res.Body.Close())
	})
}

func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		srv.SetLatency(20 * time.Second)
		begin := time.Now()
		_, err := ask(t.Context(), srv, "sredev,rro,1")
		require.NoError(t, err)
		require.Equal(t, 20*time.Second, time.Since(begin))

		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err = ask(ctx, srv, "sredev,rro,1")
		require.ErrorIs(t, err, context.DeadlineExceeded)

		failed := make(chan error, 1)
		go func() {
			_, err := ask(context.Background(), srv, "sredev,rro,1")
			failed <- err
		}()
		synctest.Wait()
		begin = time.Now()
		srv.Close()
		require.Error(t, <-failed)
		require.Zero(t, time.Since(begin))
	})
}

func TestHoursInABubble(t *testing.T) {
	begin := time.Now()
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		c, _ := keys(t, srv, "sredev,rro,2")
		client := stsClient(srv, c)
		for range 4 {
			_, err := client.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
			require.NoError(t, err)
			<-time.After(29 * time.Minute)
		}
		<-time.After(5 * time.Minute)
		_, err := whoami(t, srv, c)
		requireAPIError(t, err, "ExpiredToken", "expired")
		c, _ = keys(t, srv, "sredev,rro,1")
		_, err = whoami(t, srv, c)
		require.NoError(t, err)

		// Concurrent dials, idle connections and a day off.
		done := make(chan error, 8)
		for range cap(done) {
			go func() {
				_, err := ask(t.Context(), srv, "O'Brien,apu,12")
				done <- err
			}()
		}
		for range cap(done) {
			require.NoError(t, <-done)
		}
		<-time.After(24 * time.Hour)
		_, err = ask(t.Context(), srv, "sredev")
		require.NoError(t, err)
		srv.Close()
		_, err = ask(t.Context(), srv, "sredev")
		require.ErrorIs(t, err, net.ErrClosed)
	})
	require.Less(t, time.Since(begin), 20*time.Second)
}
