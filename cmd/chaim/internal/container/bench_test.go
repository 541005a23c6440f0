package container

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"
)

func BenchmarkHandler(b *testing.B) {
	h := newHandler(Config{Source: hourKeys, Log: (&logbook{}).logger()}, 4242)
	h.requests.SetLimit(rate.Inf)
	r := httptest.NewRequest(http.MethodGet, h.path, nil)
	r.Host = "127.0.0.1:4242"
	r.Header.Set("Authorization", h.token)
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
}

// BenchmarkRequest makes a connection for each request, as a program does that starts, and tells the slowest.
func BenchmarkRequest(b *testing.B) {
	for name, slow := range map[string]int{"Quiet": 0, "Beside200SlowClients": 200} {
		b.Run(name, func(b *testing.B) {
			s, _ := listenFor(b, hourKeys)
			s.handler.requests.SetLimit(rate.Inf)
			for range slow {
				conn := dial(b, s)
				defer conn.Close()
				_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: ")
			}
			var took []time.Duration
			for b.Loop() {
				started := time.Now()
				resp, _ := ask(b, s, s.request())
				took = append(took, time.Since(started))
				require.Equal(b, http.StatusOK, resp.StatusCode)
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "µs-p99")
			b.ReportMetric(float64(took[len(took)-1].Microseconds()), "µs-max")
		})
	}
}

// BenchmarkKeptConnection sends one request after the other through a connection.
func BenchmarkKeptConnection(b *testing.B) {
	s, _ := listenFor(b, hourKeys)
	s.handler.requests.SetLimit(rate.Inf)
	conn := dial(b, s)
	defer conn.Close()
	answers := bufio.NewReader(conn)
	for b.Loop() {
		_, err := io.WriteString(conn, s.request())
		require.NoError(b, err)
		resp, err := http.ReadResponse(answers, nil)
		require.NoError(b, err)
		_, err = io.Copy(io.Discard, resp.Body)
		require.NoError(b, err)
	}
}
