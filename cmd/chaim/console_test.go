package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
)

// browserMain is a program that stands in for a browser: it asks for the address that is its only argument. It writes down
// the argument and its environment, and then the answer into a pipe, as the command that started it may end first.
func browserMain() {
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	err := errors.Join(
		os.WriteFile("asked", []byte(os.Args[1]+"\n"), 0o600),
		os.WriteFile("environment", []byte(strings.Join(os.Environ(), "\n")), 0o600),
	)
	var resp *http.Response
	if err == nil {
		resp, err = client.Get(os.Args[1])
	}
	if err == nil {
		answer := fmt.Sprintln(resp.Status, resp.Header.Get("Location"), resp.Header.Get("Cache-Control"), resp.Header.Get("Referrer-Policy"))
		err = os.WriteFile("answer.pipe", []byte(answer), 0o600)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
