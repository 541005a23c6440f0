package server

import (
	"bytes"
	"io"
	"net/http"
	"net/netip"
	"strconv"
	"sync"

	"github.com/chaim-go/chaim/gateway/internal/recent"
)

const (
	// maxBusy is how many requests of callers are worked on at a time. What comes beyond that would only wait for the database.
	maxBusy = 1000
	// maxOfOne is how many requests of one caller's network there may be at a time, so that one stranger does not take all places.
	maxOfOne = 250
)

// bounded refuses requests at once while too many are worked on, in all or of one network. A request is not worked on before
// its body is here, so that slow callers take no place.
func bounded(most, ofOne int, next http.Handler) http.Handler {
	places, callers := make(chan struct{}, most), &callers{requests: map[netip.Prefix]int{}}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from, _ := ClientAddr(r)
		network := recent.Network(from)
		if !callers.begin(network, ofOne) {
			tooBusy(w)
			return
		}
		defer callers.end(network)
		readBody(r)
		select {
		case places <- struct{}{}:
			defer func() { <-places }()
			next.ServeHTTP(w, r)
		default:
			tooBusy(w)
		}
	})
}

func tooBusy(w http.ResponseWriter) {
	w.Header().Set("Retry-After", strconv.Itoa(1))
	writeMessage(w, http.StatusServiceUnavailable, "Service Unavailable")
}

// readBody reads the body of a request, which is small. Who reads it then gets the error, if there was one.
func readBody(r *http.Request) {
	read, err := io.ReadAll(r.Body)
	if err == nil {
		err = io.EOF
	}
	r.Body = &body{r.Body, bytes.NewReader(read), err}
}

// body is a body that was read. It ends with an error.
type body struct {
	io.Closer
	read *bytes.Reader
	end  error
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.read.Read(p)
	if err != nil {
		err = b.end
	}
	return n, err
}

// callers counts the requests of each network.
type callers struct {
	mu       sync.Mutex
	requests map[netip.Prefix]int
}

// begin counts a request, if the network has fewer than most.
func (c *callers) begin(network netip.Prefix, most int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.requests[network] >= most {
		return false
	}
	c.requests[network]++
	return true
}

func (c *callers) end(network netip.Prefix) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.requests[network]--; c.requests[network] == 0 {
		delete(c.requests, network)
	}
}
