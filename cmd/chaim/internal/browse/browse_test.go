package browse

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/proc"
)

const secretLink = "https://signin.aws.amazon.com/federation?SigninToken=CANARYCANARY"

// send sends a request as it stands, and returns the answer.
func send(t *testing.T, host, request string) *http.Response {
	t.Helper()
	conn, err := net.Dial("tcp", host)
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, request)
	require.NoError(t, err)
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), nil)
	require.NoError(t, err)
	return resp
}

func TestOncePageAnswersOnlyItsAddress(t *testing.T) {
	page, err := newOncePage(slog.New(slog.DiscardHandler), secretLink)
	require.NoError(t, err)
	defer page.close()
	_, port, err := net.SplitHostPort(page.host)
	require.NoError(t, err)
	for request, want := range map[string]int{
		"GET " + page.path + " HTTP/1.1\r\nHost: evil.example:" + port:                                   http.StatusMisdirectedRequest,
		"GET " + page.path + " HTTP/1.1\r\nHost: 127.0.0.1":                                              http.StatusMisdirectedRequest,
		"GET " + page.path + " HTTP/1.1\r\nHost: localhost:" + port:                                      http.StatusMisdirectedRequest,
		"GET " + page.path + " HTTP/1.1\r\nHost: 127.0.0.1.:" + port:                                     http.StatusMisdirectedRequest,
		"GET " + page.path + " HTTP/1.1\r\nHost: ":                                                       http.StatusMisdirectedRequest,
		"GET " + page.path + " HTTP/1.1\r\nX-Forwarded-Host: " + page.host:                               http.StatusBadRequest,
		"GET " + page.path + " HTTP/1.1\r\nHost: " + page.host + "\r\nHost: " + page.host:                http.StatusBadRequest,
		"GET http://evil.example" + page.path + " HTTP/1.1\r\nHost: " + page.host:                        http.StatusMisdirectedRequest,
		"GET " + page.address() + " HTTP/1.1\r\nHost: " + page.host:                                      http.StatusNotFound,
		"GET / HTTP/1.1\r\nHost: " + page.host:                                                           http.StatusNotFound,
		"GET /favicon.ico HTTP/1.1\r\nHost: " + page.host:                                                http.StatusNotFound,
		"GET " + page.path + "/ HTTP/1.1\r\nHost: " + page.host:                                          http.StatusNotFound,
		"GET " + page.path + "?a HTTP/1.1\r\nHost: " + page.host:                                         http.StatusNotFound,
		"GET " + strings.ToLower(page.path) + " HTTP/1.1\r\nHost: " + page.host:                          http.StatusNotFound,
		"HEAD " + page.path + " HTTP/1.1\r\nHost: " + page.host:                                          http.StatusMethodNotAllowed,
		"POST " + page.path + " HTTP/1.1\r\nContent-Length: 0\r\nHost: " + page.host:                     http.StatusMethodNotAllowed,
		"OPTIONS " + page.path + " HTTP/1.1\r\nOrigin: https://evil.example\r\nHost: " + page.host:       http.StatusMethodNotAllowed,
		"GET " + page.path + " HTTP/1.1\r\nX: " + strings.Repeat("x", 64<<10) + "\r\nHost: " + page.host: http.StatusRequestHeaderFieldsTooLarge,
	} {
		resp := send(t, page.host, request+"\r\n\r\n")
		assert.Equal(t, want, resp.StatusCode, "%.120s", request)
		assert.Empty(t, resp.Header.Get("Location"), "%.120s", request)
		for name := range resp.Header {
			assert.NotContains(t, name, "Access-Control")
		}
	}
	assert.False(t, page.isTaken.Load(), "a refused request does not use the page up")

	resp := send(t, page.host, "GET "+page.path+" HTTP/1.1\r\nHost: "+page.host+"\r\n\r\n")
	assert.Equal(t, http.StatusFound, resp.StatusCode)
	assert.True(t, resp.Header.Get("Location") == secretLink)
	assert.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
	assert.Equal(t, "no-referrer", resp.Header.Get("Referrer-Policy"))
	assert.Zero(t, resp.ContentLength)
	resp = send(t, page.host, "GET "+page.path+" HTTP/1.1\r\nHost: "+page.host+"\r\n\r\n")
	assert.Equal(t, http.StatusGone, resp.StatusCode)
	assert.Empty(t, resp.Header.Get("Location"))
}

func TestOncePageLeadsOneOfMany(t *testing.T) {
	page, err := newOncePage(slog.New(slog.DiscardHandler), secretLink)
	require.NoError(t, err)
	defer page.close()
	var links sync.Map
	var all sync.WaitGroup
	for i := range 32 {
		all.Go(func() {
			resp := send(t, page.host, "GET "+page.path+" HTTP/1.1\r\nHost: "+page.host+"\r\n\r\n")
			if resp.Header.Get("Location") != "" {
				links.Store(i, true)
			}
		})
	}
	all.Wait()
	n := 0
	links.Range(func(any, any) bool { n++; return true })
	assert.Equal(t, 1, n)
}

func TestOncePageIsNotForOtherUsers(t *testing.T) {
	var text bytes.Buffer
	page, err := newOncePage(slog.New(slog.NewTextHandler(&text, nil)), secretLink)
	require.NoError(t, err)
	var asked [2]netip.AddrPort
	page.isForeign = func(peer, here netip.AddrPort) bool { asked = [2]netip.AddrPort{peer, here}; return true }
	resp := send(t, page.host, "GET "+page.path+" HTTP/1.1\r\nHost: "+page.host+"\r\n\r\n")
	page.close()
	assert.Equal(t, http.StatusForbidden, resp.StatusCode)
	assert.Empty(t, resp.Header.Get("Location"))
	assert.False(t, page.isTaken.Load())
	assert.Equal(t, page.host, asked[1].String())
	assert.True(t, asked[0].Addr().IsLoopback())
	assert.Contains(t, text.String(), "another user")
	assert.NotContains(t, text.String(), page.path)
}

func TestOpenOnce(t *testing.T) {
	get := func(address string) error {
		client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		resp, err := client.Get(address)
		if err == nil && resp.Header.Get("Location") != secretLink {
			err = errors.New("no link")
		}
		return err
	}
	var address string
	nobodyListens := func() bool {
		conn, err := net.Dial("tcp", strings.Split(address, "/")[2])
		if err == nil {
			conn.Close()
		}
		return err != nil
	}
	ctx := t.Context()
	log := slog.New(slog.DiscardHandler)

	// The program that starts the browser may stay with it, or end in whatever way.
	end := make(chan struct{})
	require.NoError(t, openOnce(ctx, log, secretLink, "'chaim url' prints the link", time.Minute, func(at string) error { address = at; err := get(at); <-end; return err }))
	assert.True(t, nobodyListens())
	close(end)
	require.NoError(t, openOnce(ctx, log, secretLink, "'chaim url' prints the link", time.Minute, func(at string) error { go func() { assert.NoError(t, get(at)) }(); return nil }))
	require.NoError(t, openOnce(ctx, log, secretLink, "'chaim url' prints the link", time.Minute, func(at string) error { assert.NoError(t, get(at)); return errors.New("odd") }))

	err := openOnce(ctx, log, secretLink, "'chaim url' prints the link", time.Minute, func(at string) error { address = at; return errors.New("no display") })
	require.ErrorContains(t, err, "no display")
	assert.True(t, nobodyListens())
	assert.NotContains(t, err.Error(), "CANARY")

	err = openOnce(ctx, log, secretLink, "'chaim url' prints the link", time.Millisecond, func(string) error { return nil })
	require.ErrorContains(t, err, "no browser asked for the page within 1ms")
	assert.Equal(t, cli.ExitFailed, cli.ExitCode(err))

	ctx, cancel := context.WithCancelCause(ctx)
	cancel(proc.SignalError{Signal: os.Interrupt})
	err = openOnce(ctx, log, secretLink, "'chaim url' prints the link", time.Minute, func(string) error { return nil })
	assert.ErrorIs(t, err, proc.SignalError{Signal: os.Interrupt})
}

func TestBrowserOfTheEnvironment(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "my-browser")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\nprintf '%s\\n' \"$@\" >"+dir+"/args\n"), 0o700))
	const address = "http://127.0.0.1:1/PATH"
	for value, want := range map[string]string{
		script:                                  address + "\n",
		script + " --new-window":                "--new-window\n" + address + "\n",
		script + " --url=%s -x":                 "--url=" + address + "\n-x\n",
		dir + "/missing:" + script:              address + "\n",
		"false:" + script + " -a %s:" + "false": "-a\n" + address + "\n",
		script + " ; echo $(date)":              ";\necho\n$(date)\n" + address + "\n",
	} {
		t.Setenv("BROWSER", value)
		require.NoError(t, browse(address), value)
		got, err := os.ReadFile(filepath.Join(dir, "args"))
		require.NoError(t, err)
		assert.Equal(t, want, string(got), value)
	}
	for _, value := range []string{"false", ":", dir + "/missing"} {
		t.Setenv("BROWSER", value)
		assert.Error(t, browse(address), value)
	}
	t.Setenv("BROWSER", "")
	t.Setenv("PATH", dir)
	require.NoError(t, os.Rename(script, filepath.Join(dir, "xdg-open")))
	require.NoError(t, os.Remove(filepath.Join(dir, "args")))
	require.NoError(t, browse(address))
	assert.FileExists(t, filepath.Join(dir, "args"))
}
