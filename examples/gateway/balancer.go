package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httputil"
	"sync/atomic"
)

// balancer passes each request to the next replica that takes the connection.
type balancer struct {
	replicas []*replica
	next     atomic.Uint64
}

// newBalancer returns a handler that passes requests on as they are, with the header Host. A replica that ends in the middle of
// a request makes it fail with 502, as with any balancer: requests to lend keys must not be sent twice by one that does not
// know what they are.
func newBalancer(replicas []*replica) http.Handler {
	b := &balancer{replicas: replicas}
	return &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "http", "replica" },
		Transport: &http.Transport{DialContext: b.dial, DisableKeepAlives: true},
	}
}

// dial connects to a replica: to one that is ready, if there is one.
func (b *balancer) dial(ctx context.Context, network, _ string) (conn net.Conn, err error) {
	var dialer net.Dialer
	first := int(b.next.Add(1) % uint64(len(b.replicas)))
	for _, mustBeReady := range []bool{true, false} {
		for i := range b.replicas {
			r := b.replicas[(first+i)%len(b.replicas)]
			if mustBeReady && !r.isReady.Load() {
				continue
			}
			if conn, err = dialer.DialContext(ctx, network, r.address); err == nil {
				return conn, nil
			}
		}
	}
	return nil, err
}
