package server

import (
	"net/http"
	"strconv"
)

// maxBusy is how many requests of callers are worked on at a time. What comes beyond that would only wait for the database.
const maxBusy = 1000

// bounded refuses requests at once while too many are worked on.
func bounded(most int, next http.Handler) http.Handler {
	places := make(chan struct{}, most)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case places <- struct{}{}:
			defer func() { <-places }()
			next.ServeHTTP(w, r)
		default:
			w.Header().Set("Retry-After", strconv.Itoa(1))
			writeMessage(w, http.StatusServiceUnavailable, "Service Unavailable")
		}
	})
}
