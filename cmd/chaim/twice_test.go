package main

import (
	"io"
	"net"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/chaim-go/chaim/chaimtest"
)

// sayTwice has all that the script's double says come twice: after each reply the connection brings another, keys included.
func sayTwice(ts *testscript.TestScript, srv *chaimtest.Server) {
	server := strings.TrimPrefix(srv.URL(), "http://")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { relayTwice(client, server) })
		}
	})
	ts.Defer(func() {
		_ = l.Close()
		wg.Wait()
	})
	for _, name := range []string{"CHAIM_URL", "AWS_ENDPOINT_URL_STS"} {
		ts.Setenv(name, strings.ReplaceAll(ts.Getenv(name), server, l.Addr().String()))
	}
}

// relayTwice carries a client's bytes to a server, and each piece of the answers back twice.
func relayTwice(client net.Conn, address string) {
	defer client.Close()
	server, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer server.Close()
	wg.Go(func() {
		_, _ = io.Copy(server, client)
		_ = server.Close()
	})
	answer := make([]byte, 64<<10)
	for {
		n, err := server.Read(answer)
		if err != nil {
			return
		}
		if _, err := client.Write([]byte(strings.Repeat(string(answer[:n]), 2))); err != nil {
			return
		}
	}
}
