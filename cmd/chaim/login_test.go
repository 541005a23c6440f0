package main

import (
	"fmt"
	"net/http"
	"os"
)

// signerIn is a program that stands in for a browser and the person before it: it allows the sign-in to which the address
// leads, or presses the button that BUTTON names.
func signerIn() {
	button := os.Getenv("BUTTON")
	if button == "" {
		button = "allow"
	}
	resp, err := http.Get(os.Args[1])
	if err == nil {
		defer resp.Body.Close()
		form := resp.Request.URL.Query()
		form.Set("answer", button)
		resp, err = http.PostForm(resp.Request.URL.String(), form)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer resp.Body.Close()
}
