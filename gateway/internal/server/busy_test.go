package server

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTooManyRequestsAreRefusedAtOnce(t *testing.T) {
	inside, leave := make(chan struct{}), make(chan struct{})
	h := bounded(1, 2, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		inside <- struct{}{}
		<-leave
	}))
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	}()
	<-inside
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	assert.Equal(t, http.StatusServiceUnavailable, w.Code)
	assert.Equal(t, "1", w.Header().Get("Retry-After"))
	close(leave)
	<-done
}

// from is a request from an address.
func from(addr string, body io.Reader) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", body)
	return r.WithContext(context.WithValue(r.Context(), addressKey{}, caller{netip.MustParseAddr(addr), true}))
}

func codeOf(h http.Handler, r *http.Request) int {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

func TestSlowCallersTakeNoPlaceOfOthers(t *testing.T) {
	h := bounded(2, 3, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
	const slow = "2001:db8::1"
	done := make(chan int)
	var bodies []*io.PipeWriter
	for range 3 {
		body, w := io.Pipe()
		bodies = append(bodies, w)
		go func() { done <- codeOf(h, from(slow, body)) }()
		_, err := w.Write([]byte("begun")) // returns when it is read
		require.NoError(t, err)
	}
	assert.Equal(t, http.StatusServiceUnavailable, codeOf(h, from("2001:db8::2", strings.NewReader("x"))), "a host has a whole network of IPv6")
	assert.Equal(t, http.StatusOK, codeOf(h, from("192.0.2.1", strings.NewReader("x"))), "three of them are slow, but two places are free")
	for _, w := range bodies {
		require.NoError(t, w.Close())
		<-done
	}
	assert.Equal(t, http.StatusOK, codeOf(h, from(slow, strings.NewReader("x"))))
}

func TestABodyThatBreaksOffIsNotTakenForAWholeOne(t *testing.T) {
	broken := errors.New("broken off")
	h := bounded(1, 1, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var read strings.Builder
		_, err := io.Copy(&read, r.Body)
		require.ErrorIs(t, err, broken)
		assert.Equal(t, "half", read.String())
	}))
	body, w := io.Pipe()
	go func() {
		_, _ = w.Write([]byte("half"))
		_ = w.CloseWithError(broken)
	}()
	codeOf(h, from("192.0.2.1", body))
}
